using System.Text.RegularExpressions;
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

    /// <summary>Within which all agrees again.</summary>
    public int Seconds { get; init; } = 120;
}

/// <summary>All of them, in the order in which they are played.</summary>
internal static class AllFaults
{
    private const string Ends = "Something ends";
    private const string Etcd = "etcd";
    private const string Cut = "The underlay";
    private const string Clocks = "The clock";
    private const string Swarm = "The swarm";
    private const string Hand = "Removed by hand";
    private const string Kernels = "Hosts with a kernel of their own";

    public static IReadOnlyList<Fault> List { get; } =
    [
        new(Ends, "the daemon is killed (SIGKILL) and started again", scene => scene.Host.StopDaemonAsync("KILL")) { Heal = scene => scene.Host.StartDaemonAsync() },
        new(Ends, "all flannelds of a host are killed", scene => scene.Host.ShAsync("kill -9 $(pgrep -x flanneld)")),
        new(Ends, "dockerd is killed and started again", scene => scene.Host.LabAsync("dockerd-stop", "KILL")) { Heal = scene => scene.DockerdAsync() },
        new(Ends, "dockerd is stopped (SIGTERM) and started again", scene => scene.Host.LabAsync("dockerd-stop", "TERM")) { Heal = scene => scene.DockerdAsync() },
        new(Ends, "dockerd is told to reload (SIGHUP)", scene => scene.Host.ShAsync("kill -HUP $(cat /run/dockerd.lab.pid)")),
        new(Ends, "containerd is killed", scene => scene.Host.ShAsync("kill -9 $(pgrep -x containerd)")),
        PowerCut(Ends, "a host loses power and boots again"),
        new(Etcd, "etcd is killed, all members, and started again", scene => scene.LabAsync("etcd-stop", "KILL")) { Heal = scene => scene.LabAsync("etcd-start") },
        new(Etcd, "etcd does not answer for 60 s", async scene =>
        {
            await scene.LabAsync("etcd-stop", "KILL");
            await PassAsync(60);
        }) { Heal = scene => scene.LabAsync("etcd-start") },
        new(Etcd, "the leader of etcd's three members is killed, and started again after 10 s", async scene =>
        {
            await scene.LabAsync("etcd-stop", "KILL", await scene.EtcdLeaderAsync());
            await PassAsync(10);
        }) { Heal = scene => scene.LabAsync("etcd-start") },
        new(Etcd, "two of etcd's three members are killed, and started again after 60 s", async scene =>
        {
            var leader = await scene.EtcdLeaderAsync();
            await scene.LabAsync("etcd-stop", "KILL", leader, leader == "1" ? "2" : "1");
            await PassAsync(60);
        }) { Heal = scene => scene.LabAsync("etcd-start") },
        new(Etcd, "etcd stands still for 0.2 s of each 0.25 s, for 60 s", scene => scene.LabAsync(
            "switch", "sh", "-c",
            "p=$(pgrep -x etcd --ns $$ --nslist net); for i in $(seq 240); do kill -STOP $p; sleep .2; kill -CONT $p; sleep .05; done")),
        new(Etcd, "etcd is full for 30 s: nothing can be written", async scene =>
        {
            await scene.LabAsync(
                "switch", "sh", "-c",
                "for i in $(seq 100); do head -c 1000000 /dev/zero | tr '\\0' x | ETCDCTL_API=3 etcdctl --endpoints http://10.77.0.1:2379 put /junk/$i >/dev/null 2>&1 || break; done");
            Assert.Contains("NOSPACE", await scene.Lab.EtcdctlAsync("alarm", "list"), StringComparison.Ordinal);
            await PassAsync(30);
        })
        {
            Heal = async scene =>
            {
                await scene.LabAsync("etcdctl", "del", "--prefix", "/junk/");
                await scene.LabAsync("etcdctl", "compact", Lab.Text(await scene.Lab.EtcdRevisionAsync()));
                await scene.LabAsync("etcdctl", "defrag");
                await scene.LabAsync("etcdctl", "alarm", "disarm");
            },
        },
        new(Etcd, "etcd's history is compacted while a host is cut off and containers come and go elsewhere", async scene =>
        {
            await scene.LabAsync("switch", "ip", "link", "set", $"n{scene.Host.Number}", "down");
            await scene.Lab[1].DockerAsync("run", "--rm", "--network", "net1", "lab:latest", "true");
            await scene.LabAsync("etcdctl", "compact", Lab.Text(await scene.Lab.EtcdRevisionAsync()));
        })
        {
            Heal = async scene =>
            {
                await scene.LabAsync("switch", "ip", "link", "set", $"n{scene.Host.Number}", "up");
                await scene.NodeReadyAsync();
            },
        },
        new(Etcd, "etcd is restored from a snapshot one minute old, since which containers and tasks were replaced", async scene =>
        {
            var snapshot = Path.Combine(scene.Host.LabFolder, "etcd.snapshot");
            await scene.LabAsync("etcd-save", snapshot);
            await scene.Host.DockerAsync("restart", "-t", "1", "c3");
            await scene.Lab[1].DockerAsync("service", "update", "-d", "--force", "web");
            await PassAsync(60);
            await scene.LabAsync("etcd-restore", snapshot);
            File.Delete(snapshot);
        }),
        CutOff(Cut),
        new(Cut, "a host can hear, but not be heard, for 30 s", async scene =>
        {
            await scene.Host.ShAsync("iptables -I OUTPUT -o eth0 -j DROP");
            await PassAsync(30);
        })
        {
            Heal = async scene =>
            {
                await scene.Host.ShAsync("iptables -D OUTPUT -o eth0 -j DROP");
                await scene.NodeReadyAsync();
            },
        },
        new(Cut, "a host loses 5 % of all packets, both ways, for 60 s", async scene =>
        {
            await scene.Host.ShAsync($"iptables -I INPUT -i eth0 {Lossy} && iptables -I OUTPUT -o eth0 {Lossy}");
            await PassAsync(60);
            await scene.Host.ShAsync($"iptables -D INPUT -i eth0 {Lossy} && iptables -D OUTPUT -o eth0 {Lossy}");
        }),
        Clock("+1h"),
        Clock("-1h"),
        new(Swarm, "a host leaves the swarm, is removed, and joins again under its name; its container is started anew", scene => scene.LeaveSwarmAsync())
        {
            Heal = scene => scene.JoinSwarmAsync(),
            Seconds = 180,
        },
        new(Swarm, "a host leaves the swarm while its daemon is dead, is removed, and joins under another name; its container is started anew", async scene =>
        {
            await scene.Host.StopDaemonAsync("KILL");
            await scene.LeaveSwarmAsync();
            await scene.RenameHostAsync();
        })
        {
            Heal = async scene =>
            {
                await scene.Host.StartDaemonAsync();
                await scene.JoinSwarmAsync();
                await scene.UntilFormerNameGoneAsync();
            },
            Seconds = 180,
        },
        new(Swarm, "a host loses power, and boots under another name", async scene =>
        {
            await scene.Host.LabAsync("crash");
            await scene.RenameHostAsync();
        })
        {
            Heal = async scene =>
            {
                await scene.Host.LabAsync("boot", "--daemon");
                await scene.NodeReadyAsync();
                await scene.ContainerRunsAsync();
                await scene.UntilFormerNameGoneAsync();
            },
            Seconds = 180,
        },
        ByHand("the network's bridge: ip link del", scene => $"ip link del {scene.Bridge}"),
        ByHand("the VXLAN device: ip link del", scene => $"ip link del {scene.Vxlan}"),
        ByHand("a container's veth from its bridge: ip link set nomaster", scene => $"ip link set {scene.Veth} nomaster"),
        ByHand("a container's veth: ip link del", scene => $"ip link del {scene.Veth}") with { ByHand = "docker restart c3" },
        ByHand("the routes to the other hosts: ip route del", scene => $"for r in $(ip route show dev {scene.Vxlan} | awk '{{print $1}}'); do ip route del $r dev {scene.Vxlan}; done"),
        ByHand("the entries of the tunnel: bridge fdb del, ip neigh flush", scene =>
            $"bridge fdb show dev {scene.Vxlan} | awk '/dst/ {{print $1, $3}}' | while read mac dst; do bridge fdb del $mac dev {scene.Vxlan} dst $dst; done; ip neigh flush dev {scene.Vxlan} nud all"),
        ByHand("our rules in DOCKER-USER", _ => "iptables -S DOCKER-USER | grep flannelflow | sed 's/^-A/-D/' | while read -r rule; do iptables $rule; done"),
        ByHand("the rules of the isolation: nft delete table", _ => "nft delete table inet flannelflow"),
        ByHand("the load balancers: ipvsadm -C, nft delete table", _ => "[ ! -s /proc/net/ip_vs ] || ipvsadm -C; nft list tables | grep -q 'table ip flannelflow' && nft delete table $(nft list tables | sed -n 's/^table \\(ip flannelflow[^ ]*\\).*/\\1/p' | head -n 1); true"),
        ByHand("flanneld's subnet file", scene => $"rm /var/lib/flannelflow/networks/{scene.PoolFolder}/subnet.env"),
        new(Hand, "all keys of the network in etcd: etcdctl del", async scene =>
        {
            foreach (var prefix in new[] { $"networks/{scene.PoolFolder}/", $"addresses/{scene.PoolFolder}/", $"address-space/pools/{scene.PoolFolder}", "address-space/vnis/" })
                await scene.LabAsync("etcdctl", "del", "--prefix", $"/flannelflow/{prefix}");
        }),
        new(Hand, "the mirror of Docker in etcd: etcdctl del", scene => scene.LabAsync("etcdctl", "del", "--prefix", "/flannelflow/docker/")),
        new(Hand, "the journal, after a clean stop", async scene =>
        {
            await scene.Host.StopDaemonAsync();
            await scene.Host.ShAsync("rm -f /var/lib/flannelflow/journal.db*");
        }) { Heal = scene => scene.Host.StartDaemonAsync() },
    ];

