using System.Collections.Immutable;
using System.Text.Json.Nodes;
using FlannelFlow.Activities.LoadBalancing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.LoadBalancing;

/// <summary>A difference between what is wanted and what the kernel holds, and the workflow that mends it.</summary>
/// <param name="Key">Names the difference: as long as it stands, the same. It is the workflow's idempotency key, too.</param>
/// <param name="Scope">The service in the network, or a backend of it: of two differences in one scope, one is mended at a time.</param>
public sealed record BalancingStep(string Key, string Scope, StartWorkflow Start)
{
    /// <summary>The scope of all: nothing else is under way beside it.</summary>
    public const string All = "*";

    public bool MayRunBeside(string scope) => scope != All && Scope != All && scope != Scope;
}

/// <summary>From wanted and held to workflows: pure.</summary>
/// <remarks>
/// A service that is missing, or differs in anything but its backends, is published as a whole; backends come and go one by one. What the
/// kernel holds beside that is withdrawn, never flushed.
/// </remarks>
public static class BalancingPlan
{
    /// <param name="wanted">On the networks that this host carries.</param>
    /// <param name="frames">Of these networks, by id.</param>
    /// <param name="held">What the kernel holds.</param>
    /// <param name="marks">All allocated marks, by index.</param>
    /// <param name="schedulerOf">What this host makes of a wanted scheduler.</param>
    /// <param name="lingering">Services that were removed while their tasks still run: their connections live until the tasks end.</param>
    public static ImmutableArray<BalancingStep> Of(
        IReadOnlyDictionary<ServiceInNetwork, DesiredLoadBalancer> wanted,
        IReadOnlyDictionary<string, NetworkFrame> frames,
        LoadBalancerTables held,
        IReadOnlyDictionary<int, ServiceInNetwork> marks,
        Func<DesiredLoadBalancer, string> schedulerOf,
        IReadOnlySet<ServiceInNetwork> lingering)
    {
        var steps = ImmutableArray.CreateBuilder<BalancingStep>();
        var kept = new HashSet<ServiceInNetwork>();
        var networkOf = frames.ToDictionary(frame => frame.Value.Device, frame => frame.Key, StringComparer.Ordinal);
        foreach (var network in held.Networks)
        {
            foreach (var service in network.Services)
            {
                var networkId = networkOf.GetValueOrDefault(network.Frame.Device, "");
                var isOwned = marks.TryGetValue(service.Marks.Index, out var owner) && owner.NetworkId == networkId;

                if (isOwned && lingering.Contains(owner) && wanted.Values.All(other => !service.Vip.Equals(other.Vip.ToIPAddress())))
                {
                    kept.Add(owner);
                    continue;
                }

                // Of a service whose VIP changed, the old one goes first: both would stand behind the same marks.
                if (!isOwned || !wanted.TryGetValue(owner, out var balancer) || !service.Vip.Equals(balancer.Vip.ToIPAddress()))
                {
                    steps.Add(Withdraw(isOwned ? owner.ToString() : $"{service.Vip} on {network.Frame.Device}", networkId, network.Frame, service));
                    if (isOwned) kept.Add(owner);
                    continue;
                }

                kept.Add(owner);
                if (service.Scheduler != schedulerOf(balancer) || network.Frame != frames[networkId]) steps.Add(Publish(balancer.Service));
                else steps.AddRange(Backends(balancer, service));
            }
        }

        steps.AddRange(wanted.Keys.Where(service => !kept.Contains(service)).Select(Publish));

        // What is half there, and devices without a service, when all else is as it should be: there is no service to name them by.
        if (steps.Count == 0 && (held.Strays.Count > 0 || held.Networks.Any(network => network.Services.Count == 0))) steps.Add(Mend());
        return steps.ToImmutable();
    }

