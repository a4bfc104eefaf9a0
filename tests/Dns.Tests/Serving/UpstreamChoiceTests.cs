using System.Net;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Tests.Serving;

public sealed class UpstreamChoiceTests
{
    [Theory]
    [InlineData("", "nameserver 192.0.2.1\nnameserver 127.0.0.53 # stub\n", false, "192.0.2.1:53; 127.0.0.53:53 (asked by the host)")]
    [InlineData("", "nameserver 192.0.2.1", true, "")]
    [InlineData("127.0.0.1", "nameserver 192.0.2.1", true, "127.0.0.1:53")]
    [InlineData("", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4", false, "192.0.2.1:53; 192.0.2.2:53; 192.0.2.3:53")]
    [InlineData("", "nameserver 2001:db8::1\n", false, "[2001:db8::1]:53 (asked by the host)")]
    [InlineData("", ";nameserver 192.0.2.1\nnameserver\nnameserver x\noptions ndots:2\nsearch nameserver", false, "")]
    public void Of(string own, string host, bool isInternal, string expected) => Assert.Equal(
        expected,
        string.Join("; ", UpstreamChoice.Of([.. own.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(IPAddress.Parse)], ResolverConfig.Parse(host), isInternal)));
}