    /// <summary>Those of a lab whose hosts are kernels of their own (tests/lab/lab up --kernels): what this machine's kernel cannot play, and what is another thing there.</summary>
    public static IReadOnlyList<Fault> InKernels { get; } =
    [
        CutOff(Kernels),
        new(Kernels, "a host's packets take 50 ms longer, and 5 % of them are lost, both ways, for 60 s", async scene =>
        {
            // What comes in is delayed on its way through a device of its own.
            await scene.Host.ShAsync(
                "/run/modprobe ifb numifbs=1 && ip link set ifb0 up && tc qdisc add dev ifb0 root netem delay 50ms loss 5% && tc qdisc add dev eth0 handle ffff: ingress && " +
                "tc filter add dev eth0 parent ffff: matchall action mirred egress redirect dev ifb0 && tc qdisc add dev eth0 root netem delay 50ms loss 5%");
            await PassAsync(60);
            var played = await scene.Host.ShAsync("tc -s qdisc show");
            await scene.Host.ShAsync("tc qdisc del dev eth0 root && tc qdisc del dev eth0 ingress && ip link set ifb0 down && /run/modprobe -r ifb");
            Assert.True(Regex.Count(played, @"netem .* delay 50ms loss 5%\s+Sent [1-9]\d* bytes .*dropped [1-9]") == 2, played);
        }),
        PowerCut(Kernels, "a host's kernel is killed, and boots again from its disk"),
    ];