    private static IEnumerable<BalancingStep> Backends(DesiredLoadBalancer balancer, VirtualService held)
    {
        var there = held.Backends.ToDictionary(backend => backend.Address.ToString(), StringComparer.Ordinal);
        foreach (var backend in balancer.Backends)
        {
            var isThere = there.Remove(backend.Address.ToString(), out var found);
            if (backend is { Weight: 0, Drain: { } drain })
            {
                // One that is not there gets nothing already: its drain is over, or it never was a backend here.
                if (isThere && found is not { TcpWeight: 0, UdpWeight: null or 0 }) yield return Drain(balancer, backend, drain, held);
                continue;
            }

            if (isThere && found == HostBalancing.BackendOf(backend)) continue;
            yield return Backend("backend-add", balancer, backend.Address.ToString(), held, input => input["ContainerId"] = backend.ContainerId);
        }

        foreach (var address in there.Keys)
            yield return Backend("backend-remove", balancer, address, held, input => input["Vip"] = held.Vip.ToString());
    }

    /// <summary>It answers when the weight is 0; what follows goes on behind that.</summary>
    private static BalancingStep Drain(DesiredLoadBalancer balancer, DesiredBackend backend, DrainRecord drain, VirtualService held)
    {
        var key = $"connection-drain/{balancer.Service.ServiceId}/{balancer.Service.NetworkId}/{backend.ContainerId}/{drain.Id}";
        return new BalancingStep(key, $"{balancer.Service} {backend.Address}", new StartWorkflow(
            "connection-drain",
            key,
            new JsonObject
            {
                ["ServiceId"] = balancer.Service.ServiceId,
                ["NetworkId"] = balancer.Service.NetworkId,
                ["ContainerId"] = backend.ContainerId,
                ["DrainId"] = drain.Id,
                ["Reason"] = drain.Reason.ToString(),
                ["Address"] = backend.Address.ToString(),
                ["Vip"] = balancer.Vip.ToString(),
                ["Marks"] = held.Marks.Index,
            },
            JoinPolicy.WhileOpen));
    }

    private static BalancingStep Backend(string definition, DesiredLoadBalancer balancer, string address, VirtualService held, Action<JsonObject> more)
    {
        var input = new JsonObject
        {
            ["ServiceId"] = balancer.Service.ServiceId,
            ["NetworkId"] = balancer.Service.NetworkId,
            ["Address"] = address,
            ["Marks"] = held.Marks.Index,
        };
        more(input);
        var key = $"{definition}/{balancer.Service.ServiceId}/{balancer.Service.NetworkId}/{address}";
        return new BalancingStep(key, $"{balancer.Service} {address}", new StartWorkflow(definition, key, input, JoinPolicy.WhileOpen));
    }

    private static BalancingStep Mend() =>
        new("balancing-mend", BalancingStep.All, new StartWorkflow("balancing-mend", "balancing-mend", [], JoinPolicy.WhileOpen));

    private static BalancingStep Publish(ServiceInNetwork service)
    {
        var key = $"service-publish/{service.ServiceId}/{service.NetworkId}";
        return new BalancingStep(key, service.ToString(), new StartWorkflow(
            "service-publish",
            key,
            new JsonObject { ["ServiceId"] = service.ServiceId, ["NetworkId"] = service.NetworkId },
            JoinPolicy.WhileOpen));
    }

    private static BalancingStep Withdraw(string scope, string networkId, NetworkFrame frame, VirtualService service)
    {
        var key = $"service-withdraw/{frame.Device}/{service.Vip}/{service.Marks.Index}";
        return new BalancingStep(key, scope, new StartWorkflow(
            "service-withdraw",
            key,
            new JsonObject
            {
                ["NetworkId"] = networkId,
                ["Device"] = frame.Device,
                ["HostSubnet"] = frame.HostSubnet.ToString(),
                ["Vip"] = service.Vip.ToString(),
                ["Marks"] = service.Marks.Index,
            },
            JoinPolicy.WhileOpen));
    }
}
