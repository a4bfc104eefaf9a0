using System.Collections.Immutable;
using FlannelFlow.Activities.Encryption;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Linux.Ipsec;

namespace FlannelFlow.Host.Encryption;

/// <param name="IsOwn">It began in this daemon, which so knows which of its keys have been used. One that was found in etcd may have been used with any peer.</param>
public sealed record OwnEpoch(Epoch Epoch, bool IsOwn);

/// <summary>What the plan is made of.</summary>
public sealed record EncryptionView
{
    public required string Host { get; init; }

    /// <summary>Of this host's VXLAN devices; null: there is none yet.</summary>
    public required IPv4Address? Address { get; init; }

    /// <summary>UDP ports of the encrypted networks here.</summary>
    public required ImmutableSortedSet<int> Ports { get; init; }

    /// <summary>The newest last; empty: not known yet, etcd has not answered.</summary>
    public required ImmutableArray<OwnEpoch> Own { get; init; }

    /// <summary>All hosts', this one's too; null: etcd has not answered since this daemon began.</summary>
    public required IReadOnlyCollection<EncryptionRecord>? Records { get; init; }

    /// <summary>Associations that this daemon has added at any time: their keys are used up.</summary>
    public required IReadOnlySet<Association> Added { get; init; }

    public required IReadOnlyCollection<InstalledAssociation> Associations { get; init; }

    public required IReadOnlyCollection<IpsecPolicy> Policies { get; init; }
}

/// <summary>What is to be done, in this order, and what there is to say of it.</summary>
/// <param name="Lost">Why the newest epoch cannot go on: an association is gone whose key must not be used again. Null: it can.</param>
/// <param name="IsTurned">All that goes between this host and the others goes by its newest epoch.</param>
/// <param name="Progress">By peer, as the kernel stood when it was read.</param>
public sealed record EncryptionSteps(
    ImmutableArray<IpsecChange> Changes, string? Lost, bool IsTurned, ImmutableSortedDictionary<string, PeerProgress> Progress);