    private const string Lossy = "-m statistic --mode random --probability 0.05 -j DROP";

    private static Task PassAsync(int seconds) => Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, Run.Ct);

    /// <summary>What the daemon and its children take for the host's time is set, while a drain goes on; it is right again with the daemon's next start.</summary>
    private static Fault Clock(string jump) => new(Clocks, $"a host's clock is set by {jump}, and back after 60 s", async scene =>
    {
        const string File = "/run/clock";
        await scene.Host.ShAsync($"echo +0 >{File}");
        await scene.Host.RestartDaemonAsync(
            "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", $"FAKETIME_TIMESTAMP_FILE={File}", "FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1");
        var mark = scene.Host.LogMark();
        await scene.Host.ShAsync($"echo {jump} >{File}");
        await scene.Host.UntilLogAsync(mark, $"the clock of this host was set {(jump[0] == '+' ? "forward" : "back")} by 0[01]:[05]", seconds: 60);
        await scene.Lab[1].DockerAsync("service", "update", "-d", "--force", "web");
        await PassAsync(60);
        Assert.DoesNotContain("took this host for gone", scene.Host.LogSince(mark), StringComparison.Ordinal);
    })
    {
        Heal = scene => scene.Host.RestartDaemonAsync(),
    };

    private static Fault PowerCut(string group, string name) => new(group, name, scene => scene.Host.LabAsync("crash"))
    {
        Heal = async scene =>
        {
            await scene.Host.LabAsync("boot", "--daemon");
            await scene.NodeReadyAsync();
            await scene.ContainerRunsAsync();
        },
        Seconds = 180,
    };

    private static Fault CutOff(string group) => new(group, "a host is cut off from all for 30 s", async scene =>
    {
        await scene.LabAsync("switch", "ip", "link", "set", $"n{scene.Host.Number}", "down");
        await PassAsync(30);
    })
    {
        Heal = async scene =>
        {
            await scene.LabAsync("switch", "ip", "link", "set", $"n{scene.Host.Number}", "up");
            await scene.NodeReadyAsync();
        },
    };

    private static Fault ByHand(string name, Func<FaultScene, string> command) => new(Hand, name, scene => scene.Host.ShAsync(command(scene)));
}
