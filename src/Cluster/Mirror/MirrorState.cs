using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>All that the mirror holds at one revision. Immutable: a change makes another.</summary>
/// <remarks>
/// A value that is no record of ours (a newer or a broken writer's) counts as absent and is named in <see cref="Unreadable"/>: one bad key
/// must not blind a host to all others.
/// </remarks>
public sealed record MirrorState
{
    public static MirrorState Empty { get; } = new();

    /// <summary>Of the last change of <c>docker/</c> that is in it (of a fresh read: the store's). It is what a host acknowledges.</summary>
    public long Revision { get; init; }

    /// <summary>Counts the stores that were read. One that was put back to an earlier revision begins another history, in which the revisions of this one mean nothing.</summary>
    public int History { get; init; }

    /// <summary>By network id.</summary>
    public ImmutableDictionary<string, NetworkRecord> Networks { get; init; } = ImmutableDictionary.Create<string, NetworkRecord>(StringComparer.Ordinal);

    /// <summary>By service id.</summary>
    public ImmutableDictionary<string, ServiceRecord> Services { get; init; } = ImmutableDictionary.Create<string, ServiceRecord>(StringComparer.Ordinal);

    /// <summary>By container id, of all hosts.</summary>
    public ImmutableDictionary<string, ContainerRecord> Containers { get; init; } = ImmutableDictionary.Create<string, ContainerRecord>(StringComparer.Ordinal);

    /// <summary>
    /// Records of containers of which another host's folder has one too, which was read later: a host that has a new name has written its containers anew, and is about
    /// to delete what it wrote as the former one.
    /// </summary>
    public ImmutableList<ContainerRecord> Covered { get; init; } = [];

    /// <summary>This host's name; it is always there to itself.</summary>
    public string Here { get; init; } = "";

    /// <summary>By host name: those whose daemon lives, or may be restarting.</summary>
    public ImmutableDictionary<string, HostRecord> Hosts { get; init; } = ImmutableDictionary.Create<string, HostRecord>(StringComparer.Ordinal);

    /// <summary>Hosts whose daemon gives signs of life (<see cref="HostPresence"/>).</summary>
    public ImmutableHashSet<string> Heard { get; init; } = ImmutableHashSet.Create<string>(StringComparer.Ordinal);

    /// <summary>
    /// Hosts that were gone, and of which nothing was heard since: record and signs of life have both ended, or they were found silent (<see cref="HostWatch"/>). A record
    /// that ends while signs are given is written anew, and no sign would tell of it.
    /// </summary>
    public ImmutableHashSet<string> Gone { get; init; } = ImmutableHashSet.Create<string>(StringComparer.Ordinal);

    /// <summary>
    /// Records of this host's own containers that its Docker Engine contradicts: they have ended, or have other addresses, and etcd has not heard of it. These very
    /// instances; a record that is written anew is another.
    /// </summary>
    public ImmutableHashSet<ContainerRecord> Refuted { get; init; } = ImmutableHashSet.Create<ContainerRecord>(ReferenceEqualityComparer.Instance);

    /// <summary>Keys whose value is no record.</summary>
    public ImmutableSortedSet<string> Unreadable { get; init; } = ImmutableSortedSet.Create<string>(StringComparer.Ordinal);

    /// <summary>The revision that every living host has acknowledged; that of this state when no host lives.</summary>
    /// <remarks>A host that was only found silent is waited for until its record ends: what its kernel still sends may arrive elsewhere.</remarks>
    public long AcknowledgedRevision => Hosts.IsEmpty ? Revision : Hosts.Values.Min(host => host.AppliedRevision);

    /// <summary>Whether what runs there is reckoned with. Names and load balancers both ask this, through <see cref="ServingTasks"/>.</summary>
    public bool IsPresent(string host) => host == Here || (Hosts.ContainsKey(host) && !Gone.Contains(host));

    /// <summary>Docker's data trumps etcd's: false for what this host knows to be over.</summary>
    public bool Runs(ContainerRecord container) => !Refuted.Contains(container);

    /// <summary>Only a task's own host finds out when it has opened: while its daemon gives no sign of life, it is taken for open.</summary>
    public bool IsOpening(ContainerRecord task) => task.IsOpening && (task.Host == Here || Heard.Contains(task.Host));

