using System.Globalization;
using System.Net;
using FlannelFlow.Linux.Firewall;

namespace FlannelFlow.Activities.Dns;

/// <summary>The ports that a sandbox's server has on 127.0.0.11.</summary>
/// <param name="Canary">Of the near end, see <see cref="Dns.Canary"/>.</param>
public sealed record RedirectPorts(int Udp, int Tcp, int Probe, int Canary);

/// <summary>
/// Queries to 127.0.0.11:53 go to our server as long as it lives, and to Docker's resolver otherwise: a table of our own in the sandbox.
/// </summary>
/// <remarks>
/// It rewrites ports before connection tracking sees a packet, and keeps it from being tracked, so Docker's own redirect (NAT, so by
/// connection tracking) does not see it either. That makes each datagram a decision of its own: a client that keeps its port for ever (nginx,
/// netty, dnsperf) changes sides with the next one, which it would not if the redirect were NAT too. docs/decisions says more.
/// <list type="number">
/// <item><c>alive</c> holds 127.0.0.11 while the server lives. The server's echo of a probe refreshes it for <see cref="Life"/>. Without it
/// nothing is redirected.</item>
/// <item>A probe of one byte takes it out at once: the server is about to stop. Answers that are still under way are let through.</item>
/// <item>So does the end of our process: the kernel closes its canary, and the FIN is seen here.</item>
/// <item>So do the kernel's own words that nobody listens any more, an ICMP error or a RST to a SYN, in case a client meets a dead server all the
/// same: it is told so (the error is given the port that the client knows; what that changes in its checksum, its unused field takes back), and
/// its next attempt reaches Docker's resolver.</item>
/// <item>A TCP connection stays where it began.</item>
/// <item>What bears <see cref="PastMark"/> is left to Docker's redirect.</item>
/// <item>The rules for queries and answers by UDP stand first: all others are for a few packets a second.</item>
/// </list>
/// </remarks>
public static class DnsRedirect
{
    /// <summary>How long a server counts as alive after its last echo.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromSeconds(2);

    /// <summary>Of packets that mean Docker's resolver, though we redirect its address ("ff53").</summary>
    public const int PastMark = 0xff53;

    private const string Family = "ip";
    private const string Name = "flannelflow-dns";

    /// <summary>Docker's resolver, in each sandbox that is in a network with names (moby: daemon/libnetwork/sandbox_dns_unix.go).</summary>
    public static IPAddress Resolver { get; } = IPAddress.Parse("127.0.0.11");

    /// <param name="runner">In the sandbox.</param>
    public static NftTable TableIn(CommandRunner runner) => new(runner, Family, Name);

    /// <summary>What the table holds, in nft's words; nothing is redirected by it before the first probe has come back.</summary>
    /// <param name="life">Whole seconds, normally <see cref="Life"/>.</param>
    public static string Body(RedirectPorts ports, TimeSpan life)
    {
        ArgumentNullException.ThrowIfNull(ports);
        // size: of a deleted element the kernel forgets to subtract the place, so one place would be lost with each death of the server.
        return string.Create(CultureInfo.InvariantCulture, $$"""
            set alive {
                type ipv4_addr
                size 65535
                flags dynamic,timeout
                timeout {{(int)life.TotalSeconds}}s
            }
            set connections {
                type ipv4_addr . inet_service
                size 65535
                flags dynamic,timeout
                timeout 1m
            }
            chain output {
                type filter hook output priority raw; policy accept;
                ip saddr 127.0.0.11 jump answers
                ip daddr 127.0.0.11 jump queries
            }
            chain answers {
                udp sport {{ports.Udp}} udp dport != {{ports.Probe}} udp sport set 53 notrack accept
                udp sport {{ports.Udp}} udp length 8 update @alive { ip saddr }
                udp sport {{ports.Udp}} notrack accept
                tcp sport {{ports.Canary}} tcp flags & (fin | rst) != 0 delete @alive { ip saddr }
                tcp sport {{ports.Tcp}} tcp flags & (rst | ack) == (rst | ack) tcp sequence 0 delete @alive { ip saddr }
                tcp sport {{ports.Tcp}} tcp sport set 53 notrack accept
                icmp type destination-unreachable icmp code port-unreachable @th,240,16 {{ports.Udp}} delete @alive { ip saddr } @th,240,16 set 53 @th,48,16 set {{ports.Udp - 53}} accept
            }
            chain queries {
                udp dport 53 meta mark != {{PastMark}} ip daddr @alive udp dport set {{ports.Udp}} notrack accept
                udp sport {{ports.Probe}} udp length 9 delete @alive { ip daddr }
                udp sport {{ports.Probe}} notrack accept
                tcp dport 53 ip saddr . tcp sport @connections update @connections { ip saddr . tcp sport } tcp dport set {{ports.Tcp}} notrack accept
                meta mark {{PastMark}} return
                ip daddr != @alive return
                tcp dport 53 tcp flags & (syn | ack) == syn update @connections { ip saddr . tcp sport } tcp dport set {{ports.Tcp}} notrack accept
            }
            """);
    }
}
