using System.Text;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>Which signal asks a container to stop, learnt from two files: Docker must not be asked, it holds the container's lock meanwhile.</summary>
/// <remarks>
/// The OCI specification has no stop signal. Docker keeps it in containers/ID/config.v2.json (moby container/container.go, Config.StopSignal), and
/// the bundle's config.json names that folder, since Docker mounts resolv.conf, hosts and hostname from it. Where anything of this is missing
/// or reads differently, it is SIGTERM, Docker's default.
/// </remarks>
internal static class StopSignal
{
    /// <param name="read">A file's content; null if it cannot be read.</param>
    public static int Of(string container, string? root, string workingFolder, Func<string, byte[]?> read)
    {
        var folder = BundleOf(container, root, workingFolder, read) is { } bundle && read(bundle + "/config.json") is { } specification
            ? DockerFolder(specification, container)
            : null;
        return folder is not null && read(folder + "config.v2.json") is { } settings && Value(settings, "StopSignal") is { Length: > 0 } name
            && Signals.Number(name) is > 0 and var number
            ? number
            : Signals.Terminate;
    }

    /// <summary>containerd's shim runs in the bundle and so does what it calls; else the runtime's own state names it (runc state.json, labels "bundle=…").</summary>
    private static string? BundleOf(string container, string? root, string workingFolder, Func<string, byte[]?> read)
    {
        if (workingFolder.EndsWith("/" + container, StringComparison.Ordinal))
            return workingFolder;
        if (root is null || read($"{root}/{container}/state.json") is not { } state)
            return null;
        var mark = "\"bundle="u8;
        var at = state.AsSpan().IndexOf(mark);
        return at < 0 ? null : UpToQuote(state, at + mark.Length);
    }

    /// <summary>…/containers/ID/, from the first path in the specification that has it.</summary>
    private static string? DockerFolder(byte[] specification, string container)
    {
        var mark = Encoding.UTF8.GetBytes($"/containers/{container}/");
        var at = specification.AsSpan().IndexOf(mark);
        if (at < 0)
            return null;
        var start = specification.AsSpan(0, at).LastIndexOf((byte)'"') + 1;
        return Encoding.UTF8.GetString(specification.AsSpan(start, at + mark.Length - start));
    }

    /// <summary>A text value of a JSON object at any depth. A quote inside a JSON text is escaped, so no text can look like the key.</summary>
    private static string? Value(byte[] json, string key)
    {
        var mark = Encoding.UTF8.GetBytes($"\"{key}\":\"");
        var at = json.AsSpan().IndexOf(mark);
        return at < 0 ? null : UpToQuote(json, at + mark.Length);
    }

    private static string? UpToQuote(byte[] json, int start)
    {
        var length = json.AsSpan(start).IndexOf((byte)'"');
        return length < 0 ? null : Encoding.UTF8.GetString(json.AsSpan(start, length));
    }
}