    /// <summary>For tests and pure functions.</summary>
    public static MirrorState Of(
        long revision, IEnumerable<NetworkRecord> networks, IEnumerable<ServiceRecord> services, IEnumerable<ContainerRecord> containers) => Empty with
        {
            Revision = revision,
            Networks = Empty.Networks.AddRange(networks.Select(network => KeyValuePair.Create(network.Id, network))),
            Services = Empty.Services.AddRange(services.Select(service => KeyValuePair.Create(service.Id, service))),
            Containers = Empty.Containers.AddRange(containers.Select(container => KeyValuePair.Create(container.Id, container))),
        };

    /// <summary>From a read of everything under <c>docker/</c> and <c>hosts/</c>, at one revision.</summary>
    public static MirrorState Read(ClusterKeys keys, long revision, IEnumerable<EtcdEntry> entries)
    {
        var state = Empty;
        foreach (var entry in entries) state = state.Put(keys, entry.Key, entry.Value);
        return state with { Revision = revision };
    }

    /// <summary>A state that was read anew, with what the one before it knew and etcd does not hold: who is gone, and whether etcd was put back (restored from a backup).</summary>
    public MirrorState After(MirrorState before)
    {
        ArgumentNullException.ThrowIfNull(before);
        return this with
        {
            Gone = before.Gone.Union(before.Hosts.Keys.Except(Hosts.Keys, StringComparer.Ordinal)).Except(Heard),
            History = before.History + (Revision < before.Revision ? 1 : 0),
            Refuted = Refuted.Union(before.Refuted
                .Select(record => Containers.GetValueOrDefault(record.Id) is { } now && MirrorJson.Write(now) == MirrorJson.Write(record) ? now : null)
                .OfType<ContainerRecord>()),
        };
    }

    /// <summary>With what this host's Docker Engine said of its containers.</summary>
    /// <param name="seen">The state before it was asked: of records that came later the answer may know nothing.</param>
    /// <param name="running">The answer: all that run.</param>
    public MirrorState Contradicted(MirrorState seen, IReadOnlyCollection<ContainerRecord> running)
    {
        ArgumentNullException.ThrowIfNull(seen);
        var answers = running.ToDictionary(container => container.Id, StringComparer.Ordinal);
        var refuted = seen.Containers.Values.Where(record =>
            record.Host == Here && ReferenceEquals(Containers.GetValueOrDefault(record.Id), record) && !Agree(record, answers.GetValueOrDefault(record.Id)));
        var now = Refuted.Clear().Union(refuted);
        return Refuted.SetEquals(now) ? this : this with { Refuted = now };

        static bool Agree(ContainerRecord record, ContainerRecord? answer) =>
            answer is not null && Places(record).SetEquals(Places(answer));

        static HashSet<(string NetworkId, IPv4Address Address)> Places(ContainerRecord container) =>
            [.. container.Networks.Select(endpoint => (endpoint.NetworkId, endpoint.Address))];
    }

    /// <summary>With the changes of one transaction or more, in their order.</summary>
    public MirrorState With(ClusterKeys keys, EtcdChanges changes)
    {
        var state = this;
        var revision = Revision;
        foreach (var change in changes.Events)
        {
            state = change.Kind switch
            {
                EtcdEventKind.Put => state.Put(keys, change.Entry.Key, change.Entry.Value),
                EtcdEventKind.Delete => state.Without(keys, change.Entry.Key),
            };
            if (change.Entry.Key.StartsWith(keys.Docker, StringComparison.Ordinal)) revision = Math.Max(revision, change.Entry.ModRevision);
        }

        return ReferenceEquals(state, this) && revision == Revision ? this : state with { Revision = revision };
    }

