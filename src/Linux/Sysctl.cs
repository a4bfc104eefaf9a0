namespace FlannelFlow.Linux;

/// <summary>
/// Kernel settings by their path under /proc/sys, with slashes, as device names hold dots: <c>net/ipv6/conf/flannel.6514/accept_ra</c>.
/// Those under net are the calling thread's namespace's.
/// </summary>
public static class Sysctl
{
    /// <exception cref="IOException">There is no such setting, or it cannot be read.</exception>
    public static string Read(string path)
    {
        try
        {
            return File.ReadAllText(FileOf(path)).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"reading sysctl {path}: {Reason(e)}", e);
        }
    }

    /// <summary>Null if there is no such setting.</summary>
    public static string? Find(string path) => File.Exists(FileOf(path)) ? Read(path) : null;

    /// <exception cref="IOException">There is no such setting, it is read-only, or the kernel refuses the value.</exception>
    public static void Write(string path, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(value);
        try
        {
            using var handle = File.OpenHandle(FileOf(path), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(handle, System.Text.Encoding.UTF8.GetBytes(value), 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"writing sysctl {path}={value}: {Reason(e)}", e);
        }
    }

    /// <returns>False if it had the value.</returns>
    public static bool Ensure(string path, string value)
    {
        if (Read(path) == value) return false;
        Write(path, value);
        return true;
    }

    private static string FileOf(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.StartsWith('/') || path.Split('/').Contains("..")) throw new ArgumentException($"not a path under /proc/sys: {path}", nameof(path));
        return "/proc/sys/" + path;
    }

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "no such setting (is its module loaded?)",
        UnauthorizedAccessException => "not permitted",
        _ => e.Message,
    };
}
