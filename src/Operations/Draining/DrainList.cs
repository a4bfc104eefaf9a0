using FlannelFlow.Activities.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Draining;

/// <summary>A drain of a backend on a host.</summary>
/// <param name="Id">Of the workflow; empty for a backend that is held open, which has none.</param>
/// <param name="Status">running, suspended …; heldOpen: the last backend of its service, which gets connections until another is ready.</param>
/// <param name="Connections">Through that host, at the last count; known of this host only.</param>
/// <param name="Error">Why it waits for a person, or the fault of the last attempt.</param>
public sealed record DrainView(
    string Id,
    string Host,
    string Service,
    string Network,
    string Container,
    string Address,
    string Reason,
    string Status,
    string Step,
    DateTimeOffset Since,
    int? Connections,
    DateTimeOffset? Deadline,
    string? Error);

/// <param name="Notice">Why the list may lack other hosts'; null if it does not.</param>
public sealed record DrainPage(IReadOnlyList<DrainView> Items, string? Notice);

/// <summary>The open drains of all hosts: this host's from its journal, the others' from etcd.</summary>
public sealed class DrainList(WorkflowRuntime runtime, OpenDrains open, OperationsStore store, DockerMirror mirror, HostPresenceOptions here)
{
    /// <summary>So that a slip of a finger does not name another.</summary>
    private const int ShortestId = 6;

    public async Task<DrainPage> ReadAsync(CancellationToken ct)
    {
        var own = Summaries.OpenDrains(runtime, here.Host);
        IReadOnlyList<WorkflowSummary> others = [];
        string? notice = null;
        try
        {
            others = [.. (await store.SummariesAsync(ct)).Where(summary => summary.Definition == DrainOperations.Definition && summary.Host != here.Host)];
        }
        catch (EtcdException e)
        {
            notice = $"only this host's drains: {e.Message}";
        }

        return new DrainPage(
            [.. own.Concat(others).Select(View).Concat(HeldOpen()).OrderBy(drain => drain.Service, StringComparer.Ordinal).ThenBy(drain => drain.Since)],
            notice);
    }

    /// <summary>One by its id or the end of it.</summary>
    /// <exception cref="KeyNotFoundException">There is none, or more than one.</exception>
    public async Task<DrainView> FindAsync(string id, CancellationToken ct)
    {
        var all = (await ReadAsync(ct)).Items.Where(drain => drain.Id.Length > 0).ToList();
        if (all.FirstOrDefault(drain => drain.Id == id) is { } exact)
            return exact;
        var found = id.Length >= ShortestId ? all.Where(drain => drain.Id.EndsWith(id, StringComparison.Ordinal)).ToList() : [];
        return found switch
        {
            [var one] => one,
            [] => throw new KeyNotFoundException($"no open drain \"{id}\" on any host (an id, or its last {ShortestId} or more digits; ended ones: flannelflow workflows list)"),
            _ => throw new KeyNotFoundException($"more than one drain's id ends in {id}: {string.Join(", ", found.Select(drain => $"{drain.Id} on {drain.Host}"))}"),
        };
    }

    private DrainView View(WorkflowSummary summary)
    {
        var seen = summary.Host == here.Host ? open.Find(new InstanceId(summary.Id)) : null;
        return new DrainView(
            summary.Id,
            summary.Host,
            ServiceName(Text("ServiceId")),
            NetworkName(Text("NetworkId")),
            Text("ContainerId"),
            Text("Address"),
            Text("Reason"),
            seen is { IsHeldOpen: true } ? "heldOpen" : summary.Status,
            summary.Step,
            summary.AcceptedAt,
            seen?.Open,
            seen is { IsHeldOpen: false } ? seen.Deadline : null,
            summary.Error);

        string Text(string name) => summary.Input[name]?.GetValue<string>() ?? "";
    }

    /// <summary>Those that have no workflow: the last of a service from the first moment.</summary>
    private IEnumerable<DrainView> HeldOpen()
    {
        if (mirror.Current is not { } state) yield break;
        foreach (var balancer in DesiredLoadBalancers.Of(state, state.Networks.Keys.ToHashSet(StringComparer.Ordinal)).Values)
        {
            foreach (var backend in balancer.Backends)
            {
                if (backend is not { Weight: > 0, Drain: { } drain }) continue;
                yield return new DrainView(
                    "", "all", balancer.ServiceName, NetworkName(balancer.Service.NetworkId), backend.ContainerId, backend.Address.ToString(),
                    drain.Reason.ToString(), "heldOpen", "", drain.Since, Connections: null, Deadline: null, Error: null);
            }
        }
    }

    private string ServiceName(string id) => mirror.Current?.Services.GetValueOrDefault(id)?.Name ?? id;

    private string NetworkName(string id) => mirror.Current?.Networks.GetValueOrDefault(id)?.Name ?? id;
}
