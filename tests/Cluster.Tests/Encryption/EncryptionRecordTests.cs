using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Tests.Support;

namespace FlannelFlow.Cluster.Tests.Encryption;

public sealed class EncryptionRecordTests
{
    private static readonly Epoch One = Of(1), Two = Of(2), Three = Of(3);
    private static readonly IPv4Address A = IPv4Address.Parse("10.0.0.1"), B = IPv4Address.Parse("10.0.0.2");

    [Fact]
    public void Keys_OfBothHosts_AreOfBothSecretsAndAddressesAndTheDirection()
    {
        (uint, string)[] derived =
        [
            Derive(One, A, Two, B), Derive(Two, B, One, A), Derive(One, B, Two, A), Derive(Three, A, Two, B), Derive(One, A, Three, B), Derive(One, A, Two, IPv4Address.Parse("10.0.0.3")),
        ];
        Assert.Equal(derived.Length, derived.DistinctBy(one => one.Item1).Count());
        Assert.Equal(derived.Length, derived.DistinctBy(one => one.Item2).Count());
        Assert.Equal(derived[0], Derive(One, A, Two, B));
        Assert.All(derived, one => Assert.True(one.Item1 >= 0x8000_0000));

        // HKDF-SHA256 of the two secrets, no salt: hosts of two versions must come to the same.
        Assert.Equal((0xbe15cb87, "def44998bedd7db329f59711c57a283d5e326719bb669d1fccafa48177d39963af0812ca"), derived[0]);
    }

    [Fact]
    public void Record_WrittenAndRead_IsTheSame()
    {
        var record = new EncryptionRecord("n1", A, [One, Two], ImmutableSortedDictionary<string, PeerProgress>.Empty
            .Add("n2", new PeerProgress([1, 0xffff_ffff], 7)).Add("n3", new PeerProgress([])));
        Assert.Equal(
            "{'host':'n1','address':'10.0.0.1','epochs':[{'secret':'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=','since':'1970-01-01T00:00:00+00:00'},{'secret':'AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=','since':'1970-01-01T00:00:00+00:00'}],'peers':{'n2':{'installed':[1,4294967295],'sending':7},'n3':{'installed':[]}}}".Replace('\'', '"'),
            record.ToJson());
        Assert.Equal(record.ToJson(), EncryptionRecord.Read(record.ToJson())?.ToJson());
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"host":"n1","address":"10.0.0.1","epochs":[],"peers":{}}""")]
    [InlineData("""{"host":"n1","address":"10.0.0.1","epochs":[{"secret":"AAAA","since":"1970-01-01T00:00:00+00:00"}],"peers":{}}""")]
    [InlineData("""{"host":"n1","address":"10.0.0.1","epochs":[null],"peers":{}}""")]
    [InlineData("""{"host":"n1","address":"fd00::1","epochs":[{"secret":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","since":"1970-01-01T00:00:00+00:00"}],"peers":{}}""")]
    [InlineData("""{"host":"n1","address":"10.0.0.1","epochs":[{"secret":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","since":"1970-01-01T00:00:00+00:00"}],"peers":{"n2":{}}}""")]
    [InlineData("""{"host":"n1","address":"10.0.0.1","epochs":[{"secret":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","since":"1970-01-01T00:00:00+00:00"}],"peers":{"n2":null}}""")]
    public void Text_ThatIsNoRecord_IsNone(string json) => Assert.Null(EncryptionRecord.Read(json));

    [Fact]
    public void Secret_IsInNoText()
    {
        var record = new EncryptionRecord("n1", A, [One], ImmutableSortedDictionary<string, PeerProgress>.Empty);
        Assert.Equal("Epoch { Since = 1970-01-01T00:00:00.0000000+00:00 }", One.ToString());
        Assert.DoesNotContain(One.Secret, record.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(One.Secret, EncryptionState.Empty.With("n1", record.ToJson()).ToString(), StringComparison.Ordinal);
    }

    private static Epoch Of(byte first) => new(Convert.ToBase64String([first, .. new byte[Epoch.SecretSize - 1]]), DateTimeOffset.UnixEpoch);

    private static (uint Spi, string Key) Derive(Epoch sender, IPv4Address from, Epoch receiver, IPv4Address to)
    {
        var (spi, key) = AssociationKeys.Derive(sender, from, receiver, to);
        Assert.Equal(AssociationKeys.KeySize, key.Length);
        return (spi, Convert.ToHexStringLower(key));
    }
}
