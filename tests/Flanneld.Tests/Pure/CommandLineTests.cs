using System.Net;
using FlannelFlow.Flanneld.CommandLine;

namespace FlannelFlow.Flanneld.Tests.Pure;

public sealed class CommandLineTests
{
    private static ParsedCommandLine Parse(params string[] arguments) => CommandLineParser.Parse(arguments, _ => null);

    [Theory]
    [InlineData("-etcd-prefix=/ff/n1")]
    [InlineData("--etcd-prefix=/ff/n1")]
    [InlineData("-etcd-prefix", "/ff/n1")]
    [InlineData("--etcd-prefix", "/ff/n1/")]
    public void Value_EachForm_IsTaken(params string[] arguments)
    {
        var parsed = Parse(arguments);
        Assert.Empty(parsed.Problems);
        Assert.Equal("/ff/n1", parsed.Options.EtcdPrefix);
    }

    [Fact]
    public void DaemonsCommandLine_IsTaken()
    {
        var parsed = Parse("-etcd-endpoints=http://10.0.0.1:2379,http://10.0.0.2:2379", "-etcd-prefix=/flannelflow/networks/10.1.0.0-20",
            "-subnet-file=/var/lib/ff/flannel.env", "-iptables-forward-rules=false", "-iface=eth1", "-iface", "10.0.0.3", "-ip-masq=false",
            "-subnet-lease-renew-margin=1439", "-resync-seconds", "5", "-v=3", "-public-ip=192.0.2.7");
        Assert.Empty(parsed.Problems);
        Assert.Equal([new Uri("http://10.0.0.1:2379"), new Uri("http://10.0.0.2:2379")], parsed.Options.EtcdEndpoints);
        Assert.Equal(["eth1", "10.0.0.3"], parsed.Options.Interfaces);
        Assert.Equal(TimeSpan.FromMinutes(1439), parsed.Options.RenewMargin);
        Assert.Equal(TimeSpan.FromSeconds(5), parsed.Options.Resync);
        Assert.Equal(IPAddress.Parse("192.0.2.7"), parsed.Options.PublicIp);
        Assert.Equal(3, parsed.Options.Verbosity);
    }

    [Fact]
    public void Switch_DoesNotTakeTheNextArgument()
    {
        var parsed = Parse("-version", "-v", "1");
        Assert.Empty(parsed.Problems);
        Assert.True(parsed.Options.Version);
        Assert.Equal(1, parsed.Options.Verbosity);
    }

    [Fact]
    public void AllThatIsWrong_IsSaidAtOnce()
    {
        var parsed = Parse("-etcd-endpoints=foo", "-etcd-prefix=n1", "-nonsense", "7", "stray", "-ip-masq", "-subnet-lease-renew-margin=1440",
            "-public-ip=10.1", "-iface-regex=(", "-resync-seconds=x", "-iptables-forward-rules", "-etcd-keyfile=/nowhere", "-v");
        Assert.Collection(parsed.Problems,
            p => Assert.Equal("-etcd-endpoints=foo: 'foo' is not an http:// or https:// address", p),
            p => Assert.StartsWith("-etcd-prefix=n1: must begin with /", p, StringComparison.Ordinal),
            p => Assert.Equal("unknown flag -nonsense", p),
            p => Assert.StartsWith("unexpected argument 'stray'", p, StringComparison.Ordinal),
            p => Assert.Contains("masquerading is the FlannelFlow daemon's", p, StringComparison.Ordinal),
            p => Assert.Equal("-subnet-lease-renew-margin=1440: is not a number from 1 to 1439", p),
            p => Assert.Equal("-public-ip=10.1: is not an IPv4 address", p),
            p => Assert.StartsWith("-iface-regex=(: ", p, StringComparison.Ordinal),
            p => Assert.StartsWith("-resync-seconds=x: ", p, StringComparison.Ordinal),
            p => Assert.Contains("forwarding rules are the FlannelFlow daemon's", p, StringComparison.Ordinal),
            p => Assert.Equal("-etcd-keyfile=/nowhere: there is no such file", p),
            p => Assert.Equal("-v needs a value", p));
    }

    [Fact]
    public void Variable_IsTaken_AndAFlagOverridesIt()
    {
        var variables = new Dictionary<string, string> { ["FLANNELD_ETCD_PREFIX"] = "/a", ["FLANNELD_IFACE"] = "eth7", ["FLANNELD_PUBLIC_IP"] = "bad" };
        var parsed = CommandLineParser.Parse(["-etcd-prefix=/b"], variables.GetValueOrDefault);
        Assert.Equal("/b", parsed.Options.EtcdPrefix);
        Assert.Equal(["eth7"], parsed.Options.Interfaces);
        Assert.Equal(["FLANNELD_PUBLIC_IP=bad: is not an IPv4 address"], parsed.Problems);
    }

    [Fact]
    public void Password_IsNeverRepeated()
    {
        var parsed = Parse("-etcd-password=secret");
        Assert.Equal(["-etcd-password needs -etcd-username"], parsed.Problems);
        Assert.DoesNotContain("secret", string.Join('\n', parsed.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Usage_NamesEveryFlag()
    {
        var usage = CommandLineParser.Usage();
        Assert.All(Flags.All, f => Assert.Contains($"  -{f.Name}", usage, StringComparison.Ordinal));
        Assert.Equal(Flags.All.Count, Flags.All.Select(f => f.Name).Distinct().Count());
    }
}
