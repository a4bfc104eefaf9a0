using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations;

/// <summary>Who wants it, and why: for the audit.</summary>
public sealed record Asker(string? Who, string? Why)
{
    /// <summary>Of what changes nothing.</summary>
    public static Asker ToSee(string who) => new(who, "to see it");
}

/// <summary>What a person wants of any host, mostly of its workflows: done here, or by a request to that host.</summary>
/// <remarks>A workflow lives in the journal of one host, which alone can alter it; so its audit row stands there, wherever the person was.</remarks>
public sealed class OperatorDesk(
    HostOperations operations, DrainList drains, OperationsStore store, DockerMirror mirror, HostPresenceOptions here, TimeProvider time)
{
    /// <summary>For another host's answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <param name="host">Null: this one.</param>
    public async Task<WorkflowPage> ListAsync(string? host, WorkflowQuery query, CancellationToken ct) =>
        Read<WorkflowPage>(await AskAsync(host, "workflows.list", "", Asker.ToSee(here.Host), Node(query), ct));

    /// <summary>Of all hosts whose daemon gives signs of life, each asked at the same time.</summary>
    /// <param name="before">A cursor of <see cref="ClusterPaging"/>; null: from the newest.</param>
    public async Task<ClusterWorkflowPage> ListAllAsync(WorkflowQuery query, string? before, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        var rows = ClusterPaging.Parse(before);
        var state = mirror.Current ?? MirrorState.Empty;
        var silent = state.Hosts.Keys.Where(host => host != here.Host && !state.Heard.Contains(host)).Order(StringComparer.Ordinal).ToList();
        var asked = state.Hosts.Keys.Except(silent, StringComparer.Ordinal).Append(here.Host).Distinct(StringComparer.Ordinal).ToList();
        var answers = await Task.WhenAll(asked.Select(host => TryListAsync(host, query with { Before = rows.TryGetValue(host, out var row) ? row : null }, ct)));
        var missing = silent.Select(host => $"{host} is silent").Concat(answers.Where(answer => answer.Page is null).Select(answer => answer.Trouble!)).ToList();
        return ClusterPaging.Merge(
            answers.Where(answer => answer.Page is not null).ToDictionary(answer => answer.Host, answer => answer.Page!, StringComparer.Ordinal), rows, query.Limit,
            missing.Count > 0 ? $"not all hosts' workflows: {string.Join("; ", missing)}" : null);
    }

    public async Task<WorkflowDetail> ShowAsync(string? host, string id, CancellationToken ct) =>
        Read<WorkflowDetail>(await AskAsync(host, "workflows.show", id, Asker.ToSee(here.Host), null, ct));

    /// <exception cref="AlterationRefusedException">Its host refused it.</exception>
    public async Task<WorkflowDetail> AlterAsync(string? host, string id, AlterationBody body, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(body);
        return Read<WorkflowDetail>(await AskAsync(host, "workflows.alter", id, new Asker(body.Who, body.Reason), Node(body), ct));
    }

    /// <summary>What differs on a host.</summary>
    /// <param name="host">Null: this one.</param>
    public async Task<DriftView> DriftAsync(string? host, CancellationToken ct) =>
        Read<DriftView>(await AskAsync(host, "drift", "", Asker.ToSee(here.Host), null, ct));

    /// <param name="kind">show, retry, force or cancel.</param>
    /// <param name="id">Of the drain's workflow, or the end of it.</param>
    public async Task<DrainDetail> DrainAsync(string id, string kind, Asker asker, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(asker);
        if (kind is not ("show" or "retry" or "force" or "cancel"))
            throw new InvalidAlterationException($"\"{kind}\" is none of retry, force, cancel");
        Check(kind, asker);
        var drain = await drains.FindAsync(id, ct);
        return Read<DrainDetail>(await AskAsync(drain.Host, kind, drain.Id, asker, null, ct));
    }

    private async Task<(string Host, WorkflowPage? Page, string? Trouble)> TryListAsync(string host, WorkflowQuery query, CancellationToken ct)
    {
        try
        {
            return (host, await ListAsync(host, query, ct), null);
        }
        catch (Exception passing) when (host != here.Host && passing is HostSilentException or EtcdException or KeyNotFoundException)
        {
            return (host, null, passing.Message);
        }
    }

    private static void Check(string kind, Asker asker)
    {
        if (string.IsNullOrWhiteSpace(asker.Who) || string.IsNullOrWhiteSpace(asker.Why))
            throw new InvalidAlterationException($"{kind}: who does it, and the reason, must be given");
    }

    private async Task<JsonNode> AskAsync(string? host, string kind, string instance, Asker asker, JsonNode? body, CancellationToken ct)
    {
        Check(kind, asker);
        var request = new OperatorRequest(
            Guid.CreateVersion7(time.GetUtcNow()).ToString("n"), kind, instance, asker.Who!, asker.Why!, here.Host, RequestState.Asked, Body: body);
        if (host is null || host == here.Host)
            return await operations.RunAsync(request, ct);
        if (mirror.Current?.Hosts.ContainsKey(host) != true)
            throw new KeyNotFoundException($"there is no host \"{host}\"");
        var answered = await store.AskAsync(host, request, Patience, ct);
        return answered switch
        {
            null => throw new HostSilentException($"host {host} did not answer within {Patience.TotalSeconds} s; it is still asked for {OperationsStore.RequestLife.TotalSeconds} s in all"),
            { State: RequestState.Refused } => throw new AlterationRefusedException(answered.Refusal ?? "refused"),
            _ => answered.Answer!,
        };
    }

    private static JsonNode? Node<T>(T value) => JsonSerializer.SerializeToNode(value, OperationsJson.Options);

    private static T Read<T>(JsonNode node) => node.Deserialize<T>(OperationsJson.Options)!;
}

/// <summary>Another host did not answer in time. What was asked of it may still be done.</summary>
public sealed class HostSilentException(string message) : Exception(message);
