using System.Net.Sockets;
using System.Text;
using FlannelFlow.Flanneld.Health;
using FlannelFlow.Flanneld.Readiness;
using FlannelFlow.Flanneld.Reconciling;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class ReadinessTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Notifier_SendsDatagrams_ToPathsAndAbstractNames(bool isAbstract)
    {
        var name = Path.Combine(Path.GetTempPath(), "fft-" + Guid.NewGuid().ToString("N"));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + name : name));
        try
        {
            var notifier = new ServiceNotifier(isAbstract ? '@' + name : name, NullLogger.Instance);
            Assert.False(notifier.IsReady);
            notifier.Status("waiting for etcd:\nnot there");
            notifier.Ready("10.1.2.0/25");
            Assert.True(notifier.IsReady);
            Assert.Equal("STATUS=waiting for etcd: not there", await ReceiveAsync(listener));
            Assert.Equal("READY=1\nSTATUS=10.1.2.0/25", await ReceiveAsync(listener));
        }
        finally
        {
            File.Delete(name);
        }
    }

    [Fact]
    public void Notifier_WithoutListener_GoesOn()
    {
        new ServiceNotifier("/nowhere/at/all", NullLogger.Instance).Ready("x");
        new ServiceNotifier(new string('x', 500), NullLogger.Instance).Ready("x");
        new ServiceNotifier(null, NullLogger.Instance).Ready("x");
    }

    [Theory]
    [InlineData("GET /healthz HTTP/1.1\r\n", false, "200")]
    [InlineData("GET /readyz HTTP/1.1\r\n", false, "503")]
    [InlineData("GET /readyz?verbose HTTP/1.1\r\n", true, "200")]
    [InlineData("GET / HTTP/1.1\r\n", true, "404")]
    [InlineData("rubbish", true, "400")]
    public void Health_Answers(string request, bool isReady, string status) =>
        Assert.StartsWith($"HTTP/1.1 {status} ", HealthListener.Answer(request, isReady), StringComparison.Ordinal);

    [Fact]
    public void Retries_WaitEachForItself_Doubling_AndAChangeIsTriedAtOnce()
    {
        var time = new FakeTimeProvider();
        var retries = new RetrySchedule(time);
        var (bad, other) = (Host("10.1.3.0/25", "02:00:00:00:00:0a"), Host("10.1.4.0/25", "02:00:00:00:00:0b"));
        Assert.Null(retries.UntilNext());
        Assert.Equal(TimeSpan.FromSeconds(1), retries.Failed(bad));
        Assert.False(retries.MayTry(bad));
        Assert.True(retries.MayTry(other));
        Assert.True(retries.MayTry(bad with { Mac = other.Mac }));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(retries.MayTry(bad));
        Assert.Equal(TimeSpan.FromSeconds(2), retries.Failed(bad));
        Assert.Equal(TimeSpan.FromSeconds(2), retries.UntilNext());
        for (var i = 0; i < 10; i++) retries.Failed(bad);
        Assert.Equal(RetrySchedule.Last, retries.Failed(bad));
        retries.Keep([other]);
        Assert.Null(retries.UntilNext());
    }

    [Fact]
    public async Task Wakeup_ManySignals_AreOne_AndNoneIsLost()
    {
        var wakeup = new Wakeup(TimeProvider.System);
        Assert.False(await wakeup.WaitAsync(TimeSpan.FromMilliseconds(1), CancellationToken.None));
        wakeup.Signal();
        wakeup.Signal();
        Assert.True(await wakeup.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None));
        Assert.False(await wakeup.WaitAsync(TimeSpan.FromMilliseconds(1), CancellationToken.None));
        wakeup.Signal();
        Assert.True(await wakeup.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None));
    }

    private static RemoteHost Host(string subnet, string mac) => new(
        Support.Leases.Subnet(subnet), Cluster.Addressing.IPv4Address.Parse("192.0.2.3"), FlannelFlow.Linux.Netlink.MacAddress.Parse(mac));

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[1000];
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        return Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, patience.Token));
    }
}
