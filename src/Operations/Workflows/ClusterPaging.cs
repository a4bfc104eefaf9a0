using System.Globalization;

namespace FlannelFlow.Operations.Workflows;

/// <summary>Pages of what several journals have, newest first: pure.</summary>
/// <remarks>Where a page ends stands in its cursor as the row of each journal's last one, <c>n1:120,n2:77</c>: so nothing is left out, nor shown twice.</remarks>
public static class ClusterPaging
{
    /// <exception cref="BadRequestException">It is no cursor.</exception>
    public static IReadOnlyDictionary<string, long> Parse(string? cursor)
    {
        var rows = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var part in (cursor ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = part.LastIndexOf(':');
            if (colon < 1 || !long.TryParse(part.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var row) || !rows.TryAdd(part[..colon], row))
                throw new BadRequestException($"before: \"{cursor}\" is not of the form HOST:ROW,HOST:ROW");
        }

        return rows;
    }

    /// <param name="pages">One of each host, each from where the cursor says.</param>
    /// <param name="before">The cursor that the pages were asked for with.</param>
    public static ClusterWorkflowPage Merge(
        IReadOnlyDictionary<string, WorkflowPage> pages, IReadOnlyDictionary<string, long> before, int limit, string? notice)
    {
        ArgumentNullException.ThrowIfNull(pages);
        var items = pages.SelectMany(page => page.Value.Items.Select(item => new HostedWorkflow(page.Key, item)))
            // Within a host in the order of its journal, in which the times are, but for what was accepted at the same moment.
            .OrderByDescending(item => item.Workflow.AcceptedAt).ThenBy(item => item.Host, StringComparer.Ordinal).ThenByDescending(item => item.Workflow.Row)
            .Take(limit).ToList();
        var rows = new SortedDictionary<string, long>(before.ToDictionary(), StringComparer.Ordinal);
        foreach (var host in items.GroupBy(item => item.Host, StringComparer.Ordinal)) rows[host.Key] = host.Min(item => item.Workflow.Row);
        var isMore = pages.Values.Any(page => page.Next is not null) || pages.Values.Sum(page => page.Items.Count) > items.Count;
        return new ClusterWorkflowPage(items, isMore ? string.Join(',', rows.Select(row => string.Create(CultureInfo.InvariantCulture, $"{row.Key}:{row.Value}"))) : null, notice);
    }
}
