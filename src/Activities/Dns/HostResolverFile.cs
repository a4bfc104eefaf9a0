using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Activities.Dns;

/// <summary>The host's resolv.conf, followed. It is looked at, as what replaces it (a link, a rename, a bind mount) has many forms.</summary>
public sealed class HostResolverFile(string path)
{
    public const string DefaultPath = "/etc/resolv.conf";

    private readonly Lock _gate = new();
    private volatile ResolverConfig _current = Read(path) ?? ResolverConfig.Empty;

    public string Path => path;

    public ResolverConfig Current => _current;

    /// <returns>Whether it says something new. A file that is gone for the moment says nothing.</returns>
    public bool TryFollow()
    {
        lock (_gate)
        {
            if (Read(path) is not { } fresh || fresh.Equals(_current)) return false;
            _current = fresh;
            return true;
        }
    }

    private static ResolverConfig? Read(string path)
    {
        try
        {
            return ResolverConfig.Parse(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
