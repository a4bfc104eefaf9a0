using System.Net;

namespace FlannelFlow.Dns.Upstreams;

/// <summary>From which network namespace an upstream is asked.</summary>
public enum UpstreamSide
{
    Sandbox,

    /// <summary>The sandbox's, past our own redirect: it reaches Docker's resolver, at 127.0.0.11.</summary>
    PastRedirect,

    /// <summary>The host's: a loopback address of the host's resolv.conf means the host.</summary>
    Host,
}

/// <summary>A DNS server that answers what is not ours.</summary>
public sealed record UpstreamModel(IPEndPoint Server, UpstreamSide Side)
{
    public const int Port = 53;

    public override string ToString() => Side switch
    {
        UpstreamSide.Sandbox => Server.ToString(),
        UpstreamSide.PastRedirect => $"{Server} (Docker's)",
        UpstreamSide.Host => $"{Server} (asked by the host)",
    };
}
