using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Cluster.Pools;
using FlannelFlow.Tests;

namespace FlannelFlow.Cluster.Tests;

/// <summary>Whatever stands in etcd's keys and values of subnets, it is taken as what it is, or refused in the ways that callers know.</summary>
public sealed class KeyFuzzTests
{
    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "Corpus");

    /// <summary>A line each, the value behind a tab.</summary>
    private static readonly string[][] Entries = [.. File.ReadAllLines(Path.Combine(Root, "subnet-entries.txt")).Where(line => line.Length > 0).Select(line => line.Split('\t', 2))];

    [Fact]
    public void Corpus_IsRead() => Assert.All(Entries, entry => Read((entry[0], entry[1])));

    /// <summary>Not in the corpus, which is text.</summary>
    [Theory]
    [InlineData("10\0.0.0.0-8")]
    [InlineData("10.0.0.0\0-8")]
    [InlineData("10.0.0.0-8\0")]
    public void Key_WithANulBehindDigits_IsNone(string key) => Assert.False(FlannelKeys.TryParseSubnet(key, out _));

    [Fact]
    public Task KeysAndValues_NearlyRight_AreReadOrRefused() => Fuzz.RunAsync(
        20_000,
        random =>
        {
            var (key, value) = (Entries[random.Next(Entries.Length)][0], Entries[random.Next(Entries.Length)][1]);
            return (random.Next(3) == 0 ? key : Mutate.Text(random, key), Mutate.Json(random, value));
        },
        entry => $"{entry.Item1}\t{entry.Item2}",
        entry =>
        {
            Read(entry);
            return Task.CompletedTask;
        });

    private static void Read((string Key, string Value) given)
    {
        var (key, value) = given;
        if (FlannelKeys.TryParseSubnet(key, out var subnet))
        {
            // What is read is written as it was, but for what a key for IPv6, too, has behind it.
            Assert.Equal(subnet.PathForm, key[(key.LastIndexOf('/') + 1)..].Split('&')[0]);
            Assert.InRange(subnet.Length, 0, 31);
        }

        if (SubnetLease.TryParse(new EtcdEntry(key, value, 1, 1, 1, EtcdLeaseId.None), out var lease, out var problem))
        {
            Assert.Equal(subnet, lease.Subnet);
            _ = lease.Attributes.Vxlan();
            // What others write beside the public address is kept as it is.
            Assert.Equal(lease.Attributes.ToJson(), LeaseAttributes.Parse(lease.Attributes.ToJson()).ToJson());
        }
        else
        {
            Assert.NotEmpty(problem);
        }

        Configuration(value);
        if (IPv4Network.TryParse(key, out var network, out var reason)) Assert.Equal(key, network.ToString());
        else Assert.NotEmpty(reason);
        if (IPv4Address.TryParse(key, out var address)) Assert.Equal(key, address.ToString());
        _ = MirrorKey.Parse(new ClusterKeys("/flannelflow"), key);
        _ = FlannelFlow.Cluster.Garbage.Garbage.Parse(key);
    }

    private static void Configuration(string value)
    {
        try
        {
            var model = FlannelNetworkConfig.Parse(value).Validate();
            Assert.True(model.SubnetMin <= model.SubnetMax);
            Assert.True(model.Network.Contains(model.SubnetMin) && model.Network.Contains(model.SubnetMax));
        }
        catch (FormatException refused)
        {
            Assert.NotEmpty(refused.Message);
        }
    }
}
