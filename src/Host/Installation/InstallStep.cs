using System.Globalization;

namespace FlannelFlow.Host.Installation;

/// <summary>One change of the host, small enough to be read before it is made.</summary>
public abstract record InstallStep
{
    private InstallStep()
    {
    }

    /// <summary>What a dry run prints.</summary>
    public abstract string Text { get; }

    /// <summary>The folder appears under its name when all of it is there; one that was there before is replaced.</summary>
    public sealed record Copy(string From, string To) : InstallStep
    {
        public override string Text => $"copy {From} to {To}";
    }

    /// <summary>The file has the old or the new content at every moment.</summary>
    /// <param name="Mode">Of the new file; one that was there keeps its own.</param>
    public sealed record Write(string Path, string Content, UnixFileMode Mode) : InstallStep
    {
        public override string Text => string.Create(
            CultureInfo.InvariantCulture, $"write {Path}\n{string.Join('\n', Content.TrimEnd('\n').Split('\n').Select(line => "    | " + line))}");
    }

    /// <summary>A file or a folder with all that is in it; no matter if it is not there.</summary>
    public sealed record Delete(string Path) : InstallStep
    {
        public override string Text => $"delete {Path}";
    }

    /// <param name="MayFail">That is said, and no obstacle to the next step.</param>
    public sealed record Run(IReadOnlyList<string> Command, bool MayFail = false) : InstallStep
    {
        public override string Text => string.Join(' ', Command);

        public bool Equals(Run? other) => other is not null && Command.SequenceEqual(other.Command) && MayFail == other.MayFail;

        public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);
    }

    /// <summary>SIGHUP: dockerd reads its runtimes again, and goes on. systemctl does not wait for that, and what follows may delete the file.</summary>
    /// <param name="Runtime">Its default one by then.</param>
    public sealed record ReloadDocker(string Runtime) : InstallStep
    {
        public override string Text => $"have Docker read its settings again (systemctl reload docker), until its default runtime is {Runtime}";
    }

    /// <summary>What the daemon keeps in the kernel as long as it is installed, networks or none, and what one that was killed may have left there.</summary>
    public sealed record ClearKernel : InstallStep
    {
        public override string Text => "take FlannelFlow's load balancer and encryption out of the kernel (IPVS services, nftables tables, iptables chains, IPsec)";
    }

    internal static Run Running(params string[] command) => new(command);

    public sealed override string ToString() => Text;
}
