using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Host.Tests;

public sealed class DriftBookTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly DriftBook _book;

    public DriftBookTests() => _book = new DriftBook(_time);

    public void Dispose() => _book.Dispose();

    [Fact]
    public void Difference_SeenOnce_IsNotDue_SeenTwice_Is_AndWhenItIsGoneItIsMended()
    {
        Assert.Empty(_book.Looked([Bridge], trouble: null));
        Assert.Empty(_book.View().Standing);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal([Bridge.Key], _book.Looked([Bridge], trouble: null).Select(difference => difference.Key));
        Assert.True(_book.IsDue(Bridge.Key));
        _book.Begun(Bridge.Key, "w1");
        Assert.Equal(("w1", 1), (_book.View().Standing.Single().Workflow, _book.View().Standing.Single().Begun));

        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Empty(_book.Looked([], trouble: null));
        var view = _book.View();
        Assert.Empty(view.Standing);
        Assert.Equal((TimeSpan.FromSeconds(5), "w1"), (view.Mended.Single().Took, view.Mended.Single().Workflow));
        Assert.Equal([new DriftTotal(DriftKind.Device, 1)], view.Totals);
    }

    [Fact]
    public void Difference_ThatDoesNotGo_IsBegunLaterAndLater_NeverOftenerThanTenMinutesInTheEnd()
    {
        _book.Looked([Bridge], trouble: null);
        var begun = new List<DateTimeOffset>();
        for (var second = 0; second < 6 * 3600; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            if (_book.Looked([Bridge], trouble: null).IsEmpty) continue;
            begun.Add(_time.GetUtcNow());
            _book.Begun(Bridge.Key, "w");
        }

        Assert.Equal([5, 10, 20, 40, 80], begun.Zip(begun.Skip(1), (one, next) => (next - one).TotalSeconds).Take(5));
        Assert.Equal(600, (begun[^1] - begun[^2]).TotalSeconds);
        Assert.InRange(begun.Count, 10, 6 * 6 + 8);
    }

    [Fact]
    public void Look_ThatCouldNotCompareAll_EndsNothing()
    {
        _book.Looked([Bridge], trouble: null);
        _book.Looked([Bridge], trouble: null);
        var looked = _book.View().Looked;
        _time.Advance(TimeSpan.FromSeconds(1));
        _book.Looked([], "etcd is away");
        Assert.Equal((looked, "etcd is away", 1), (_book.View().Looked, _book.View().Trouble, _book.View().Standing.Count));
    }

    [Fact]
    public void Difference_ThatNoWorkflowMends_StandsAndIsNeverDue()
    {
        var veth = new Difference(DriftKind.EndpointWithoutVeth, "e1", "no veth") { Command = "docker restart web" };
        for (var look = 0; look < 3; look++) Assert.Empty(_book.Looked([veth], trouble: null));
        Assert.Equal("docker restart web", _book.View().Standing.Single().Command);
    }

    [Fact]
    public void LoadBalancers_AreComparedByALoopOfTheirOwn_WhichAloneEndsTheirDifferences()
    {
        var service = new Difference(DriftKind.LoadBalancer, "service-publish/web", "gone");
        _book.LoopLooked(DriftKind.LoadBalancer, [(service, "service-publish")]);
        Assert.Equal("service-publish", _book.View().Standing.Single().Workflow);
        Assert.Equal([new DriftTotal(DriftKind.LoadBalancer, 1)], _book.View().Totals);
        _book.Looked([], trouble: null);
        _book.LoopLooked(DriftKind.LoadBalancer, [(service, "service-publish")]);
        Assert.Single(_book.View().Standing);
        _book.LoopLooked(DriftKind.LoadBalancer, []);
        Assert.Equal((0, 1), (_book.View().Standing.Count, _book.View().Mended.Count));
    }

    private static Difference Bridge { get; } =
        new(DriftKind.Device, "net1 ffbr.6514", "the bridge is gone") { Mend = new StartWorkflow("network-restore", "network-restore/net1", []) };
}
