using System.Globalization;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Logging;
using FlannelFlow.Flanneld.Networks;
using FlannelFlow.Flanneld.Vxlan;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Leases;

/// <summary>The lease that this process holds.</summary>
/// <param name="ModRevision">Of our last write: every further write is on the condition that nobody wrote since.</param>
/// <param name="RenewAt">A <see cref="TimeProvider.GetTimestamp"/> value.</param>
internal sealed record HeldLease(string Key, IPv4Network Subnet, MacAddress Mac, string Value, EtcdLeaseId EtcdLease, long ModRevision, long RenewAt);

/// <summary>Acquires, renews and guards this host's subnet lease.</summary>
/// <remarks>
/// Invariant: the key is only ever written by a transaction on its absence or on the ModRevision of our own last write (flannel's blind
/// Put overwrites another host's lease, flannel-io/flannel#1289). Writes and looks at events are serialised by <c>_gate</c>.
/// A write whose outcome is unknown (etcd vanished) is followed by a read: a value that is exactly ours was written by us.
/// </remarks>
internal sealed class LeaseHolder(
    IEtcd etcd, FlannelKeys keys, VxlanNetwork network, IPv4Address publicIP, TimeSpan renewMargin, TimeProvider time, Random chance, ILogger log)
    : IDisposable
{
    /// <summary>flannel's subnetTTL.</summary>
    public static readonly TimeSpan TimeToLive = TimeSpan.FromHours(24);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _gate = new(1);
    private HeldLease? _held;
    /// <summary>What we began to write: a write of unknown outcome is ours too.</summary>
    private (string Value, MacAddress Mac) _begun;

    public HeldLease Held => _held ?? throw new InvalidOperationException("no lease is held before AcquireAsync");

    /// <summary>The VTEP address that this host had published before, so that a new device can have it again and no other host need change.</summary>
    public static MacAddress? PublishedMac(IEnumerable<EtcdEntry> entries, IPv4Address publicIP, int vni)
    {
        foreach (var entry in entries)
            if (SubnetLease.TryParse(entry, out var lease, out _) && lease.PublicIP == publicIP
                && lease.Attributes.Vxlan() is { } vxlan && vxlan.Vni == vni && MacAddress.TryParse(vxlan.VtepMac, out var mac) && mac.IsUnicast())
                return mac;
        return null;
    }

    /// <summary>Holds a subnet when it returns. Retries lost races at once and an unreachable etcd for ever.</summary>
    /// <exception cref="FlanneldException">No subnet is free.</exception>
    public async Task<HeldLease> AcquireAsync(MacAddress mac, IPv4Network? previous, CancellationToken ct)
    {
        var value = ValueFor(mac);
        var told = new OncePerReason();
        while (true)
        {
            try
            {
                var range = await etcd.RangeAsync(EtcdKeys.Under(keys.Subnets), ct);
                var decision = LeaseChoice.Decide(network.Addresses, range.Entries, publicIP, previous, chance);
                switch (decision)
                {
                    case LeaseDecision.Reuse { Lease: var lease }:
                        if (await KeepAsync(lease, mac, value, range.Entries, ct) is { } kept) return _held = kept;
                        break;
                    case LeaseDecision.Discard { Lease: var lease }:
                        log.LogInformation("deleting lease {Key}: it does not fit the network's config any more", lease.Key);
                        await etcd.TransactAsync(new EtcdTransaction(
                            [new EtcdCompare.ModRevision(lease.Key, lease.ModRevision)], [new EtcdOperation.Delete(EtcdKeys.One(lease.Key))]), ct);
                        break;
                    case LeaseDecision.Create { Subnet: var subnet }:
                        if (await CreateAsync(subnet, mac, value, ct) is { } created) return _held = created;
                        log.LogInformation("leasing {Subnet}: another host was faster, choosing anew", subnet);
                        break;
                    case LeaseDecision.Exhausted { Subnets: var count }:
                        throw new FlanneldException(ExitCodes.Failed,
                            $"leasing a subnet of {network.Network}: all {count} subnets of length {network.Addresses.SubnetLen} are taken");
                    default:
                        throw new InvalidOperationException($"decision {decision}");
                }
            }
            catch (EtcdException e)
            {
                if (told.IsNew(e.Message)) log.LogWarning("leasing a subnet, retrying every {Pause} s: {Reason}", FirstRetry.TotalSeconds, e.Message);
                await Task.Delay(FirstRetry, time, ct);
            }
        }
    }

    /// <summary>Renews until cancelled.</summary>
    /// <exception cref="FlanneldException">The lease is gone or another's.</exception>
    public async Task RenewAsync(CancellationToken ct)
    {
        var pause = FirstRetry;
        while (true)
        {
            var due = Held.RenewAt - time.GetTimestamp();
            if (due > 0)
            {
                await Task.Delay(time.GetElapsedTime(0, due), time, ct);
                continue;   // another write may have moved it
            }
            try
            {
                await WriteAsync(Held.Mac, ct);
                log.LogInformation("renewed lease {Subnet}, etcd lease {EtcdLease}", Held.Subnet, Held.EtcdLease);
                pause = FirstRetry;
            }
            catch (EtcdException e)
            {
                log.LogWarning("renewing lease {Subnet}, again in {Pause} s: {Reason}", Held.Subnet, pause.TotalSeconds, e.Message);
                await Task.Delay(pause, time, ct);
                pause = pause + pause < LastRetry ? pause + pause : LastRetry;
            }
        }
    }

    /// <summary>Tells the other hosts another VTEP address.</summary>
    public async Task PublishAsync(MacAddress mac, CancellationToken ct)
    {
        await WriteAsync(mac, ct);
        log.LogInformation("published VTEP address {Mac} of lease {Subnet}", mac, Held.Subnet);
    }

    /// <summary>Looks at the own key as read or watched; null: it is not there.</summary>
    /// <exception cref="FlanneldException">The lease is gone or another's.</exception>
    /// <exception cref="EtcdException">It could not be read again.</exception>
    public async Task CheckAsync(EtcdEntry? entry, long atRevision, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            // What is older than our own last write says nothing about now, unless etcd was put back to before it.
            if (atRevision < Held.ModRevision)
                entry = (await etcd.RangeAsync(EtcdKeys.One(Held.Key), ct)).Entries is [var found] ? found : null;
            AdoptLocked(entry);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    /// <summary>
    /// The lease of before is taken up again. Where it says already what we have to say and lasts long enough, nothing is written: then a
    /// restart is no event for the other hosts.
    /// </summary>
    private async Task<HeldLease?> KeepAsync(SubnetLease lease, MacAddress mac, string value, IReadOnlyList<EtcdEntry> entries, CancellationToken ct)
    {
        var asked = time.GetTimestamp();
        if (lease.EtcdLease != EtcdLeaseId.None && entries.First(e => e.Key == lease.Key).Value == value
            && await etcd.TimeToLiveAsync(lease.EtcdLease, ct) is { } left && left > renewMargin)
        {
            log.LogInformation("keeping lease {Subnet}, {Left} left", lease.Subnet, left);
            return new HeldLease(lease.Key, lease.Subnet, mac, value, lease.EtcdLease, lease.ModRevision, RenewAt(asked, left));
        }
        var held = await PutAsync(lease.Key, lease.Subnet, mac, value, new EtcdCompare.ModRevision(lease.Key, lease.ModRevision), ct);
        if (held is not null) log.LogInformation("taking up lease {Subnet} again, etcd lease {EtcdLease}", lease.Subnet, held.EtcdLease);
        return held;
    }

    private async Task<HeldLease?> CreateAsync(IPv4Network subnet, MacAddress mac, string value, CancellationToken ct)
    {
        var key = keys.Subnet(subnet);
        var held = await PutAsync(key, subnet, mac, value, EtcdCompare.Absent(key), ct);
        if (held is not null) log.LogInformation("leased {Subnet}, etcd lease {EtcdLease}", subnet, held.EtcdLease);
        return held;
    }

    private async Task WriteAsync(MacAddress mac, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            var value = ValueFor(mac);
            _begun = (value, mac);
            for (var tries = 0; ; tries++)
            {
                var held = Held;
                if (await PutAsync(held.Key, held.Subnet, mac, value, new EtcdCompare.ModRevision(held.Key, held.ModRevision), ct) is { } written)
                {
                    _held = written;
                    return;
                }
                var range = await etcd.RangeAsync(EtcdKeys.One(held.Key), ct);
                var entry = range.Entries is [var found] ? found : null;
                AdoptLocked(entry);
                if (tries == 10) throw new FlanneldException(ExitCodes.LeaseLost, $"writing {held.Key}: somebody writes it again and again");
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Takes over the revision of a key that is still ours; throws for one that is not.</summary>
    private void AdoptLocked(EtcdEntry? entry)
    {
        var held = Held;
        if (entry is null)
            throw new FlanneldException(ExitCodes.LeaseLost, $"lease {held.Subnet} is gone: {held.Key} was deleted or ran out");
        if (entry.Value == held.Value)
        {
            _held = held with { ModRevision = entry.ModRevision, EtcdLease = entry.Lease };
            return;
        }
        if (entry.Value == _begun.Value)
        {
            _held = held with { Mac = _begun.Mac, Value = entry.Value, ModRevision = entry.ModRevision, EtcdLease = entry.Lease };
            return;
        }
        var holder = SubnetLease.TryParse(entry, out var lease, out _)
            ? string.Create(CultureInfo.InvariantCulture, $"by the host with the public address {lease.PublicIP}{(lease.PublicIP == publicIP ? ", which is ours as well" : "")}")
            : "with a value that is no lease";
        throw new FlanneldException(ExitCodes.LeaseLost, $"lease {held.Subnet} is lost: {held.Key} was overwritten {holder}");
    }

    private async Task<HeldLease?> PutAsync(string key, IPv4Network subnet, MacAddress mac, string value, EtcdCompare condition, CancellationToken ct)
    {
        var asked = time.GetTimestamp();
        var granted = await etcd.GrantLeaseAsync(TimeToLive, ct);
        var result = await etcd.TransactAsync(new EtcdTransaction([condition], [new EtcdOperation.Put(key, value, granted.Id)]), ct);
        if (result.Succeeded) return new HeldLease(key, subnet, mac, value, granted.Id, result.Revision, RenewAt(asked, granted.TimeToLive));
        await etcd.RevokeLeaseAsync(granted.Id, ct);
        return null;
    }

    private string ValueFor(MacAddress mac) => LeaseAttributes.ForVxlan(publicIP, new VxlanLeaseData(network.Vni, mac.ToString())).ToJson();

    private long RenewAt(long asked, TimeSpan timeToLive)
    {
        var wait = timeToLive - renewMargin;
        return asked + (long)(wait.TotalSeconds * time.TimestampFrequency);
    }
}
