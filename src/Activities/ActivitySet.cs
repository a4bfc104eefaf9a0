using FlannelFlow.Activities.Dns;
using FlannelFlow.Activities.Draining;
using FlannelFlow.Activities.Endpoints;
using FlannelFlow.Activities.Flannel;
using FlannelFlow.Activities.Ipam;
using FlannelFlow.Activities.LoadBalancing;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Activities.Restore;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Activities;

/// <summary>All activities that the definitions in workflows/ may name, with what they act on.</summary>
public sealed class ActivitySet(
    PoolAllocator pools,
    VniAllocator vnis,
    FlannelNetworkConfigs configs,
    AddressAllocator addresses,
    HostNetworks networks,
    FlannelProcesses flannel,
    HostLeases leases,
    ForwardingRules rules,
    RouteNetlink netlink,
    Iptables iptables,
    IDockerSandboxes sandboxes,
    DnsServers dns,
    MarkAllocator marks,
    HostBalancing balancing,
    ILoadBalancer balancer,
    DockerMirror mirror,
    ConnectionSampler connections,
    OpenDrains drains,
    DrainTerms drainTerms,
    DrainMetrics drainMetrics,
    IHostUpkeep upkeep,
    GarbageCollector garbage,
    HostName host,
    ILoggerFactory loggers,
    TimeProvider time)
{
    public ActivityCatalog Catalog() => new ActivityCatalog()
        .Add(new AllocatePool(pools))
        .Add(new FindPool(pools))
        .Add(new LinkPool(pools))
        .Add(new EnsurePool(pools))
        .Add(new AllocateVni(vnis))
        .Add(new FreeNetwork(pools))
        .Add(new ReleasePool(pools))
        .Add(new ReleasePoolIfLast(pools))
        .Add(new WriteFlannelConfig(pools, configs))
        .Add(new WriteFlannelEnv(networks, flannel))
        .Add(new StartFlannel(networks, flannel, leases, netlink))
        .Add(new StopFlannel(flannel))
        .Add(new ReleaseSubnetLease(leases))
        .Add(new DeleteFlannelEnv(networks))
        .Add(new CreateBridge(networks, netlink, iptables))
        .Add(new InstallForwardingRules(rules, networks, netlink))
        .Add(new RemoveForwardingRules(rules, networks))
        .Add(new RemoveNetworkDevices(netlink))
        .Add(new FindIdleNetwork(networks, netlink))
        .Add(new MarkNetworkIdle(networks, time))
        .Add(new ResumeNetwork(networks, flannel, netlink))
        .Add(new ClaimAddress(networks, addresses))
        .Add(new CreateVeth(networks, netlink))
        .Add(new AttachToBridge(networks, netlink))
        .Add(new DeleteVeth(netlink))
        .Add(new ServeDns(sandboxes, dns, netlink))
        .Add(new WithdrawDns(dns))
        .Add(new LeaveAddress(networks, addresses))
        .Add(new AdoptAddress(networks, addresses, host))
        .Add(new ReleaseUnused(networks, addresses))
        .Add(new AllocateMarks(marks))
        .Add(new PublishService(balancing, balancer))
        .Add(new WithdrawService(balancer))
        .Add(new WithdrawNetwork(balancer))
        .Add(new AddBackend(balancing, balancer))
        .Add(new RemoveBackend(balancing, balancer))
        .Add(new SetWeightZero(mirror, balancer, drainTerms, time))
        .Add(new WaitForConnections(mirror, balancer, connections, drains, drainTerms, time))
        .Add(new RemoveDestination(mirror, balancer))
        .Add(new AcknowledgeDrain(mirror, drainMetrics, time, loggers))
        .Add(new MendLoadBalancers(balancer))
        .Add(new ReadLoadBalancers(balancer))
        .Add(new FindNetworks(networks))
        .Add(new RestoreNetwork(upkeep))
        .Add(new ServeAllNames(upkeep))
        .Add(new ResyncDocker(upkeep))
        .Add(new FindDifferences(upkeep))
        .Add(new MendDifference(upkeep))
        .Add(new BalanceServices(upkeep))
        .Add(new TakeGarbage(garbage));

    /// <summary>What a fault of an activity means to the engine: our own refusals and etcd's "no" are final, all else may pass.</summary>
    public static FaultKind Classify(Exception fault) => fault switch
    {
        RefusalException or AddressRefusedException => FaultKind.Refusal,
        _ => FaultKind.Retryable,
    };
}
