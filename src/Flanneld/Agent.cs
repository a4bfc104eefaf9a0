using System.Net;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Health;
using FlannelFlow.Flanneld.Interfaces;
using FlannelFlow.Flanneld.Leases;
using FlannelFlow.Flanneld.Networks;
using FlannelFlow.Flanneld.Readiness;
using FlannelFlow.Flanneld.Reconciling;
using FlannelFlow.Flanneld.Vxlan;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld;

/// <summary>The life of one flanneld, from its options to its end.</summary>
/// <remarks>
/// 1. the subnet file is ours alone; 2. interface; 3. the network's config; 4. vxlan device; 5. lease; 6. address, up, subnet file;
/// 7. the first snapshot is in the kernel; 8. READY=1; 9. watch, renew, reconcile until told to end or the lease is lost.
/// Nothing is undone at the end: the data plane outlives the process, and the next one takes it over.
/// </remarks>
internal sealed class Agent(FlanneldOptions options, IEtcd etcd, RouteNetlink kernel, ServiceNotifier notifier, TimeProvider time, Random chance, ILogger log)
{
    private readonly FlannelKeys _keys = new(options.EtcdPrefix);
    private LeaseHolder? _lease;

    /// <returns>Only by cancellation or an exception.</returns>
    /// <exception cref="FlanneldException">Why this process must end.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        using var health = options.HealthzPort == 0
            ? null
            : HealthListener.Open(new IPEndPoint(options.HealthzIp, options.HealthzPort), () => notifier.IsReady, time, log);
        var life = LiveAsync(ct);
        await (health is null ? life : TogetherAsync(ct, _ => life, health.RunAsync));
    }

    private async Task LiveAsync(CancellationToken ct)
    {
        // 1
        using var alone = SubnetFileLock.Take(options.SubnetFile);
        // 2
        var underlay = await new UnderlayFinder(kernel).FindAsync(options, ct);
        var publicIP = IPv4Address.From(options.PublicIp ?? underlay.Address);
        log.LogInformation("using interface {Underlay}, public address {PublicIP}", underlay, publicIP);
        // 3
        notifier.Status($"reading {_keys.Config}");
        var network = await new NetworkConfigReader(etcd, _keys, notifier, time, log).ReadAsync(ct);
        log.LogInformation("network {Network}, host subnets of length {Length}, vxlan VNI {Vni}", network.Network, network.Addresses.SubnetLen, network.Vni);
        // 4
        DataPlane? plane = null;
        var watch = new LeaseWatch(etcd, _keys, (snapshot, token) => ChangedAsync(snapshot, plane, token), time, log);
        var published = LeaseHolder.PublishedMac((await watch.ReadAsync(ct)).Entries.Values, publicIP, network.Vni);
        var device = await new VxlanDevice(kernel, network, log).EnsureAsync(underlay, published ?? MacAddress.Random(chance), insist: false, ct);
        // 5
        notifier.Status("leasing a subnet");
        using var lease = new LeaseHolder(etcd, _keys, network, publicIP, options.RenewMargin, time, chance, log);
        var mac = device.Mac is { } own && own.IsUnicast() ? own : throw new FlanneldException(ExitCodes.Failed, $"device {device.Name} has no usable address: {device.Mac}");
        await lease.AcquireAsync(mac, SubnetFile.PreviousSubnet(options.SubnetFile), ct);
        _lease = lease;
        // 6
        plane = new DataPlane(kernel, network, underlay, publicIP, lease, options.SubnetFile, options.Resync, time, log);
        using var kernelWatch = new KernelWatch(() => plane.Interest, plane.KernelChanged, time, log);
        await plane.BeginAsync(device, ct);
        // 7
        var first = await watch.ReadAsync(ct);
        await ChangedAsync(first, plane, ct);
        await plane.PassAsync(ct);
        // 8
        log.LogInformation("ready: {Subnet} of {Network}, {Hosts} other hosts", lease.Held.Subnet, network.Network, plane.RemoteHosts);
        notifier.Ready($"{lease.Held.Subnet} of {network.Network} over {underlay}");
        // 9
        await TogetherAsync(ct, token => watch.RunAsync(first, token), lease.RenewAsync, plane.RunAsync, kernelWatch.RunAsync);
    }

    private async Task ChangedAsync(LeaseSnapshot snapshot, DataPlane? plane, CancellationToken ct)
    {
        if (_lease is { } lease) await lease.CheckAsync(snapshot.Entries.GetValueOrDefault(lease.Held.Key), snapshot.Revision, ct);
        plane?.Set(snapshot);
    }

    /// <summary>Runs all until the first ends, ends the others, and ends as the first did.</summary>
    private static async Task TogetherAsync(CancellationToken ct, params Func<CancellationToken, Task>[] parts)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var running = parts.Select(p => p(end.Token)).ToList();
        var first = await Task.WhenAny(running);
        await end.CancelAsync();
        // Each is awaited to its end; what ended first says why.
        await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first;
    }
}
