using System.Net;
using FlannelFlow.Host.Mirror;

namespace FlannelFlow.Host.Tests;

/// <summary>Silence is tried on lab hosts (NameChurnTests, OutageTests): here nothing is sent to others.</summary>
[Trait("Needs", "kernel")]
public sealed class UnderlayPingTests
{
    [Fact]
    public async Task Kernel_Answers()
    {
        var underlay = new UnderlayPing();
        for (var i = 0; i < 3; i++) Assert.True(await underlay.AnswersAsync(IPAddress.Loopback, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Address_ThatCannotBeAsked_DoesNotAnswer() =>
        Assert.False(await new UnderlayPing().AnswersAsync(IPAddress.IPv6Loopback, TestContext.Current.CancellationToken));
}
