using System.Collections.Immutable;
using FlannelFlow.Activities.Flannel;
using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Host.Docker;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Linux.Processes;

namespace FlannelFlow.Host.Reconcile;

/// <summary>Reads a picture of this host.</summary>
public sealed class PictureReader(
    HostNetworks networks,
    FlannelProcesses flannel,
    RouteNetlink netlink,
    ForwardingRules rules,
    DockerTruth docker,
    IEtcd etcd,
    ClusterKeys keys,
    AddressAllocator addresses,
    FlannelFlowOptions options,
    TimeProvider time)
{
    /// <summary>What Docker and etcd do not tell is missing in it, with the reason.</summary>
    /// <exception cref="NetlinkException">The kernel does not tell.</exception>
    /// <exception cref="Linux.Firewall.CommandException">nft or iptables do not tell.</exception>
    public async Task<HostPicture> ReadAsync(CancellationToken ct)
    {
        ImmutableArray<NetworkPicture> carried =
            [.. networks.All.OrderBy(network => network.NetworkId, StringComparer.Ordinal).Select(network => new NetworkPicture(network, networks.FabricOf(network), TroubleOf(network)))];
        var inUse = carried.Where(network => network.Network.IdleSince is null).Select(network => network.Network).ToList();
        var links = (await netlink.ListLinksAsync(ct)).ToImmutableDictionary(link => link.Name, StringComparer.Ordinal);
        var kernel = new KernelPicture(
            links,
            [.. await netlink.ListAddressesAsync(null, ct)],
            await rules.FindDifferentAsync([.. inUse.Select(network => (network.Vni, network.Pool, UnderlayOf(network.Vni)))], ct));
        var (fromDocker, dockerTrouble) = await AskAsync(async () =>
        {
            var endpoints = ImmutableDictionary.CreateBuilder<string, IReadOnlyList<DockerEndpoint>?>(StringComparer.Ordinal);
            foreach (var network in carried) endpoints[network.Network.NetworkId] = await docker.EndpointsAsync(network.Network.NetworkId, ct);
            return new DockerPicture(endpoints.ToImmutable());
        });
        var (fromEtcd, etcdTrouble) = await AskAsync(async () => new EtcdPicture(
            await FabricRecords.ReadAsync(etcd, keys, ct), carried.IsEmpty ? [] : await addresses.ListHostAsync(options.HostName, ct)));
        return new HostPicture
        {
            At = time.GetUtcNow(),
            Networks = carried,
            Kernel = kernel,
            Docker = fromDocker,
            DockerTrouble = dockerTrouble,
            Etcd = fromEtcd,
            EtcdTrouble = etcdTrouble,
        };

        string? UnderlayOf(int vni) => links.GetValueOrDefault(NetworkDevices.Vxlan(vni))?.Vxlan is { } vxlan ? links.Values.FirstOrDefault(link => link.Index == vxlan.UnderlayIndex)?.Name : null;
    }

    private string? TroubleOf(HostNetwork network) => flannel.Find(network.Pool)?.State switch
    {
        null => "it is not running",
        { Status: ChildStatus.Ready } => null,
        var state => string.Join("; ", new[] { state.Status.ToString(), state.StatusText, state.LastExit?.ToString(), state.LastLog.Split('\n')[^1] }.Where(text => !string.IsNullOrWhiteSpace(text))),
    };

    private static async Task<(T? Answer, string? Trouble)> AskAsync<T>(Func<Task<T>> ask)
        where T : class
    {
        try
        {
            return (await ask(), null);
        }
        catch (Exception e) when (e is DockerUnavailableException or EtcdException)
        {
            return (null, e.Message);
        }
    }
}
