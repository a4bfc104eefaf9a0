using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using FlannelFlow.EndToEnd.Tests.Harness;

namespace FlannelFlow.EndToEnd.Tests;

/// <summary>
/// Encrypted networks, by tests/campaigns/encryption: in a lab of hosts with kernels of their own, which have ESP. What the hosts' wire carries is read by
/// tcpdump in the lab's switch, which belongs to none of them.
/// </summary>
[Collection(ThreeHostsCollection.Name)]
[Trait("Needs", "docker")]
public sealed class EncryptionTests(ThreeHosts lab) : IAsyncLifetime
{
    private const int Port = 8473, PlainPort = 8472, EncryptedMtu = 1416;

    public async ValueTask InitializeAsync()
    {
        await lab.ClearAsync();
        // The kernel loads what it needs when it is first asked; in a guest that takes seconds, which a call of Docker's need not wait for.
        await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync(
            $"unshare -n ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport aead 'rfc4106(gcm(aes))' 0x{new string('0', 72)} 128")));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact(Explicit = true)]
    public async Task Wire_CarriesOnlyEsp_InWholePackets_AndAPlainNetworkBesideItIsAsEver()
    {
        var before = await lab.SnapshotAsync();
        await lab.CreateNetworkAsync("secret", "--opt", "encrypted");
        await lab.CreateNetworkAsync("plain");
        var capture = await CaptureAsync(2);
        var (a, b) = (await lab[1].StartAsync("s1", "secret"), await lab[2].StartAsync("s2", "secret"));
        var (c, d) = (await lab[1].StartAsync("p1", "plain"), await lab[2].StartAsync("p2", "plain"));
        var (toB, toD) = (await b.AddressAsync(), await d.AddressAsync());
        await UntilReachesAsync(a, toB);
        await UntilReachesAsync(c, toD);
        Assert.False(await c.ReachesAsync(toB), "the plain network reaches the encrypted one");

        Assert.Equal(Text(EncryptedMtu), (await a.ExecAsync("cat", "/sys/class/net/eth0/mtu")).Trim());
        Assert.Equal("1450", (await c.ExecAsync("cat", "/sys/class/net/eth0/mtu")).Trim());
        var fragments = await FragmentsAsync();
        Assert.True((await a.TryExecAsync("ping", "-c", "3", "-W", "5", "-s", Text(EncryptedMtu - 28), toB)).Ok, "the largest packet that fits");
        foreach (var (server, client, address, mark) in new[] { (b, a, toB, "SECRETOFTHEENCRYPTED"), (d, c, toD, "TEXTOFTHEPLAINONE") })
        {
            await server.ExecAsync("sh", "-c", $"mkdir -p /tmp/www && yes {mark} | head -c 5000000 >/tmp/www/file && httpd -h /tmp/www");
            Assert.Equal(await server.ExecAsync("sh", "-c", "md5sum </tmp/www/file"), await client.ExecAsync("sh", "-c", $"wget -q -O - http://{address}/file | md5sum"));
        }

        Assert.Equal(fragments, await FragmentsAsync());
        var (bytes, packets) = await capture.EndAsync();
        Assert.Contains("TEXTOFTHEPLAINONE", bytes, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRETOFTHEENCRYPTED", bytes, StringComparison.Ordinal);
        Assert.Contains("10.77.0.11 > 10.77.0.12: ESP(", packets, StringComparison.Ordinal);
        Assert.Contains("10.77.0.12 > 10.77.0.11: ESP(", packets, StringComparison.Ordinal);
        Assert.DoesNotContain($".{Port}: ", packets, StringComparison.Ordinal);
        Assert.Contains($".{PlainPort}: ", packets, StringComparison.Ordinal);
        Run.Say($"{packets.Split('\n').Count(line => line.Contains("ESP(", StringComparison.Ordinal))} packets of ESP, none to UDP port {Port}");

        // No key where it might be read: logs, journals, the state folder, command lines.
        var secret = JsonNode.Parse((await lab.EtcdAsync("/flannelflow/encryption/"))["/flannelflow/encryption/n1"])!["epochs"]![0]!["secret"]!.GetValue<string>();
        Assert.Equal(44, secret.Length);
        var key = (await lab[1].ShAsync("ip xfrm state list | grep -o '0x[0-9a-f]\\{72\\}' | head -n 1")).Trim();
        Assert.Equal(74, key.Length);
        foreach (var host in lab.Hosts)
            Assert.Equal("", (await host.TryShAsync($"grep -rlaF -e '{secret}' -e '{key[2..]}' /var/log/flannelflow.log /var/lib/flannelflow; ps axww -o args | grep -F -e '{secret}' -e '{key[2..]}' | grep -v grep")).Out);

        foreach (var container in new[] { a, b, c, d }) await container.RemoveAsync();
        await lab.RemoveNetworkAsync("secret");
        await lab.RemoveNetworkAsync("plain");
        await lab.UntilSameAsync(before, 60, "docker network rm");
    }

    [Fact(Explicit = true)]
    public async Task ClearFrames_FromWhoeverSendsThem_AreDropped()
    {
        await lab.CreateNetworkAsync("secret", "--opt", "encrypted");
        await lab.CreateNetworkAsync("plain");
        var (a, b) = (await lab[1].StartAsync("s1", "secret"), await lab[2].StartAsync("s2", "secret"));
        var (c, d) = (await lab[1].StartAsync("p1", "plain"), await lab[2].StartAsync("p2", "plain"));
        await UntilReachesAsync(a, await b.AddressAsync());
        await UntilReachesAsync(c, await d.AddressAsync());

        // That the frames are right is seen in the plain network, which takes them.
        var mismatches = await CounterAsync(2, "XfrmInTmplMismatch");
        Assert.InRange(await ForgeAsync("plain", d, PlainPort), 3, int.MaxValue);
        Assert.Equal(mismatches, await CounterAsync(2, "XfrmInTmplMismatch"));
        Assert.Equal(0, await ForgeAsync("secret", b, Port));
        Assert.InRange(await CounterAsync(2, "XfrmInTmplMismatch"), mismatches + 3, int.MaxValue);

        // What a container sends to that port of another host would be encrypted by its own: nothing but VXLAN devices may.
        (mismatches, var blocked) = (await CounterAsync(2, "XfrmInTmplMismatch"), await CounterAsync(1, "XfrmFwdHdrError|XfrmOutPolBlock"));
        await a.ExecAsync("sh", "-c", $"timeout 5 tftp -g -r forged 10.77.0.12 {Port} || true");
        Assert.Equal(mismatches, await CounterAsync(2, "XfrmInTmplMismatch"));
        Assert.InRange(await CounterAsync(1, "XfrmFwdHdrError|XfrmOutPolBlock"), blocked + 1, int.MaxValue);

        async Task<int> CounterAsync(int host, string counters) =>
            int.Parse((await lab[host].ShAsync($"awk '/{counters}/ {{ sum += $2 }} END {{ print sum + 0 }}' /proc/net/xfrm_stat")).Trim(), CultureInfo.InvariantCulture);
    }

    [Fact(Explicit = true)]
    public async Task ConfigurationWithoutItsPort_BringsNothingUpInClear_AndIsMended()
    {
        await lab.CreateNetworkAsync("secret", "--opt", "encrypted");
        var (a, b) = (await lab[1].StartAsync("s1", "secret"), await lab[2].StartAsync("s2", "secret"));
        var toB = await b.AddressAsync();
        await UntilReachesAsync(a, toB);

        var (key, config) = await ConfigAsync();
        Assert.Contains($",\"Port\":{Port}", config, StringComparison.Ordinal);
        await lab.EtcdctlAsync("put", key, config.Replace($",\"Port\":{Port}", "", StringComparison.Ordinal));
        var mark = lab[1].LogMark();
        await lab[1].ShAsync($"pkill -x flanneld; ip link del flannel.{await VniAsync("secret")}");
        await lab[1].UntilLogAsync(mark, $"etcd gave its flanneld UDP port {PlainPort} instead of {Port}: taking it down", 60);
        await Wait.UntilAsync("the configuration has its port", 60, async () => (await ConfigAsync()).Config is var now && now == config ? null : now);
        await UntilReachesAsync(a, toB);
        await UntilReachesAsync(b, await a.AddressAsync());

        async Task<(string Key, string Config)> ConfigAsync()
        {
            var (found, text) = (await lab.EtcdAsync()).Single(pair => pair.Key.EndsWith("/config", StringComparison.Ordinal));
            return (found, text);
        }
    }

    [Fact(Explicit = true)]
    public async Task Restart_Rotation_ForeignHand_AndReboot_CutNothingThatTheyNeedNot()
    {
        var before = await lab.SnapshotAsync();
        await lab.CreateNetworkAsync("secret", "--opt", "encrypted");
        var (a, b) = (await lab[1].StartAsync("s1", "secret"), await lab[2].StartAsync("s2", "secret"));
        var (toA, toB) = (await a.AddressAsync(), await b.AddressAsync());
        await UntilReachesAsync(a, toB);
        await UntilReachesAsync(b, toA);

        // Daemons that are started anew change nothing.
        var (spi, records) = (await SpiAsync(), await RecordsAsync());
        var pings = await a.PingLoopAsync(toB);
        await Task.WhenAll(lab.Hosts.Select(host => host.RestartDaemonAsync()));
        await pings.EndWithoutGapAsync(atLeast: 50);
        Assert.Equal((spi, records), (await SpiAsync(), await RecordsAsync()));

        // Keys turn, twice on each host, under traffic both ways.
        var (there, back) = (await a.PingLoopAsync(toB), await b.PingLoopAsync(toA));
        await Task.WhenAll(lab.Hosts.Select(host => host.RestartDaemonAsync("ENCRYPTION_ROTATION=30")));
        for (var (turn, last) = (0, spi); turn < 4; turn++)
        {
            await Wait.UntilAsync("the keys turn", 90, async () => await SpiAsync() is { Length: > 0 } now && now != last ? null : last);
            last = await SpiAsync();
            Run.Say($"host 1 sends to host 2 by {last}");
        }

        await there.EndWithoutGapAsync(atLeast: 200);
        await back.EndWithoutGapAsync(atLeast: 200);
        await Task.WhenAll(lab.Hosts.Select(host => host.RestartDaemonAsync()));

        // What another hand takes away comes again, by new keys.
        spi = await SpiAsync();
        var mark = lab[1].LogMark();
        await lab[1].ShAsync("ip xfrm state flush; ip xfrm policy flush");
        await lab[1].UntilLogAsync(mark, "another hand removed the ESP association", 30);
        await lab[1].UntilLogAsync(mark, "new keys for encryption between hosts", 30);
        await UntilReachesAsync(a, toB);
        await UntilReachesAsync(b, toA);
        Assert.NotEqual(spi, await SpiAsync());

        // A host that was without power: its kernel has forgotten all, and no key is used again.
        spi = await SpiAsync();
        await lab[2].LabAsync("crash");
        await lab[2].LabAsync("boot", "--daemon");
        await Wait.UntilAsync("host 2 starts a container on the encrypted network", 120, async () =>
        {
            await lab[2].TryDockerAsync("rm", "-f", "s3");
            var said = await lab[2].TryDockerAsync("run", "-d", "--name", "s3", "--network", "secret", "lab:latest", "sleep", "100000");
            return said.Ok ? null : said.All;
        });
        var b2 = new Container(lab[2], "s3", "secret");
        await UntilReachesAsync(a, await b2.AddressAsync());
        await UntilReachesAsync(b2, toA);
        Assert.NotEqual(spi, await SpiAsync());

        await a.RemoveAsync();
        await b2.RemoveAsync();
        await lab[2].TryDockerAsync("rm", "-f", "s2");
        await lab.RemoveNetworkAsync("secret");
        await Wait.UntilAsync("no IPsec is left", 60, async () =>
        {
            var left = string.Concat(await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("ip xfrm policy list; ip xfrm state list nokeys"))));
            return left.Length == 0 && await RecordsAsync() is 0 ? null : left;
        });
        Assert.NotNull(before);

        // By which host 1 sends to host 2.
        async Task<string> SpiAsync() =>
            (await lab[1].ShAsync("ip xfrm policy list dir out | grep -A 4 'dst 10.77.0.12/32' | grep -o 'spi 0x[0-9a-f]*' || true")).Trim();

        async Task<int> RecordsAsync() => (await lab.EtcdAsync("/flannelflow/encryption/")).Count;
    }

    private static Task<TimeSpan> UntilReachesAsync(Container from, string address) => Wait.UntilAsync(
        $"{from.Name} reaches {address}", 30, async () => await from.ReachesAsync(address) ? null : await from.Host.ShAsync("ip xfrm policy list; ip -s xfrm state list nokeys; tail -n 20 /var/log/flannelflow.log"));

    /// <summary>Frames in clear from the switch, which is no peer, as host 1's flannel device would send them.</summary>
    /// <returns>How many of three echo requests came to the container.</returns>
    private async Task<int> ForgeAsync(string network, Container to, int port)
    {
        var (vni, address) = (await VniAsync(network), await to.AddressAsync());
        var mac = (await to.Host.ShAsync($"cat /sys/class/net/flannel.{vni}/address")).Trim();
        var heard = await EchosAsync();
        try
        {
            await SwitchAsync(
                $"ip link add forged type vxlan id {vni} dev br0 remote {to.Host.Address} dstport {port} && ip link set forged up && ip addr add 10.128.1.250/32 dev forged && " +
                $"ip route add {address}/32 dev forged src 10.128.1.250 && ip neigh add {address} lladdr {mac} dev forged && {{ busybox ping -c 3 -W 1 {address} || true; }}");
        }
        finally
        {
            await SwitchAsync("ip link del forged");
        }

        return await EchosAsync() - heard;

        async Task<int> EchosAsync()
        {
            var lines = (await to.ExecAsync("grep", "^Icmp:", "/proc/net/snmp")).Split('\n').Select(line => line.Split(' ')).ToList();
            return int.Parse(lines[1][Array.IndexOf(lines[0], "InEchos")], CultureInfo.InvariantCulture);
        }
    }

    private async Task<string> VniAsync(string network) =>
        (await lab[1].DockerAsync("network", "inspect", "-f", "{{index .Options \"flannelflow.vni\"}}", network)).Trim();

    private async Task<string> SwitchAsync(string script) => (await lab.CommandAsync(["switch", "sh", "-c", script])).Checked();

    private async Task<string> FragmentsAsync() =>
        string.Join(' ', await Task.WhenAll(lab.Hosts.Select(host => host.ShAsync("nstat -asz IpFragCreates | awk '/IpFragCreates/ {print $2}'"))));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>All of IPv4 that passes the switch's port of a host, but for etcd and Swarm, which are TCP or not ours.</summary>
    private async Task<WireCapture> CaptureAsync(int host)
    {
        var folder = Directory.CreateTempSubdirectory("ffwire-").FullName;
        await SwitchAsync($"(setsid tcpdump -i n{host} -s 0 -U -w {folder}/wire 'ip proto 50 or udp' </dev/null >{folder}/said 2>&1 & echo $! >{folder}/pid)");
        await Wait.UntilAsync("tcpdump listens", 10, async () => await File.ReadAllTextAsync($"{folder}/said", Run.Ct) is var said && said.Contains("listening on", StringComparison.Ordinal) ? null : said);
        return new WireCapture(SwitchAsync, folder);
    }

    private sealed class WireCapture(Func<string, Task<string>> shell, string folder)
    {
        /// <returns>All bytes as Latin-1, and a line for each packet.</returns>
        public async Task<(string Bytes, string Packets)> EndAsync()
        {
            try
            {
                await shell($"kill -INT $(cat {folder}/pid); while [ -d /proc/$(cat {folder}/pid) ]; do sleep .05; done");
                return (Encoding.Latin1.GetString(await File.ReadAllBytesAsync($"{folder}/wire", Run.Ct)), await shell($"tcpdump -nn -r {folder}/wire 2>/dev/null"));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}
