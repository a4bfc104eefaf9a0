using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests.Faults;

/// <summary>Something that happens to host 3 of the lab, or to etcd.</summary>
/// <param name="Name">As it stands in docs/faults.md.</param>
/// <param name="Group">A heading there.</param>
internal sealed record Fault(string Group, string Name, Func<FaultScene, Task> Inject)
{
    /// <summary>What a data centre does about it: power on again, plug in. Null: nothing, it is mended by itself.</summary>
    public Func<FaultScene, Task>? Heal { get; init; }

    /// <summary>What a person does, where the drift list tells so; its command must contain this.</summary>
    public string? ByHand { get; init; }

    /// <summary>Whether what is played is in the short form, which ./test runs.</summary>
    public bool IsShort { get; init; }

    /// <summary>Within which all agrees again.</summary>
    public int Seconds { get; init; } = 120;
}

/// <summary>All of them, in the order in which they are played.</summary>
internal static class AllFaults
{
    private const string Ends = "Something ends";
    private const string Etcd = "etcd";
    private const string Cut = "The underlay";
    private const string Hand = "Removed by hand";

    public static IReadOnlyList<Fault> List { get; } =
    [
        new(Ends, "the daemon is killed (SIGKILL) and started again", scene => scene.Host.StopDaemonAsync("KILL")) { Heal = scene => scene.Host.StartDaemonAsync() },
        new(Ends, "all flannelds of a host are killed", scene => scene.Host.ShAsync("kill -9 $(pgrep -x flanneld)")),
        new(Ends, "dockerd is killed and started again", scene => scene.Host.LabAsync("dockerd-stop", "KILL")) { Heal = scene => scene.DockerdAsync() },
        new(Ends, "dockerd is stopped (SIGTERM) and started again", scene => scene.Host.LabAsync("dockerd-stop", "TERM")) { Heal = scene => scene.DockerdAsync() },
        new(Ends, "dockerd is told to reload (SIGHUP)", scene => scene.Host.ShAsync("kill -HUP $(cat /run/dockerd.lab.pid)")),
        new(Ends, "containerd is killed", scene => scene.Host.ShAsync("kill -9 $(pgrep -x containerd)")),
        new(Ends, "a host loses power and boots again", scene => scene.Host.LabAsync("crash"))
        {
            Heal = async scene =>
            {
                await scene.Host.LabAsync("boot");
                await scene.Host.StartDaemonAsync();
                await scene.NodeReadyAsync();
            },
            Seconds = 180,
        },
        new(Etcd, "etcd is killed and started again", scene => scene.LabAsync("etcd-stop", "KILL")) { Heal = scene => scene.LabAsync("etcd-start") },
        new(Etcd, "etcd does not answer for 60 s", async scene =>
        {
            await scene.LabAsync("etcd-stop", "KILL");
            await Task.Delay(TimeSpan.FromSeconds(60), TimeProvider.System, Run.Ct);
        }) { Heal = scene => scene.LabAsync("etcd-start") },
        new(Cut, "a host is cut off from all for 30 s", async scene =>
        {
            await scene.LabAsync("switch", "ip", "link", "set", $"n{scene.Host.Number}", "down");
            await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, Run.Ct);
        })
        {
            Heal = async scene =>
            {
                await scene.LabAsync("switch", "ip", "link", "set", $"n{scene.Host.Number}", "up");
                await scene.NodeReadyAsync();
            },
        },
        new(Cut, "a host can hear, but not be heard, for 30 s", async scene =>
        {
            await scene.Host.ShAsync("iptables -I OUTPUT -o eth0 -j DROP");
            await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, Run.Ct);
        })
        {
            Heal = async scene =>
            {
                await scene.Host.ShAsync("iptables -D OUTPUT -o eth0 -j DROP");
                await scene.NodeReadyAsync();
            },
        },
        ByHand("the network's bridge: ip link del", scene => $"ip link del {scene.Bridge}", isShort: true),
        ByHand("the VXLAN device: ip link del", scene => $"ip link del {scene.Vxlan}"),
        ByHand("a container's veth from its bridge: ip link set nomaster", scene => $"ip link set {scene.Veth} nomaster"),
        ByHand("a container's veth: ip link del", scene => $"ip link del {scene.Veth}") with { ByHand = "docker restart c3" },
        ByHand("the routes to the other hosts: ip route del", scene => $"for r in $(ip route show dev {scene.Vxlan} | awk '{{print $1}}'); do ip route del $r dev {scene.Vxlan}; done"),
        ByHand("the entries of the tunnel: bridge fdb del, ip neigh flush", scene =>
            $"bridge fdb show dev {scene.Vxlan} | awk '/dst/ {{print $1, $3}}' | while read mac dst; do bridge fdb del $mac dev {scene.Vxlan} dst $dst; done; ip neigh flush dev {scene.Vxlan} nud all"),
        ByHand("our rules in DOCKER-USER", _ => "iptables -S DOCKER-USER | grep flannelflow | sed 's/^-A/-D/' | while read -r rule; do iptables $rule; done"),
        ByHand("the rules of the isolation: nft delete table", _ => "nft delete table inet flannelflow"),
        ByHand("the load balancers: ipvsadm -C, nft delete table", _ => "[ ! -s /proc/net/ip_vs ] || ipvsadm -C; nft list tables | grep -q 'table ip flannelflow' && nft delete table $(nft list tables | sed -n 's/^table \\(ip flannelflow[^ ]*\\).*/\\1/p' | head -n 1); true", isShort: true),
        ByHand("flanneld's subnet file", scene => $"rm /var/lib/flannelflow/networks/{scene.PoolFolder}/subnet.env"),
        new(Hand, "all keys of the network in etcd: etcdctl del", async scene =>
        {
            foreach (var prefix in new[] { $"networks/{scene.PoolFolder}/", $"addresses/{scene.PoolFolder}/", $"address-space/pools/{scene.PoolFolder}", "address-space/vnis/" })
                await scene.LabAsync("etcdctl", "del", "--prefix", $"/flannelflow/{prefix}");
        }) { IsShort = true },
        new(Hand, "the mirror of Docker in etcd: etcdctl del", scene => scene.LabAsync("etcdctl", "del", "--prefix", "/flannelflow/docker/")),
        new(Hand, "the journal, after a clean stop", async scene =>
        {
            await scene.Host.StopDaemonAsync();
            await scene.Host.ShAsync("rm -f /var/lib/flannelflow/journal.db*");
        }) { Heal = scene => scene.Host.StartDaemonAsync() },
    ];

    private static Fault ByHand(string name, Func<FaultScene, string> command, bool isShort = false) =>
        new(Hand, name, scene => scene.Host.ShAsync(command(scene))) { IsShort = isShort };
}