    private MirrorState Put(ClusterKeys keys, string key, string value)
    {
        if (MirrorKey.Parse(keys, key) is not { } parsed) return this;

        // What stood there goes first: a record that turned unreadable is absent, not stale.
        var without = Without(keys, key);
        switch (parsed.Kind)
        {
            case MirrorKind.Network when MirrorJson.TryRead(value, MirrorJsonContext.Default.NetworkRecord, out var network) && network.Id == parsed.Id:
                return without with { Networks = without.Networks.SetItem(network.Id, network) };
            case MirrorKind.Service when MirrorJson.TryRead(value, MirrorJsonContext.Default.ServiceRecord, out var service) && service.Id == parsed.Id:
                return without with { Services = without.Services.SetItem(service.Id, service) };
            case MirrorKind.Container when MirrorJson.TryRead(value, MirrorJsonContext.Default.ContainerRecord, out var container) && container.Id == parsed.Id:
                return without with
                {
                    Containers = without.Containers.SetItem(container.Id, container),
                    Covered = without.Containers.TryGetValue(container.Id, out var covered) ? without.Covered.Add(covered) : without.Covered,
                };
            case MirrorKind.Host when MirrorJson.TryRead(value, MirrorJsonContext.Default.HostRecord, out var host) && host.Host == parsed.Id:
                // Written anew, it is no end of the record.
                return without with { Hosts = without.Hosts.SetItem(host.Host, host), Gone = Gone };
            case MirrorKind.Sign:
                return without with { Heard = Heard.Add(parsed.Host), Gone = Gone.Remove(parsed.Host) };
            default:
                return without with { Unreadable = without.Unreadable.Add(key) };
        }
    }

    private MirrorState Without(ClusterKeys keys, string key)
    {
        if (MirrorKey.Parse(keys, key) is not { } parsed) return this;
        var state = Unreadable.Contains(key) ? this with { Unreadable = Unreadable.Remove(key) } : this;
        return parsed.Kind switch
        {
            MirrorKind.Network => state with { Networks = state.Networks.Remove(parsed.Id) },
            MirrorKind.Service => state with { Services = state.Services.Remove(parsed.Id) },

            MirrorKind.Container when state.Containers.TryGetValue(parsed.Id, out var container) && container.Host == parsed.Host =>
                state.Covered.FindLast(record => record.Id == parsed.Id) is { } covered
                    ? state with { Containers = state.Containers.SetItem(parsed.Id, covered), Covered = state.Covered.Remove(covered), Refuted = state.Refuted.Remove(container) }
                    : state with { Containers = state.Containers.Remove(parsed.Id), Refuted = state.Refuted.Remove(container) },
            MirrorKind.Container when state.Covered.Find(record => record.Id == parsed.Id && record.Host == parsed.Host) is { } covered =>
                state with { Covered = state.Covered.Remove(covered) },
            MirrorKind.Container => state,
            MirrorKind.Host => state with { Hosts = state.Hosts.Remove(parsed.Id), Gone = state.Heard.Contains(parsed.Id) ? state.Gone : state.Gone.Add(parsed.Id) },
            MirrorKind.Sign => state with { Heard = state.Heard.Remove(parsed.Host), Gone = state.Hosts.ContainsKey(parsed.Host) ? state.Gone : state.Gone.Add(parsed.Host) },
        };
    }
}

internal enum MirrorKind
{
    Network,
    Service,
    Container,
    Host,
    Sign,
}

/// <param name="Host">Of a container, and of a sign of life.</param>
internal sealed record MirrorKey(MirrorKind Kind, string Id, string Host)
{
    /// <summary>Null for a key that is none of the mirror's, such as <c>hosts/&lt;host&gt;/workflows/…</c></summary>
    public static MirrorKey? Parse(ClusterKeys keys, string key)
    {
        if (Rest(keys.DockerNetworks) is [var network]) return new MirrorKey(MirrorKind.Network, network, "");
        if (Rest(keys.DockerServices) is [var service]) return new MirrorKey(MirrorKind.Service, service, "");
        if (Rest(keys.DockerContainers) is [var home, var container]) return new MirrorKey(MirrorKind.Container, container, home);
        return Rest(keys.Hosts) switch
        {
            [var host] => new MirrorKey(MirrorKind.Host, host, ""),
            [var host, _] when key == keys.HostSign(host) => new MirrorKey(MirrorKind.Sign, "", host),
            _ => null,
        };

        string[]? Rest(string prefix) => key.StartsWith(prefix, StringComparison.Ordinal) ? key[prefix.Length..].Split('/') : null;
    }
}
