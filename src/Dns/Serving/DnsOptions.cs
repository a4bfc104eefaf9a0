using FlannelFlow.Dns.Names;

namespace FlannelFlow.Dns.Serving;

/// <summary>How this host's servers answer.</summary>
/// <param name="Mode">DNS_DOCKER_COMPATIBILITY_MODE.</param>
/// <param name="Ttl">Seconds for which an answer of ours, negative ones too, may be remembered.</param>
public sealed record DnsOptions(MatchMode Mode, int Ttl)
{
    /// <summary>The server is in the client's own sandbox: asking again costs microseconds, a remembered address of a task that is gone costs a request.</summary>
    public const int DefaultTtl = 1;
}
