using FlannelFlow.Activities.Networks;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Commands;
using FlannelFlow.Host.Doctor;
using FlannelFlow.Host.Installation;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Linux;
using FlannelFlow.Linux.LoadBalancing;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Tests;

public sealed class DoctorTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    private static readonly KernelFeatures AllFeatures = new(
        new Dictionary<string, string?> { ["bridge"] = null, ["dummy"] = null, ["veth"] = null, ["vxlan"] = null }, HasIpvs: true, Nftables: null, Iptables: null);

    private static readonly KernelFacts Kernel = new(
        new Asked<KernelFeatures>(AllFeatures, null),
        Wanted: null,
        IsOwnFlanneld: true,
        new Dictionary<string, string?>
        {
            [KernelChecks.Forwarding] = "1",
            [KernelChecks.BridgeNetfilter] = null,
            [KernelChecks.ConntrackCount] = "10",
            [KernelChecks.ConntrackMax] = "1000",
            ["net/ipv4/vs/conntrack"] = "1",
        },
        [("net/ipv4/vs/conntrack", "1")]);

    private static readonly EtcdMember Member = new(
        7, "3.5.9", HasLeader: true, TimeSpan.FromMilliseconds(1.25), 20_000_000, 2_000_000_000, [], TimeSpan.FromSeconds(0.4), CertificateEnds: null);

    private static readonly DockerFacts Docker = new(
        "unix:///var/run/docker.sock",
        new Asked<DockerEngine>(new DockerEngine("28.5.1", "active", "", IsManager: true, IsLiveRestore: false, Firewall: null), null),
        new Asked<DockerPlugin>(new DockerPlugin(PluginState.Enabled, "/var/lib/flannelflow/plugin", Passed: null), null),
        "/var/lib/flannelflow/plugin");

    private static readonly DaemonFacts Daemon = new(
        "/run/flannelflow/api.sock",
        [42],
        new Asked<DaemonAnswers>(
            new DaemonAnswers(
                new Health("ok", [new HealthCheck("etcd", true)]),
                new HostView("n1", HostState.Up, IsHere: true, "0.1.0", "10.0.0.1", 90, 0, 0, 3, []),
                JournalSequence: 1234,
                new DriftView(Now, null, [], [], []),
                new IncidentPage([], null)),
            null),
        "0.1.0",
        "n1",
        "/var/lib/flannelflow",
        FreeBytes: 5_000_000_000,
        JournalBytes: 3_000_000);

    private static readonly CarriedNetwork Carried = new(
        new HostNetwork("net1id", IPv4Network.Parse("10.128.0.0/20"), 6514, 0, null),
        new Fabric(IPv4Network.Parse("10.128.2.0/25"), IPv4Address.Parse("10.128.2.1"), 1450),
        [77]);

    private static readonly Dictionary<string, DeviceFacts> Devices = new()
    {
        ["eth0"] = new DeviceFacts("eth0", 2, 1500, true, null),
        ["flannel.6514"] = new DeviceFacts("flannel.6514", 5, 1450, true, 2),
        ["ffbr.6514"] = new DeviceFacts("ffbr.6514", 6, 1450, true, null),
    };

    [Fact]
    public void AllIsWell_EveryCheckSaysSo_WithoutAdvice()
    {
        IEnumerable<Finding> findings =
        [
            .. KernelChecks.Of(Kernel), .. OfEtcd(Told(Member)), .. DockerChecks.Of(Docker), .. DaemonChecks.Of(Daemon), .. OfNetworks(Carried, Devices),
        ];

        Assert.All(findings, finding => Assert.Equal((Severity.Ok, null), (finding.Severity, finding.Advice)));
        Assert.Equal(
            [
                "kernel: it makes bridge, dummy, veth, vxlan devices",
                "firewall: nft and iptables reach the kernel",
                "load balancer: ipvs, as this kernel has it",
                "encryption: this kernel has what --opt encrypted needs",
                "sysctl: net.ipv4.ip_forward = 1",
                "bridge netfilter: not loaded; FlannelFlow needs none",
                "conntrack: 10 of 1000 connections are tracked",
                "etcd: http://a:2379: version 3.5.9, answers in 1.3 ms",
                "etcd: http://a:2379 holds 20.0 of 2000.0 MB",
                "clock: this host's and that of http://a:2379 agree, as far as can be told (to a second)",
                "Docker: version 28.5.1",
                "swarm: active, a manager",
                "Docker: firewall backend iptables",
                "plugin: flannelflow:latest is enabled, and passes calls to the daemon",
                "daemon: runs version 0.1.0, journal at event 1234",
                "daemon: it acts by every change up to revision 90",
                "drift: none; last compared 2026-11-28 12:00:00Z",
                "incident: none",
                "disk: 5000 MB are free on the disk of /var/lib/flannelflow; the journal has 3.0 MB",
                "flanneld: 10.128.0.0/20 (network net1id): runs, holds 10.128.2.0/25",
                "MTU: ffbr.6514 1450, flannel.6514 1450, eth0 1500",
            ],
            findings.Select(finding => $"{finding.Check}: {finding.Text}"));
    }

    [Fact]
    public void NothingAnswers_EachIsAProblemOfItsOwn_WithWhatToDo()
    {
        IEnumerable<Finding> findings =
        [
            .. KernelChecks.Of(Kernel with { Features = new Asked<KernelFeatures>(null, "making a network namespace: EPERM") }),
            .. OfEtcd(new Asked<EtcdMember>(null, "no answer within 5 s")),
            .. DockerChecks.Of(Docker with { Engine = new Asked<DockerEngine>(null, "Connection refused") }),
            .. DaemonChecks.Of(Daemon with { Pids = [], Answers = new Asked<DaemonAnswers>(null, "Connection refused") }),
            .. NetworkChecks.Of(new NetworkFacts(new Asked<IReadOnlyList<CarriedNetwork>>(null, "flannel.env is no such file"), new(null, "EPERM"), IsDaemonRunning: false, EtcdInClear: [])),
        ];

        var problems = findings.Where(finding => finding.Severity == Severity.Problem).ToList();
        Assert.Equal(["kernel", "etcd", "Docker", "daemon", "networks"], problems.Select(problem => problem.Check));
        Assert.All(problems, problem => Assert.NotEmpty(problem.Advice!));
    }

    [Theory]
    [InlineData(LoadBalancerPlane.Ipvs, false, true, Severity.Problem, "LOAD_BALANCER=ipvs, and this kernel has no IPVS")]
    [InlineData(LoadBalancerPlane.Nftables, true, false, Severity.Problem, "LOAD_BALANCER=nftables, and nft does not work")]
    [InlineData(LoadBalancerPlane.Nftables, true, true, Severity.Ok, "nftables, as configured")]
    [InlineData(null, false, true, Severity.Ok, "nftables, as this kernel has no IPVS")]
    [InlineData(null, false, false, Severity.Problem, "this kernel has no IPVS, and nft does not work")]
    [InlineData(null, true, false, Severity.Ok, "ipvs, as this kernel has it")]
    public void LoadBalancer_TellsWhichPlaneItWouldBe(LoadBalancerPlane? wanted, bool hasIpvs, bool hasNft, Severity severity, string text)
    {
        var features = AllFeatures with { HasIpvs = hasIpvs, Nftables = hasNft ? null : "Operation not supported" };
        var finding = Assert.Single(KernelChecks.Of(Kernel with { Wanted = wanted, Features = new Asked<KernelFeatures>(features, null) }), one => one.Check == "load balancer");
        Assert.Equal(severity, finding.Severity);
        Assert.StartsWith(text, finding.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Kernel_WithoutVxlan_WithForeignFlanneld_WithSettingsChanged_SaysEach()
    {
        var settings = new Dictionary<string, string?>(Kernel.Settings)
        {
            [KernelChecks.Forwarding] = "0",
            [KernelChecks.ConntrackCount] = "900",
            ["net/ipv4/vs/conntrack"] = "0",
        };
        var features = AllFeatures with { Devices = new Dictionary<string, string?> { ["vxlan"] = "EOPNOTSUPP", ["veth"] = null } };
        var findings = KernelChecks.Of(Kernel with { Features = new(features, null), IsOwnFlanneld = false, Settings = settings });

        Assert.Equal(
            [
                "Problem kernel: it makes no vxlan device: EOPNOTSUPP",
                "Warning sysctl: net.ipv4.ip_forward = 0: nothing passes between containers of two hosts",
                "Problem bridge netfilter: not loaded, and flannel-io's flanneld ends without it",
                "Warning sysctl: net.ipv4.vs.conntrack = 0, not 1",
                "Warning conntrack: 900 of 1000 connections are tracked: new connections fail when the table is full",
            ],
            Bad(findings));
    }

    [Fact]
    public void Kernel_WithoutDummyDevices_IsWell() => Assert.Equal(
        new Finding("kernel", Severity.Ok, "it makes bridge, vxlan devices; VIPs lie on a bridge, as it makes no dummy"),
        KernelChecks.Of(Kernel with { Features = new(AllFeatures with { Devices = new Dictionary<string, string?> { ["bridge"] = null, ["dummy"] = "EOPNOTSUPP", ["vxlan"] = null } }, null) }).First());

    [Fact]
    public void Etcd_OneOfTwoIsSilent_IsAWarning_AllOfThem_AProblem()
    {
        var silent = new Asked<EtcdMember>(null, "no answer within 5 s");
        Assert.Equal(["Warning etcd: http://b:2379 does not answer, others do: no answer within 5 s"], Bad(OfEtcd(Told(Member), silent)));
        Assert.Equal(2, OfEtcd(silent, silent).Count(finding => finding.Severity == Severity.Problem));
    }

    [Fact]
    public void Etcd_FullLateSlowWithAnOldCertificateAndInTwoClusters_SaysEach()
    {
        var ill = Member with
        {
            Latency = TimeSpan.FromMilliseconds(250),
            DatabaseSize = 1_900_000_000,
            Alarms = ["NOSPACE"],
            ClockOffset = TimeSpan.FromSeconds(-3600),
            CertificateEnds = Now.AddDays(3),
        };
        Assert.Equal(
            [
                "Warning etcd: http://a:2379: version 3.5.9, TLS, answers in 250.0 ms: slow",
                "Problem etcd: http://a:2379 is full and takes no writes (alarm NOSPACE)",
                "Warning etcd: http://a:2379 holds 1900.0 of 2000.0 MB: full, it takes no writes",
                "Warning clock: this host's is 3600.0 s ahead of that of http://a:2379",
                "Warning etcd: the certificate of http://a:2379 ends on 2026-12-01",
                "Problem etcd: ETCD_ENDPOINTS names members of different clusters: http://a:2379 | http://b:2379",
                "Problem etcd: the certificate of ETCD_CERT_FILE ended on 2026-11-27",
            ],
            Bad(EtcdChecks.Of(new EtcdFacts([("http://a:2379", Told(ill)), ("http://b:2379", Told(Member with { ClusterId = 8 }))], false, Now.AddDays(-1)), Now)));
        Assert.Equal(["Problem etcd: http://a:2379 has no leader"], Bad(OfEtcd(Told(Member with { HasLeader = false }))));
    }

    [Theory]
    [InlineData("inactive", "", "docker swarm init makes a swarm, docker swarm join enters one")]
    [InlineData("locked", "", "docker swarm unlock")]
    [InlineData("active", "no leader", "see dockerd's log; managers must reach each other on TCP 2377 and 7946, and a majority must run")]
    public void Docker_SwarmNotWell_SaysWhatToDo(string state, string error, string advice)
    {
        var engine = Docker.Engine.Answer! with { SwarmState = state, SwarmError = error };
        Assert.Equal(advice, Assert.Single(DockerChecks.Of(Docker with { Engine = new(engine, null) }), finding => finding.Severity == Severity.Problem).Advice);
    }

    [Fact]
    public void Docker_OldWithLiveRestoreAndNftables_AreWarnings()
    {
        var engine = Docker.Engine.Answer! with { Version = "19.03.5+dfsg1", IsLiveRestore = true, Firewall = "nftables" };
        Assert.Equal(
            [
                "Warning Docker: version 19.03.5+dfsg1: older than what FlannelFlow has been run with (20.10)",
                "Warning Docker: live-restore is on, which Docker does not have together with a swarm",
                "Warning Docker: its firewall backend is nftables, with which FlannelFlow has not been run",
            ],
            Bad(DockerChecks.Of(Docker with { Engine = new(engine, null) })));
    }

    [Theory]
    [InlineData(PluginState.Missing, "", null, "Docker has no flannelflow:latest")]
    [InlineData(PluginState.Disabled, "/var/lib/flannelflow/plugin", null, "flannelflow:latest is disabled")]
    [InlineData(PluginState.Enabled, "/elsewhere", null, "it looks for the daemon in /elsewhere, and the daemon's PLUGIN_SOCKET is in /var/lib/flannelflow/plugin")]
    [InlineData(PluginState.Enabled, "/var/lib/flannelflow/plugin", "no answer", "it is enabled, and passes no call to the daemon: no answer")]
    public void Plugin_NotWell_IsAProblem(PluginState state, string folder, string? passed, string text) =>
        Assert.Equal(["Problem plugin: " + text], Bad(DockerChecks.Of(Docker with { Plugin = new(new DockerPlugin(state, folder, passed), null) })));

    [Fact]
    public void Daemon_StuckOrBehindOrFull_OrWithDriftAndIncidents_SaysEach()
    {
        Assert.Equal(
            ["Problem daemon: it runs (pid 42) and does not answer on /run/flannelflow/api.sock: no answer within 5 s"],
            Bad(DaemonChecks.Of(Daemon with { Answers = new Asked<DaemonAnswers>(null, "no answer within 5 s") })));

        var answers = Daemon.Answers.Answer! with
        {
            Health = new Health("not ready", [new HealthCheck("etcd", false, "timed out")]),
            Host = Daemon.Answers.Answer!.Host! with { Version = "0.0.9", Behind = 4 },
            Drift = new DriftView(Now, null, [new StandingDrift(DriftKind.EndpointWithoutVeth, "e1", "c1 has no veth", Now, null, "docker restart c1", 0)], [], []),
            Incidents = new IncidentPage(
                [
                    new IncidentSummary("i1", "n1", "network-create", "suspended", "StartFlannel", Now, "timed out"),
                    new IncidentSummary("i2", "n2", "network-remove", "suspended", "DeletePool", Now, "timed out"),
                ],
                null),
        };
        var findings = DaemonChecks.Of(Daemon with { Answers = new(answers, null), FreeBytes = 1_000_000 }).ToList();
        Assert.Equal(
            [
                "Warning daemon: runs version 0.0.9, journal at event 1234; this program is 0.1.0",
                "Warning daemon: it does not act by 4 of the newest revisions of Docker's objects yet",
                "Problem daemon: it is not ready: etcd: timed out",
                "Problem drift: c1 has no veth",
                "Problem incident: network-create i1 waits at StartFlannel: timed out",
                "Warning incident: on other hosts: n2 1",
                "Problem disk: 1 MB are free on the disk of /var/lib/flannelflow; the journal has 3.0 MB",
            ],
            Bad(findings));
        Assert.Equal("docker restart c1", findings.Single(finding => finding.Check == "drift").Advice);
    }

    [Fact]
    public void Network_WithoutFlanneld_WithTwo_WithoutSubnet_OrIdle()
    {
        Assert.Equal(["Problem flanneld: none runs for 10.128.0.0/20 (network net1id)"], Bad(OfNetworks(Carried with { Flannelds = [] }, Devices)));
        Assert.Equal(["Problem flanneld: 2 run for 10.128.0.0/20 (network net1id): pids 7, 8"], Bad(OfNetworks(Carried with { Flannelds = [7, 8] }, Devices)));
        Assert.Equal(["Problem flanneld: that of 10.128.0.0/20 (network net1id) runs and holds no subnet"], Bad(OfNetworks(Carried with { Fabric = null }, Devices)));
        Assert.Equal(
            ["this host carries none"],
            OfNetworks(Carried with { Network = Carried.Network with { IdleSince = Now }, Flannelds = [] }, Devices).Select(finding => finding.Text));
    }

    [Fact]
    public void Mtu_ThatDoesNotFitTheUnderlayOrTheTunnel_IsAProblem()
    {
        Assert.Equal(
            "raise the MTU of eth0 to 1500, or make the network anew with --opt com.docker.network.driver.mtu=1400",
            Assert.Single(OfNetworks(Carried, With("eth0", device => device with { Mtu = 1450 })), finding => finding.Severity == Severity.Problem).Advice);
        Assert.StartsWith(
            "Problem MTU: ffbr.6514 1500, flannel.6514 1450, eth0 1500: the largest packets of containers",
            Assert.Single(Bad(OfNetworks(Carried, With("ffbr.6514", device => device with { Mtu = 1500 })))), StringComparison.Ordinal);
        Assert.Equal(["Problem devices: ffbr.6514 of 10.128.0.0/20 is down"], Bad(OfNetworks(Carried, With("ffbr.6514", device => device with { IsUp = false }))));
        Assert.Equal(
            ["Problem devices: flannel.6514 of 10.128.0.0/20 is not there"],
            Bad(OfNetworks(Carried, Devices.Where(device => device.Key != "flannel.6514").ToDictionary())));

        static Dictionary<string, DeviceFacts> With(string name, Func<DeviceFacts, DeviceFacts> change) => new(Devices) { [name] = change(Devices[name]) };
    }

    [Fact]
    public void EncryptedNetwork_WithItsKeysInClear_IsAWarning()
    {
        var encrypted = Carried with { Network = Carried.Network with { EncryptedPort = 8473 } };
        Assert.Equal(
            ["Warning encryption: http://10.0.0.1:2379: not https, and whoever reads what goes there has the keys of the encrypted networks"],
            Bad(OfNetworks(encrypted, Devices, "http://10.0.0.1:2379")));
        Assert.Empty(Bad(OfNetworks(encrypted, Devices)));
        Assert.Empty(Bad(OfNetworks(Carried, Devices, "http://10.0.0.1:2379")));
    }

    [Fact]
    public void Report_AsText_OneLineAFinding_ItsAdviceBelow()
    {
        var report = new DoctorReport("n1", Now, "", [Finding.Ok("kernel", "well"), Finding.Problem("etcd", "silent\nfor long", "start it")]);
        Assert.Equal("ok       kernel: well\nproblem  etcd: silent for long\n           → start it\n1 problems, 0 warnings\n", DoctorCommand.Text(report));
    }

    [Fact]
    public async Task Doctor_WhereNothingRuns_SaysSoWithinItsTime_AndEndsWithOne()
    {
        var nowhere = Directory.CreateTempSubdirectory("ff-doctor-");
        try
        {
            using var output = new StringWriter();
            var code = await CommandTree.InvokeAsync(
                ["doctor", "--json", "--socket", Path.Combine(nowhere.FullName, "api.sock")], new System.CommandLine.InvocationConfiguration { Output = output });

            var report = System.Text.Json.JsonSerializer.Deserialize<DoctorReport>(output.ToString(), Operations.OperationsJson.Options)!;
            Assert.Equal(1, code);
            Assert.Contains(report.Findings, finding => finding is { Check: "daemon", Severity: Severity.Problem });
            Assert.Contains(report.Findings, finding => finding.Check == "etcd");
            Assert.Empty(Directory.GetFileSystemEntries(nowhere.FullName));
        }
        finally
        {
            nowhere.Delete(recursive: true);
        }
    }

    private static Asked<EtcdMember> Told(EtcdMember member) => new(member, null);

    private static IEnumerable<Finding> OfEtcd(params Asked<EtcdMember>[] asked) =>
        EtcdChecks.Of(new EtcdFacts([.. asked.Select((member, i) => ($"http://{(char)('a' + i)}:2379", member))], IsEmbedded: false, ClientCertificateEnds: null), Now);

    private static IEnumerable<Finding> OfNetworks(CarriedNetwork carried, IReadOnlyDictionary<string, DeviceFacts> devices, params string[] etcdInClear) =>
        NetworkChecks.Of(new NetworkFacts(new Asked<IReadOnlyList<CarriedNetwork>>([carried], null), new(devices, null), IsDaemonRunning: true, etcdInClear));

    private static IEnumerable<string> Bad(IEnumerable<Finding> findings) =>
        findings.Where(finding => finding.Severity != Severity.Ok).Select(finding => $"{finding.Severity} {finding.Check}: {finding.Text}");
}
