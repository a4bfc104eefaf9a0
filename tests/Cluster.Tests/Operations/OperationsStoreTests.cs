using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Operations;

[Trait("Needs", "etcd")]
public sealed class OperationsStoreTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly ClusterKeys _keys = etcd.NewKeys();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private OperationsStore Store => new(etcd.Store, _keys);

    [Fact]
    public async Task Summaries_OfAllHosts_AreFound_AndNothingElseIs()
    {
        var drain = Summary("i1", "n1");
        await Store.PutSummaryAsync("n1", "i1", OperationsStore.TextOf(drain), Ct);
        await Store.PutSummaryAsync("n2", "i2", OperationsStore.TextOf(Summary("i2", "n2")), Ct);
        await Store.PutSummaryAsync("n2", "i3", "of a newer version", Ct);
        await etcd.Store.PutAsync(_keys.Host("n1"), "{}", EtcdLeaseId.None, Ct);

        var found = await Store.SummariesAsync(Ct);
        Assert.Equal(["i1", "i2"], found.Select(summary => summary.Id).Order(StringComparer.Ordinal));
        Assert.Equal(OperationsStore.TextOf(drain), OperationsStore.TextOf(found.Single(summary => summary.Id == "i1")));

        await Store.DeleteSummaryAsync("n1", "i1", Ct);
        Assert.Empty(await Store.SummaryTextsAsync("n1", Ct));
    }

    [Fact]
    public async Task Request_IsTakenByItsHost_AndAnsweredInPlace()
    {
        var asking = Store.AskAsync("n2", Request("r1"), Patience, Ct);

        await foreach (var (request, entry) in Store.RequestsAsync("n2", Ct))
        {
            Assert.Equal(("r1", "retry", "i1", "alice", "n1"), (request.Id, request.Kind, request.Instance, request.Who, request.From));
            await Store.AnswerAsync(entry, request with { State = RequestState.Done, Answer = JsonValue.Create("done it") }, Ct);
            break;
        }

        var answered = await asking;
        Assert.Equal((RequestState.Done, "done it"), (answered!.State, answered.Answer!.GetValue<string>()));
    }

    [Fact]
    public async Task Request_ThatNobodyTakes_IsNoAnswer_AndIsStillThereForItsHost()
    {
        Assert.Null(await Store.AskAsync("n3", Request("r2"), TimeSpan.FromMilliseconds(200), Ct));

        await foreach (var (request, _) in Store.RequestsAsync("n3", Ct))
        {
            Assert.Equal("r2", request.Id);
            break;
        }

        var entry = Assert.Single((await etcd.Store.RangeAsync(EtcdKeys.Under(_keys.HostRequests("n3")), Ct)).Entries);
        Assert.True(await etcd.Store.TimeToLiveAsync(entry.Lease, Ct) <= OperationsStore.RequestLife + TimeSpan.FromSeconds(2), "the request does not go by itself");
    }

    private static WorkflowSummary Summary(string id, string host) => new(
        id, host, "connection-drain", "suspended", "wait-for-connections", new JsonObject { ["ServiceId"] = "web" }, DateTimeOffset.UnixEpoch, "ENOBUFS");

    private static OperatorRequest Request(string id) => new(id, "retry", "i1", "alice", "because", "n1", RequestState.Asked);
}
