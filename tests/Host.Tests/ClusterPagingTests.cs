using FlannelFlow.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Tests;

public sealed class ClusterPagingTests
{
    /// <summary>Three journals, some of their instances accepted at the same moment: whatever the size of the pages, each is shown once, and in order.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(40)]
    public void Pages_ShowEachWorkflowOnce_NewestFirst(int limit)
    {
        var random = new Random(limit);
        var journals = new[] { "n1", "n2", "a:b" }.ToDictionary(
            host => host, _ => Enumerable.Range(1, random.Next(12)).Select(row => View(row, second: row / 2)).Reverse().ToList());
        var shown = new List<HostedWorkflow>();
        string? cursor = null;
        do
        {
            var before = ClusterPaging.Parse(cursor);
            var page = ClusterPaging.Merge(journals.ToDictionary(journal => journal.Key, journal => PageOf(journal.Value, before.GetValueOrDefault(journal.Key, long.MaxValue), limit)), before, limit, notice: null);
            Assert.True(page.Items.Count <= limit);
            shown.AddRange(page.Items);
            cursor = page.Next;
        }
        while (cursor is not null);

        Assert.Equal(journals.Sum(journal => journal.Value.Count), shown.Distinct().Count());
        Assert.Equal(shown.Distinct().Count(), shown.Count);
        Assert.Equal(shown.Select(one => one.Workflow.AcceptedAt).OrderDescending(), shown.Select(one => one.Workflow.AcceptedAt));
    }

    [Theory]
    [InlineData("n1")]
    [InlineData("n1:x")]
    [InlineData(":5")]
    [InlineData("n1:5,n1:6")]
    public void Cursor_ThatIsNone_IsRefused(string cursor) => Assert.Throws<BadRequestException>(() => ClusterPaging.Parse(cursor));

    private static WorkflowPage PageOf(List<WorkflowView> journal, long before, int limit)
    {
        var rest = journal.Where(one => one.Row < before).ToList();
        return new WorkflowPage([.. rest.Take(limit)], rest.Count > limit ? rest[limit - 1].Row : null);
    }

    private static WorkflowView View(long row, int second)
    {
        var at = DateTimeOffset.UnixEpoch.AddSeconds(second);
        return new WorkflowView(row, $"id{row}", "mend", "k", InstanceStatus.Finished, at, at, at, null, null, null);
    }
}