/// <summary>From the hosts' records and this host's kernel to changes: pure.</summary>
/// <remarks>
/// Between two hosts there is one association each way and pair of epochs, one of each host. Who begins an epoch adds what it receives by before it
/// tells of it, and each host tells which associations it can receive by; a sender turns to the newest of those, by putting one policy in the place of
/// another. So no packet is sent that cannot be received, and an older epoch ends once nobody sends by it.
/// An association is only added if its key was certainly never used: by an epoch that began in this daemon, and once. Whatever else is missing (after a
/// reboot, or by another hand) takes a new epoch.
/// </remarks>
public static class EncryptionPlan
{
    public static EncryptionSteps Of(EncryptionView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        var guards = view.Ports.SelectMany(KernelEncryption.GuardsOf).ToList();
        // Without the others' records nothing follows about what goes to them: what is there stays.
        if (view.Records is null || view.Own.IsDefaultOrEmpty || view.Address is not { } address)
            return new EncryptionSteps([.. guards.Except(view.Policies).Select(Set)], Lost: null, IsTurned: false, ImmutableSortedDictionary<string, PeerProgress>.Empty);

        var installed = view.Associations.Select(one => one.Association).ToHashSet();
        var (adds, wanted, policies) = (new List<IpsecChange>(), new HashSet<Association>(), new List<IpsecPolicy>());
        var progress = ImmutableSortedDictionary.CreateBuilder<string, PeerProgress>(StringComparer.Ordinal);
        var (lost, isTurned) = ((string?)null, true);
        foreach (var peer in PeersOf(view, address))
        {
            var incoming = new List<uint>();
            foreach (var (own, theirs) in Pairs(view, peer))
            {
                var (association, key) = Derive(theirs, peer.Address, own.Epoch, address);
                wanted.Add(association);
                if (installed.Contains(association)) incoming.Add(association.Spi);
                else if (MayAdd(own, association)) adds.Add(new IpsecChange.AddAssociation(association, key));
                else if (IsNewest(own)) lost ??= $"{association} is not in the kernel";
            }

            var sending = view.Ports.Select(port => view.Policies.FirstOrDefault(policy => policy.IsInPlaceOf(Protect(port, spi: 0)))?.Template?.Spi).Distinct().ToList() is [var one] ? one : null;
            if (sending is { } spi && !installed.Contains(new Association(address.ToIPAddress(), peer.Address.ToIPAddress(), spi))) sending = null;
            progress[peer.Host] = new PeerProgress([.. incoming.Order()], sending);

            var outgoing = Choose(peer);
            if (outgoing is { } chosen)
            {
                wanted.Add(chosen.Association);
                policies.AddRange(view.Ports.Select(port => Protect(port, chosen.Association.Spi)));
            }

            // By the newest epoch in both directions; a peer that sends nothing loses nothing.
            var theirSending = peer.Peers.GetValueOrDefault(view.Host)?.Sending;
            isTurned &= outgoing is null || (IsNewest(outgoing.Value.Own) && sending == outgoing.Value.Association.Spi);
            isTurned &= theirSending is null || Pairs(view, peer).Any(pair => IsNewest(pair.Own) && Derive(pair.Theirs, peer.Address, pair.Own.Epoch, address).Association.Spi == theirSending);

            IpsecPolicy Protect(int port, uint spi) => IpsecPolicy.Protect(address.ToIPAddress(), peer.Address.ToIPAddress(), port, spi);
        }

        policies.InsertRange(0, guards);
        return new EncryptionSteps(
            [
                .. guards.Except(view.Policies).Select(Set),
                .. adds,
                .. policies.Except(guards).Except(view.Policies).Select(Set),
                .. view.Policies.Where(policy => !policies.Any(policy.IsInPlaceOf)).OrderBy(policy => policy.Priority).Select(policy => new IpsecChange.DeletePolicy(policy)),
                .. installed.Except(wanted).OrderBy(association => association.ToString(), StringComparer.Ordinal).Select(association => new IpsecChange.DeleteAssociation(association)),
            ],
            lost,
            isTurned,
            progress.ToImmutable());

        // The newest pair by which the peer receives and for which there is, or can be, an association here.
        (Association Association, OwnEpoch Own)? Choose(EncryptionRecord peer)
        {
            var receivable = peer.Peers.GetValueOrDefault(view.Host)?.Installed ?? [];
            var isFirst = true;
            foreach (var (own, theirs) in Pairs(view, peer).Reverse())
            {
                var (association, key) = Derive(own.Epoch, address, theirs, peer.Address);
                if (!receivable.Contains(association.Spi)) continue;
                if (installed.Contains(association)) return (association, own);
                if (MayAdd(own, association))
                {
                    adds.Add(new IpsecChange.AddAssociation(association, key));
                    return (association, own);
                }

                if (isFirst && IsNewest(own)) lost ??= $"{association} is not in the kernel";
                isFirst = false;
            }

            return null;
        }

        bool MayAdd(OwnEpoch own, Association association) => own.IsOwn && !view.Added.Contains(association);

        bool IsNewest(OwnEpoch own) => own == view.Own[^1];
    }

    /// <summary>
    /// The others, by name. Of several with one address, all but the one with the newest keys are gone: a machine took over the address of a dead one, or came
    /// back under another name.
    /// </summary>
    private static IEnumerable<EncryptionRecord> PeersOf(EncryptionView view, IPv4Address address) => view.Records!
        .Where(record => record.Host != view.Host && record.Address != address)
        .OrderBy(record => record.Host, StringComparer.Ordinal)
        .GroupBy(record => record.Address)
        .Select(same => same.MaxBy(record => record.Epochs[^1].Since)!);

    /// <summary>The newest last, where this host's epochs count first.</summary>
    private static IEnumerable<(OwnEpoch Own, Epoch Theirs)> Pairs(EncryptionView view, EncryptionRecord peer) =>
        view.Own.SelectMany(own => peer.Epochs.Select(theirs => (own, theirs)));

    private static (Association Association, IpsecKey Key) Derive(Epoch sender, IPv4Address from, Epoch receiver, IPv4Address to)
    {
        var (spi, key) = AssociationKeys.Derive(sender, from, receiver, to);
        return (new Association(from.ToIPAddress(), to.ToIPAddress(), spi), new IpsecKey(key));
    }

    private static IpsecChange Set(IpsecPolicy policy) => new IpsecChange.SetPolicy(policy);
}
