using System.Net;
using CsCheck;
using FlannelFlow.Linux.Ipsec;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Tests.Ipsec;

public sealed class XfrmCodecTests
{
    private static readonly Association Some = new(IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2"), 0x1234);
    private static readonly IpsecKey Key = new([.. Enumerable.Range(1, IpsecKey.Size).Select(number => (byte)number)]);

    private static byte[] Written(IpsecChange change)
    {
        var request = new NetlinkRequest();
        XfrmCodec.Write(request, change, NetlinkProtocol.Ack);
        request.Stamp(1);
        return request.Bytes.ToArray();
    }

    private static ReadOnlySpan<byte> Payload(byte[] message) => message.AsSpan(NetlinkRequest.HeaderSize);

    [Fact]
    public void Policy_WrittenAndParsed_IsTheSame() =>
        Gen.OneOf(
                Gen.Int[1, 65535].Select(IpsecPolicy.DropOutgoing),
                Gen.Int[1, 65535].Select(IpsecPolicy.RequireIncoming),
                Gen.Select(Gen.Byte.Array[4], Gen.Byte.Array[4], Gen.Int[1, 65535], Gen.UInt[256, uint.MaxValue])
                    .Select((local, peer, port, spi) => IpsecPolicy.Protect(new IPAddress(local), new IPAddress(peer), port, spi)))
            .Sample(policy =>
            {
                // XFRM_MSG_NEWPOLICY, as the kernel tells of it.
                Assert.Equal(policy, XfrmCodec.ParsePolicy(0x13, Payload(Written(new IpsecChange.SetPolicy(policy)))));
            });

    [Fact]
    public void Association_WrittenAndParsed_IsTheSame() =>
        Gen.Select(Gen.Byte.Array[4], Gen.Byte.Array[4], Gen.UInt[256, uint.MaxValue])
            .Select((source, destination, spi) => new Association(new IPAddress(source), new IPAddress(destination), spi))
            .Sample(association =>
                Assert.Equal(new InstalledAssociation(association, 0), XfrmCodec.ParseAssociation(0x10, Payload(Written(new IpsecChange.AddAssociation(association, Key))))));

    [Fact]
    public void Others_AreNotParsed()
    {
        // priority, and the template's reqid: strongSwan's, or whoever's.
        var policy = Written(new IpsecChange.SetPolicy(IpsecPolicy.DropOutgoing(8473)));
        policy[NetlinkRequest.HeaderSize + 152]++;
        Assert.Null(XfrmCodec.ParsePolicy(0x13, Payload(policy)));
        policy = Written(new IpsecChange.SetPolicy(IpsecPolicy.RequireIncoming(8473)));
        policy[NetlinkRequest.HeaderSize + 168 + 4 + 44]++;
        Assert.Null(XfrmCodec.ParsePolicy(0x13, Payload(policy)));
        var association = Written(new IpsecChange.AddAssociation(Some, Key));
        association[NetlinkRequest.HeaderSize + 208]++;
        Assert.Null(XfrmCodec.ParseAssociation(0x10, Payload(association)));
    }

    [Fact]
    public void Key_IsInTheMessage_AndInNoText()
    {
        var change = new IpsecChange.AddAssociation(Some, Key);
        Assert.Contains(Convert.ToHexString(Key.Bytes), Convert.ToHexString(Written(change)), StringComparison.Ordinal);
        Assert.Equal("AddAssociation { Act = adding ESP association 00001234 from 192.0.2.1 to 192.0.2.2, Association = ESP association 00001234 from 192.0.2.1 to 192.0.2.2, Key = (key) }", change.ToString());
    }
}
