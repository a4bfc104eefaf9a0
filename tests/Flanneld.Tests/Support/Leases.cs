using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.Networks;

namespace FlannelFlow.Flanneld.Tests.Support;

/// <summary>Lease entries as etcd would give them.</summary>
internal static class Leases
{
    public const string Config = """{"Network":"10.1.0.0/20","SubnetLen":25,"SubnetMin":"10.1.2.0","Backend":{"Type":"vxlan","VNI":6514}}""";

    public static readonly VxlanNetwork Network = VxlanNetwork.Parse(Config);

    public static EtcdEntry Entry(string subnet, string value, long revision = 5, long lease = 1) =>
        new("/n/subnets/" + subnet.Replace('/', '-'), value, revision, revision, 1, new EtcdLeaseId(lease));

    public static string Value(string publicIP, string mac, int vni = 6514, string backend = "vxlan") =>
        $$$"""{"PublicIP":"{{{publicIP}}}","PublicIPv6":null,"BackendType":"{{{backend}}}","BackendData":{"VNI":{{{vni}}},"VtepMAC":"{{{mac}}}"}}""";

    public static EtcdEntry Lease(string subnet, string publicIP, string mac, long revision = 5) => Entry(subnet, Value(publicIP, mac), revision);

    public static IPv4Network Subnet(string text) => IPv4Network.Parse(text);
}
