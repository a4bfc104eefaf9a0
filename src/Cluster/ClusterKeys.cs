using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster;

/// <summary>Where things stand in etcd, under ETCD_PREFIX.</summary>
public sealed record ClusterKeys
{
    public ClusterKeys(string prefix)
    {
        if (!prefix.StartsWith('/') || prefix.TrimEnd('/').Length == 0)
            throw new ArgumentException($"ETCD_PREFIX '{prefix}' must begin with '/' and name a folder, such as /flannelflow", nameof(prefix));
        Prefix = prefix.TrimEnd('/');
    }

    /// <summary>Without a slash at the end.</summary>
    public string Prefix { get; }

    public string Pools => $"{Prefix}/address-space/pools/";

    public string Vnis => $"{Prefix}/address-space/vnis/";

    public string Networks => $"{Prefix}/networks/";

    public string Addresses => $"{Prefix}/addresses/";

    /// <summary>The mirror of Docker's networks, services and containers.</summary>
    public string Docker => $"{Prefix}/docker/";

    public string DockerNetworks => $"{Docker}networks/";

    public string DockerServices => $"{Docker}services/";

    public string DockerContainers => $"{Docker}containers/";

    /// <summary>The load balancers' firewall marks, each with its owner.</summary>
    public string Marks => $"{Prefix}/load-balancing/marks/";

    /// <summary>Who is there: <c>hosts/&lt;host&gt;</c>, and below that what the host tells of itself.</summary>
    public string Hosts => $"{Prefix}/hosts/";

    /// <summary>Per host, from what its keys to the others are made. Secret.</summary>
    public string Encryption => $"{Prefix}/encryption/";

    /// <summary>Who may sign in to the dashboard and the API.</summary>
    public string Tokens => $"{Prefix}/access/tokens/";

    public string EncryptionOf(string host) => Encryption + host;

    public string Token(string id) => Tokens + id;

    public string Pool(IPv4Network pool) => Pools + pool.PathForm;

    public string Vni(int vni) => $"{Vnis}{vni}";

    /// <summary>The keys of one flannel network; its prefix is flanneld's <c>-etcd-prefix</c>.</summary>
    public FlannelKeys Network(IPv4Network pool) => new(Networks + pool.PathForm);

    public string AddressesOf(IPv4Network pool) => $"{Addresses}{pool.PathForm}/";

    public string DockerNetwork(string id) => DockerNetworks + id;

    public string DockerService(string id) => DockerServices + id;

    public string DockerContainersOf(string host) => $"{DockerContainers}{host}/";

    public string DockerContainer(string host, string id) => DockerContainersOf(host) + id;

    public string Mark(int index) => Marks + index.ToString(CultureInfo.InvariantCulture);

    public string Host(string host) => Hosts + host;

    /// <summary>The host's sign of life.</summary>
    public string HostSign(string host) => $"{Hosts}{host}/alive";

    /// <summary>Summaries of its open and failed workflows.</summary>
    public string HostWorkflows(string host) => $"{Hosts}{host}/workflows/";

    /// <summary>What people on other hosts want of its workflows.</summary>
    public string HostRequests(string host) => $"{Hosts}{host}/requests/";

    public EtcdKeys All => EtcdKeys.Under(Prefix + "/");
}

/// <summary>
/// flannel's keys below its -etcd-prefix (flannel pkg/subnet/etcd/registry.go and pkg/subnet/subnet.go, MakeSubnetKey/ParseSubnetKey):
/// <c>config</c> and <c>subnets/&lt;ip&gt;-&lt;len&gt;</c>, or <c>subnets/&lt;v4&gt;-&lt;len&gt;&amp;&lt;v6&gt;-&lt;len&gt;</c> where IPv6 is on as well.
/// </summary>
public sealed record FlannelKeys
{
    public FlannelKeys(string prefix)
    {
        if (!prefix.StartsWith('/') || prefix.TrimEnd('/').Length == 0)
            throw new ArgumentException($"the flannel prefix '{prefix}' must begin with '/' and name a folder", nameof(prefix));
        Prefix = prefix.TrimEnd('/');
    }

    public string Prefix { get; }

    public string Config => $"{Prefix}/config";

    /// <summary>With a slash at the end, so that no sibling key is taken for a lease.</summary>
    public string Subnets => $"{Prefix}/subnets/";

    public string Subnet(IPv4Network subnet) => Subnets + subnet.PathForm;

    /// <summary>The IPv4 part of a lease key; false when it is none of flannel's.</summary>
    public static bool TryParseSubnet(string key, out IPv4Network subnet)
    {
        var name = key[(key.LastIndexOf('/') + 1)..];
        var dual = name.IndexOf('&', StringComparison.Ordinal);
        return IPv4Network.TryParsePathForm(dual < 0 ? name : name[..dual], out subnet) && subnet.Length < 32;
    }
}
