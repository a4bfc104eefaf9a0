using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Cluster;

/// <summary>A workflow that waits for a person.</summary>
/// <param name="Instance">Its id.</param>
/// <param name="Step">That it stands at.</param>
/// <param name="Error">Why.</param>
public sealed record IncidentSummary(string Instance, string Host, string Definition, string Status, string Step, DateTimeOffset Since, string? Error);

/// <param name="Notice">Why the list may lack other hosts'; null if it does not.</param>
public sealed record IncidentPage(IReadOnlyList<IncidentSummary> Items, string? Notice);

/// <summary>The workflows of all hosts that wait for a person: this host's from its journal, the others' from etcd.</summary>
public sealed class Incidents(WorkflowRuntime runtime, OperationsStore store, HostPresenceOptions here)
{
    public async Task<IncidentPage> ReadAsync(CancellationToken ct)
    {
        var own = runtime.Instances(new InstanceFilter(DefinitionId: null, Status: null, Limit: WorkflowQuery.MaximumLimit) { WithOpenIncident = true })
            .Select(row => Summaries.Of(runtime, row, here.Host));
        IEnumerable<WorkflowSummary> others = [];
        string? notice = null;
        try
        {
            others = (await store.SummariesAsync(ct)).Where(IsOthersIncident);
        }
        catch (EtcdException e)
        {
            notice = $"only this host's: {e.Message}";
        }

        return new IncidentPage(
            [
                .. own.Concat(others).OrderByDescending(summary => summary.AcceptedAt).Select(summary => new IncidentSummary(
                    summary.Id, summary.Host, summary.Definition, summary.Status, summary.Step, summary.AcceptedAt, summary.Error)),
            ],
            notice);
    }

    /// <summary>What a host tells of is an open drain or has an incident; a drain with an incident is suspended, or has branches that stand.</summary>
    private bool IsOthersIncident(WorkflowSummary summary) =>
        summary.Host != here.Host && (summary.Definition != DrainOperations.Definition || summary.Status == "suspended");
}
