using System.Collections.Immutable;
using System.Security.Cryptography;
using FlannelFlow.Activities.Encryption;
using FlannelFlow.Activities.Flannel;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Linux.Ipsec;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Encryption;

/// <summary>Keeps this host's IPsec as its encrypted networks and the other hosts' records want it; the one owner of both, and of this host's record.</summary>
/// <remarks>
/// <list type="number">
/// <item>Each second, and whenever a record changes, the kernel is read and compared, in <see cref="KernelEncryption"/>'s turn; what differs is changed, and
/// nothing else.</item>
/// <item>What the kernel then holds is told in this host's record. So nobody is told of an association that is not there.</item>
/// <item>Where a new epoch is due (<see cref="EpochPlan"/>), its associations are added first, in the next look.</item>
/// </list>
/// Without etcd the kernel stays as it is, but for the guards. Without encrypted networks nothing is done: once the last one has left, all of ours is taken from
/// the kernel, and then the record, by which a later daemon knows that there may be something left.
/// </remarks>
public sealed class EncryptionLoop(
    KernelEncryption kernel,
    EncryptionRecords records,
    HostNetworks networks,
    FlannelProcesses flannel,
    RouteNetlink netlink,
    DriftBook drift,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<EncryptionLoop> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Demand _look = new();
    private readonly OwnKeys _keys = new(options.HostName, options.Encryption.Rotation, RandomNumberGenerator.GetBytes);
    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private volatile EncryptionState? _state;

    /// <summary>What the last look left in the kernel.</summary>
    private HashSet<string> _held = new(StringComparer.Ordinal);
    private string? _trouble;

    public override void Dispose()
    {
        _look.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // What a daemon before may have left.
        var mayBeLeft = true;
        while (true)
        {
            if (networks.All.Any(network => network.IsEncrypted))
            {
                mayBeLeft = true;
                await KeepAsync(stoppingToken);
            }

            if (mayBeLeft || kernel.MayHold) await GuardedAsync(async () => mayBeLeft = !await LeaveAsync(stoppingToken), stoppingToken);
            await Task.Delay(Interval, time, stoppingToken);
        }
    }

    /// <summary>As long as there are encrypted networks here.</summary>
    private async Task KeepAsync(CancellationToken ct)
    {
        foreach (var endpoint in options.Etcd.InClear)
            logger.LogWarning("encryption between hosts: {Endpoint} is not https: whoever reads what goes there has the keys", endpoint);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var following = FollowAsync(stop.Token);
        try
        {
            while (networks.All.Any(network => network.IsEncrypted))
            {
                await GuardedAsync(() => LookAsync(ct), ct);
                await _look.WaitAsync(Interval, ct);
                if (following.IsCompleted) await following;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAny(following);
            _state = null;
        }
    }

    private async Task FollowAsync(CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await foreach (var state in records.FollowAsync(ct))
                {
                    _state = state;
                    _look.Raise();
                }
            }
            catch (EtcdException e)
            {
                logger.LogDebug("following the hosts' keys: {Reason}", e.Message);
            }

            await Task.Delay(Interval, time, ct);
        }
    }

    private async Task LookAsync(CancellationToken ct)
    {
        await EndClearDevicesAsync(ct);
        var state = _state;
        if (state is not null) _keys.Open(state, time.GetUtcNow());
        EncryptionView view;
        EncryptionSteps steps;
        using (var turn = await kernel.EnterAsync(ct))
        {
            var ports = networks.All.Where(network => network.IsEncrypted).Select(network => network.EncryptedPort).ToImmutableSortedSet();
            view = await ReadAsync(turn.Xfrm, ports, state, ct);
            TellDrift(view);
            steps = EncryptionPlan.Of(view);
            if (!steps.Changes.IsEmpty)
            {
                await ApplyAsync(turn.Xfrm, steps.Changes, ct);
                view = await ReadAsync(turn.Xfrm, ports, state, ct);
                steps = EncryptionPlan.Of(view);
            }

            _held = [.. TextsOf(view)];
        }

        if (state is null || view.Address is not { } address) return;
        var record = _keys.RecordOf(address, steps);
        if (state.Texts.GetValueOrDefault(record.Host) != record.ToJson()) await records.PutAsync(record, ct);
        if (_keys.Advance(steps, view.Associations, time.GetUtcNow()) is not { } happened) return;
        logger.LogInformation("{What}", happened);
        _look.Raise();
    }

    /// <summary>
    /// A device at another port than its network's sends in clear: flanneld found that port in etcd, where another hand, or a daemon that knows nothing of
    /// encryption, wrote it. What is missing then, network-restore makes anew, and writes the port into etcd before.
    /// </summary>
    private async Task EndClearDevicesAsync(CancellationToken ct)
    {
        foreach (var network in networks.All.Where(network => network.IsEncrypted))
        {
            if (await netlink.FindLinkAsync(network.VxlanDevice, ct) is not { Vxlan.Port: var port } || port == network.EncryptedPort) continue;
            logger.LogError("network {Network} is encrypted, and etcd gave its flanneld UDP port {Port} instead of {Wanted}: taking it down", network.NetworkId, port, network.EncryptedPort);
            await flannel.StopAsync(network.Pool, ct);
            await netlink.DeleteLinkAsync(network.VxlanDevice, ct);
        }
    }

    private async Task<EncryptionView> ReadAsync(XfrmNetlink xfrm, ImmutableSortedSet<int> ports, EncryptionState? state, CancellationToken ct) => new()
    {
        Host = options.HostName,
        Address = await FindAddressAsync(ct),
        Ports = ports,
        Own = _keys.Epochs,
        Records = state is null ? null : [.. state.Records.Values],
        Added = _keys.Added,
        Associations = await xfrm.ListAssociationsAsync(ct),
        Policies = await xfrm.ListPoliciesAsync(ct),
    };

    /// <summary>From which flanneld sends: its devices say so.</summary>
    private async Task<IPv4Address?> FindAddressAsync(CancellationToken ct)
    {
        foreach (var network in networks.All.Where(network => network.IsEncrypted).OrderBy(network => network.Vni))
        {
            if (await netlink.FindLinkAsync(network.VxlanDevice, ct) is { Vxlan.Local: { AddressFamily: System.Net.Sockets.AddressFamily.InterNetwork } local }) return IPv4Address.From(local);
        }

        return null;
    }

    private async Task ApplyAsync(XfrmNetlink xfrm, ImmutableArray<IpsecChange> changes, CancellationToken ct)
    {
        IReadOnlyList<NetlinkException?> results;
        try
        {
            results = await xfrm.ApplyAsync(changes, ct);
        }
        catch (NetlinkException)
        {
            // Whichever of them the kernel has taken: none of these keys is used again.
            foreach (var change in changes) _keys.Used(change);
            throw;
        }

        foreach (var (change, result) in changes.Zip(results))
        {
            if (result is null)
            {
                _failed.Remove(change.Act);
                _keys.Used(change);
                logger.LogDebug("{Change}", change.Act);
            }
            else
            {
                // Another association of this host has its SPI: a new epoch brings another.
                if (result.ErrnoName == "EEXIST") _keys.Used(change);
                if (_failed.Add(change.Act)) logger.LogWarning("encryption between hosts: {Reason}", result.Message);
            }
        }
    }

    /// <summary>What the last look left and is not there any more; this look puts it back.</summary>
    private void TellDrift(EncryptionView view)
    {
        var gone = _held.Except(TextsOf(view), StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        foreach (var text in gone) logger.LogWarning("another hand removed the {What}: mending it", text);
        drift.LoopLooked(
            DriftKind.Encryption,
            [.. gone.Select(text => (new Difference(DriftKind.Encryption, text, $"another hand removed the {text}"), (string?)null))]);
    }

    private static IEnumerable<string> TextsOf(EncryptionView view) =>
        view.Policies.Select(policy => policy.ToString()).Concat(view.Associations.Select(one => one.Association.ToString()));

    /// <returns>False: a network has just come.</returns>
    private async Task<bool> LeaveAsync(CancellationToken ct)
    {
        if (!kernel.MayHold && !await records.HasAsync(options.HostName, ct)) return true;
        using (var turn = await kernel.EnterAsync(ct))
        {
            if (networks.All.Any(network => network.IsEncrypted)) return false;
            await turn.ClearAsync(ct);
        }

        _held.Clear();
        drift.LoopLooked(DriftKind.Encryption, []);
        await records.DeleteAsync(options.HostName, ct);
        _keys.Close();
        return true;
    }

    /// <summary>etcd away, or a kernel that refuses, is no reason to stop looking; it is said once until it is over.</summary>
    private async Task GuardedAsync(Func<Task> look, CancellationToken ct)
    {
        try
        {
            await look();
            if (_trouble is not null) logger.LogInformation("encryption between hosts: works again");
            _trouble = null;
        }
        catch (Exception e) when (e is EtcdException or NetlinkException && !ct.IsCancellationRequested)
        {
            // A host that has no such network, and had none, need not hear of it.
            if (!kernel.MayHold) return;
            if (_trouble != e.Message) logger.LogWarning("encryption between hosts: {Reason}", e.Message);
            _trouble = e.Message;
        }
    }
}
