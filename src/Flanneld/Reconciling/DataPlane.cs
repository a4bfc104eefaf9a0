using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Interfaces;
using FlannelFlow.Flanneld.Leases;
using FlannelFlow.Flanneld.Logging;
using FlannelFlow.Flanneld.Networks;
using FlannelFlow.Flanneld.Vxlan;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Reconciling;

/// <summary>Keeps the kernel at what the leases say: at once when they change, soon after the kernel changed, and on a timer.</summary>
/// <remarks>
/// One loop does all the work, so passes never overlap; other tasks only hand in a snapshot or a signal. A pass:
/// 1. find the underlay; 2. ensure device, address and up; 3. dump; 4. plan (pure), at first with what a former process reached; 5. apply, additions
/// first; 6. publish the device's MAC if it is not the published one.
/// </remarks>
internal sealed class DataPlane(
    RouteNetlink kernel, VxlanNetwork network, Underlay chosen, IPv4Address publicIP, LeaseHolder lease, string subnetFile, TimeSpan resync, TimeProvider time, ILogger log)
{
    /// <summary>The kernel's events come in bursts; a link's end alone is dozens.</summary>
    private static readonly TimeSpan Debounce = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    private readonly VxlanDevice _device = new(kernel, network, log);
    private readonly RetrySchedule _retries = new(time);
    private readonly Wakeup _wakeup = new(time);
    private readonly OncePerReason _told = new();
    private readonly long _began = time.GetTimestamp();
    private HashSet<IgnoredLease> _ignored = [];
    private IReadOnlyList<RemoteHost>? _inherited;
    private Underlay _underlay = chosen;
    private string? _writtenFile;
    private volatile LeaseSnapshot? _leases;
    private volatile bool _leasesChanged;
    private volatile int _deviceIndex;

    public KernelInterest Interest => new(network.DeviceName, _deviceIndex, _underlay.Name, network.Network);

    public int RemoteHosts { get; private set; }

    /// <summary>For how long what a former process reached is kept; not negative.</summary>
    private TimeSpan InheritedFor => time.GetElapsedTime(_began) is var since && since < Inheritance.Lasts ? Inheritance.Lasts - since : TimeSpan.Zero;

    public void Set(LeaseSnapshot leases)
    {
        _leases = leases;
        _leasesChanged = true;
        _wakeup.Signal();
    }

    public void KernelChanged() => _wakeup.Signal();

    /// <summary>What precedes the first pass: address, up and the subnet file, in flannel's order.</summary>
    public async Task BeginAsync(Link device, CancellationToken ct)
    {
        _deviceIndex = device.Index;
        await _device.EnsureAddressAndUpAsync(device, lease.Held.Subnet, ct);
        WriteSubnetFile(network.Mtu(_underlay));
    }

    /// <summary>One comparison with the kernel, and what follows from it.</summary>
    /// <exception cref="NetlinkException">The kernel refused what concerns all hosts; a single host's failure is logged and scheduled.</exception>
    /// <exception cref="EtcdException">The new MAC could not be published.</exception>
    public async Task PassAsync(CancellationToken ct)
    {
        // 1
        if (await kernel.FindLinkAsync(_underlay.Name, ct) is not { } underlay)
            throw new FlanneldException(ExitCodes.Failed, $"the interface {_underlay.Name} is gone; waiting for it");
        _underlay = _underlay with { Index = underlay.Index, Mtu = underlay.Mtu };
        // 2
        var held = lease.Held;
        var device = await _device.EnsureAsync(_underlay, held.Mac, insist: true, ct);
        _deviceIndex = device.Index;
        await _device.EnsureAddressAndUpAsync(device, held.Subnet, ct);
        WriteSubnetFile(device.Mtu);
        // 3
        _leasesChanged = false;
        var leases = _leases ?? throw new InvalidOperationException("no leases were read yet");
        var tables = await KernelTables.ReadAsync(kernel, device.Index, ct);
        // 4
        var mac = device.Mac ?? held.Mac;
        var own = new OwnHost(held.Subnet, publicIP, mac);
        var desired = DesiredState.Of(network, own, leases.Entries.Values);
        Tell(desired.Ignored);
        RemoteHosts = desired.Remotes.Count;
        _inherited = InheritedFor == TimeSpan.Zero ? [] : _inherited ?? Inheritance.Of(tables);
        IReadOnlyList<RemoteHost> wanted = [.. desired.Remotes, .. Inheritance.Without(_inherited, desired.Remotes, own)];
        _retries.Keep(wanted);
        var plan = ReconcilePlan.From(wanted, tables, network.Network);
        plan = plan with { Additions = plan.Additions.Where(a => _retries.MayTry(a.Host)).ToList() };
        // 5
        if (!plan.IsEmpty) Tell(plan, await Applier.ApplyAsync(plan, kernel.ApplyAsync, ct));
        // 6
        if (mac != lease.Held.Mac) await lease.PublishAsync(mac, ct);
    }

    /// <summary>Passes until cancelled. Whatever fails is tried again: the traffic that flows must not depend on it.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        var failed = false;
        while (true)
        {
            var pause = failed ? RetryPause : resync;
            if (_retries.UntilNext() is { } next && next < pause) pause = next;
            if (!failed && _inherited is { Count: > 0 } && InheritedFor < pause) pause = InheritedFor;
            if (await _wakeup.WaitAsync(pause, ct) && !_leasesChanged) await Task.Delay(Debounce, time, ct);
            try
            {
                await PassAsync(ct);
                failed = false;
                if (_told.Clear()) log.LogInformation("programming {Device}: succeeded again", network.DeviceName);
            }
            catch (Exception e) when (e is NetlinkException or EtcdException or IOException or FlanneldException { ExitCode: ExitCodes.Failed })
            {
                failed = true;
                if (_told.IsNew(e.Message)) log.LogError("programming {Device}, retrying: {Reason}", network.DeviceName, e.Message);
            }
        }
    }

    private void WriteSubnetFile(int mtu)
    {
        var text = SubnetFile.Text(network.Network, lease.Held.Subnet, mtu);
        // Another hand may have removed it: whoever starts a container needs it.
        if (text == _writtenFile && File.Exists(subnetFile)) return;
        SubnetFile.Write(subnetFile, text);
        _writtenFile = text;
        log.LogInformation("wrote {File}: subnet {Subnet}, MTU {Mtu}", subnetFile, lease.Held.Subnet, mtu);
    }

    private void Tell(IReadOnlyList<IgnoredLease> ignored)
    {
        foreach (var one in ignored)
            if (!_ignored.Contains(one)) log.LogWarning("ignoring lease {Key}: {Reason}", one.Key, one.Reason);
        _ignored = [.. ignored];
    }

    private void Tell(ReconcilePlan plan, Applied applied)
    {
        foreach (var change in plan.Additions.SelectMany(a => a.Changes).Concat(plan.Deletions))
            log.LogDebug("{Device}: {Change}", network.DeviceName, Applier.Text(change));
        foreach (var host in applied.Reached)
        {
            _retries.Succeeded(host);
            log.LogInformation("reaching {Host}", host);
        }
        foreach (var (host, reason) in applied.Failed)
            log.LogError("reaching {Host}, again in {Pause} s: {Reason}", host, _retries.Failed(host).TotalSeconds, reason);
        foreach (var deletion in plan.Deletions.OfType<RouteNetlinkChange.DeleteRoute>())
            log.LogInformation("no longer reaching {Subnet}", deletion.Route.Destination);
        foreach (var reason in applied.FailedDeletions) log.LogWarning("removing what no lease says: {Reason}", reason);
    }
}
