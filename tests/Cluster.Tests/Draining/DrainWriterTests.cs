using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Tests.Support;
using static FlannelFlow.Cluster.Tests.Mirror.Records;

namespace FlannelFlow.Cluster.Tests.Draining;

[Trait("Needs", "etcd")]
public sealed class DrainWriterTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private static readonly ContainerRecord C1 = Container("c1", "n1", "web", ("net1", "10.1.2.3", null));
    private readonly ClusterKeys _keys = etcd.NewKeys();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private DrainWriter Drains => new(etcd.Store, _keys, TimeProvider.System);

    [Fact]
    public async Task Begin_Twice_IsOneDrain_AndItsRevisionIsThatOfTheFirst()
    {
        await WriteAsync(C1);

        var first = await Drains.BeginAsync("n1", "c1", DrainReason.Stop, Ct);
        var drain = (await ReadAsync())!.Drain!;
        var second = await Drains.BeginAsync("n1", "c1", DrainReason.Stop, Ct);

        Assert.NotNull(first);
        Assert.Equal(first, second);
        Assert.Equal((DrainReason.Stop, drain.Id), ((await ReadAsync())!.Drain!.Reason, (await ReadAsync())!.Drain!.Id));
    }

    [Fact]
    public async Task Begin_ForALastingReason_GoesOverAPassingOne_AndIsTheSameDrain()
    {
        await WriteAsync(C1);
        await Drains.BeginAsync("n1", "c1", DrainReason.Unhealthy, Ct);
        var drain = (await ReadAsync())!.Drain!;

        await Drains.BeginAsync("n1", "c1", DrainReason.DesiredState, Ct);
        await Drains.BeginAsync("n1", "c1", DrainReason.Stop, Ct);

        Assert.Equal(drain with { Reason = DrainReason.DesiredState }, (await ReadAsync())!.Drain);
    }

    [Fact]
    public async Task Begin_AgainAfterItWasCalledOff_IsAnotherDrain()
    {
        await WriteAsync(C1);
        await Drains.BeginAsync("n1", "c1", DrainReason.Operator, Ct);
        var first = (await ReadAsync())!.Drain!.Id;

        await Drains.CallOffAsync("n1", "c1", Ct);
        Assert.Equal(MirrorJson.Write(C1), MirrorJson.Write((await ReadAsync())!));
        await Drains.BeginAsync("n1", "c1", DrainReason.Operator, Ct);

        Assert.NotEqual(first, (await ReadAsync())!.Drain!.Id);
    }

    [Fact]
    public async Task Begin_OfAContainerThatIsGone_IsNothing()
    {
        Assert.Null(await Drains.BeginAsync("n1", "c1", DrainReason.Stop, Ct));
        Assert.Null(await Drains.CallOffAsync("n1", "c1", Ct));
        Assert.Null(await ReadAsync());
    }

    [Fact]
    public async Task Drain_OutlivesWhatItsHostReadsOfDocker()
    {
        await WriteAsync(C1);
        await Drains.BeginAsync("n1", "c1", DrainReason.DesiredState, Ct);
        var drain = (await ReadAsync())!.Drain;

        await new MirrorWriter(etcd.Store, _keys, DrainTerms.Default, TimeProvider.System)
            .WriteContainersAsync("n1", _ => Task.FromResult<IReadOnlyCollection<ContainerRecord>>([C1 with { Name = "new" }]), Ct);

        Assert.Equal(("new", drain), ((await ReadAsync())!.Name, (await ReadAsync())!.Drain));
    }

    private Task<long> WriteAsync(ContainerRecord record) => etcd.Store.PutAsync(_keys.DockerContainer(record.Host, record.Id), MirrorJson.Write(record), EtcdLeaseId.None, Ct);

    private async Task<ContainerRecord?> ReadAsync() =>
        (await etcd.Store.RangeAsync(EtcdKeys.One(_keys.DockerContainer("n1", "c1")), Ct)).Entries is [var entry]
        && MirrorJson.TryRead(entry.Value, MirrorJsonContext.Default.ContainerRecord, out var record) ? record : null;
}
