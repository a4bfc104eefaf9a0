using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Cluster.Tests.Mirror;

/// <summary>Records of the mirror with what a test does not care about filled in.</summary>
internal static class Records
{
    public static readonly ImmutableSortedDictionary<string, string> NoLabels = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    public static IPv4Address Ip(string text) => IPv4Address.Parse(text);

    public static ImmutableSortedDictionary<string, string> Labels(params (string Name, string Value)[] labels) =>
        NoLabels.AddRange(labels.Select(label => KeyValuePair.Create(label.Name, label.Value)));

    public static NetworkRecord Network(string id, string pool) => new(id, id, IPv4Network.Parse(pool), IsInternal: false, IsAttachable: true, NoLabels);

    public static ServiceRecord Service(string id, params (string Network, string? Vip)[] networks) => new(
        id,
        id,
        networks.Any(network => network.Vip is not null) ? EndpointMode.Vip : EndpointMode.Dnsrr,
        [.. networks.Select(network => new ServiceNetwork(network.Network, [], network.Vip is null ? null : Ip(network.Vip)))],
        NoLabels,
        []);

    public static ContainerRecord Container(string id, string host, string? service, params (string Network, string Address, string? Provisional)[] networks) => new(
        id,
        host,
        id,
        id,
        ContainerHealth.None,
        ContainerState.Ready,
        [.. networks.Select(network => new ContainerNetwork(
            network.Network, $"ep-{id}-{network.Network}", Ip(network.Address), [], [], network.Provisional is null ? null : Ip(network.Provisional)))],
        NoLabels,
        service is null ? null : new ContainerTask("task-" + id, service, service, "node-" + host, 1));

    public static EtcdEvent Put(string key, string value, long revision) =>
        new(EtcdEventKind.Put, new EtcdEntry(key, value, revision, revision, 1, EtcdLeaseId.None), Previous: null);

    public static EtcdEvent Delete(string key, long revision) =>
        new(EtcdEventKind.Delete, new EtcdEntry(key, "", 0, revision, 0, EtcdLeaseId.None), Previous: null);
}
