using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Host.Tests;

[Trait("Needs", "kernel")]
public sealed class OpeningTasksTests : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);
    private readonly Process _task = Process.Start("unshare", ["--net", "sleep", "1000"]);
    private readonly ConcurrentQueue<string> _over = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync() =>
        await UntilAsync(() => NetworkNamespace.InodeOfProcess(_task.Id) is { } inode && inode != NetworkNamespace.InodeOfProcess(Environment.ProcessId));

    public async ValueTask DisposeAsync()
    {
        _task.Kill();
        await _task.WaitForExitAsync(CancellationToken.None);
        _task.Dispose();
    }

    [Theory]
    [InlineData(600, 100, 500)]
    [InlineData(600, 601, null)]
    [InlineData(600, -3600, 600)] // the clock was set back
    [InlineData(0, 0, null)]
    public void Task_ThatListensNowhere_IsOpening_UntilTheWaitIsOver(int wait, int passed, int? left)
    {
        using var opening = new OpeningTasks(TimeSpan.FromSeconds(wait), TimeProvider.System);
        Assert.Equal(left is not null, opening.IsOpening(_task.Id, Now - TimeSpan.FromSeconds(passed), out var found));
        if (left is { } seconds) Assert.InRange(found.TotalSeconds, seconds - 60, seconds);
    }

    [Fact]
    public async Task Task_ThatListens_IsWaitedForNoMore()
    {
        using var opening = new OpeningTasks(Long, TimeProvider.System);
        using var inside = NetworkNamespace.OfProcess(_task.Id);
        await RunAsync(opening, async () =>
        {
            Assert.True(opening.IsOpening(_task.Id, Now, out var left));
            opening.Await("c1", _task.Id, left);
            opening.Await("c1", _task.Id, left);
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Ct);
            Assert.Empty(_over);

            using var server = inside.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            server.Bind(new IPEndPoint(IPAddress.Any, 80));
            server.Listen();
            await UntilAsync(() => !_over.IsEmpty);
            Assert.False(opening.IsOpening(_task.Id, Now, out _));
        });
        Assert.Equal(["c1"], _over);
    }

    [Fact]
    public async Task Task_ThatNeverListens_IsWaitedForNoLongerThanIsLeft()
    {
        using var opening = new OpeningTasks(Long, TimeProvider.System);
        await RunAsync(opening, async () =>
        {
            var waited = Stopwatch.StartNew();
            opening.Await("c1", _task.Id, TimeSpan.FromSeconds(1));
            opening.Await("c2", _task.Id, Long);
            await UntilAsync(() => !_over.IsEmpty);
            Assert.True(waited.Elapsed >= TimeSpan.FromSeconds(1));
        });
        Assert.Equal(["c1"], _over);
    }

    [Fact]
    public async Task Task_ThatIsAwaitedAgain_IsNotAwaitedLonger()
    {
        using var opening = new OpeningTasks(Long, TimeProvider.System);
        await RunAsync(opening, async () =>
        {
            opening.Await("c1", _task.Id, TimeSpan.FromMilliseconds(300));
            opening.Await("c1", _task.Id, Long);
            await UntilAsync(() => !_over.IsEmpty);
        });
    }

    [Fact]
    public async Task Task_ThatHasEnded_HasNotOpenedByThat()
    {
        _task.Kill();
        await _task.WaitForExitAsync(Ct);
        using var opening = new OpeningTasks(Long, TimeProvider.System);
        await RunAsync(opening, async () =>
        {
            Assert.True(opening.IsOpening(_task.Id, Now, out _));
            opening.Await("c1", _task.Id, Long);
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Ct);
        });
        Assert.Empty(_over);
    }

    [Theory]
    [InlineData("web", ContainerHealth.None, true)]
    [InlineData("web", ContainerHealth.Starting, false)]
    [InlineData("web", ContainerHealth.Healthy, false)]
    [InlineData(null, ContainerHealth.None, false)]
    public void Tasks_WithoutAHealthCheck_AreConcerned(string? service, ContainerHealth health, bool isConcerned)
    {
        var task = service is null ? null : new ContainerTask("t1", service, service, "node1");
        Assert.Equal(isConcerned, OpeningTasks.Concerns(new ContainerRecord("c1", "n1", "c1", "c1", health, ContainerState.Ready, [], ImmutableSortedDictionary<string, string>.Empty, task)));
    }

    private async Task RunAsync(OpeningTasks opening, Func<Task> meanwhile)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var running = opening.RunAsync(_over.Enqueue, end.Token);
        await meanwhile();
        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var waited = Stopwatch.StartNew(); !holds(); await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Ct))
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(20), "not within 20 s");
    }
}
