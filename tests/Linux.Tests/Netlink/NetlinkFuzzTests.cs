using FlannelFlow.Linux.Conntrack;
using FlannelFlow.Linux.Ipsec;
using FlannelFlow.Linux.Ipvs;
using FlannelFlow.Linux.Netlink;
using FlannelFlow.Tests;

namespace FlannelFlow.Linux.Tests.Netlink;

/// <summary>Whatever bytes come for a message of the kernel's, they are read, passed over, or malformed in the one way that callers know.</summary>
public sealed class NetlinkFuzzTests
{
    /// <summary>A message of a kernel (6.18) a line, in hexadecimal: links, addresses, routes, neighbours and forwarding entries of a flannel network, an error.</summary>
    private static readonly byte[][] Messages =
        [.. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Corpus/netlink.hex")).Where(line => line.Length > 0).Select(Convert.FromHexString)];

    [Fact]
    public void Corpus_IsRead_AndHasEachKind()
    {
        Assert.All(Messages, Read);
        var links = Messages.Where(message => BitConverter.ToUInt16(message, 4) == Rtm.NewLink).Select(message => LinkCodec.Parse(Rtm.NewLink, message.AsSpan(NetlinkRequest.HeaderSize)));
        Assert.Contains(links, link => link is { Name: "flannel.6514", Vxlan.Vni: 6514 });
    }

    [Fact]
    public Task Messages_Bent_AreReadOrMalformed() => Fuzz.RunAsync(
        15_000,
        random => Mutate.Bytes(random, Messages[random.Next(Messages.Length)]),
        Convert.ToHexStringLower,
        message =>
        {
            Read(message);
            return Task.CompletedTask;
        });

    /// <summary>By every parser there is, whatever the message says that it is.</summary>
    private static void Read(byte[] datagram)
    {
        Only(() => RouteEventSocket.Parse(datagram));
        Only(() =>
        {
            var reader = new NetlinkReader(datagram);
            while (reader.TryRead(out var message))
            {
                var payload = message.Payload.ToArray();
                foreach (var type in (ushort[])[message.Type, Rtm.NewLink, Rtm.NewAddr, Rtm.NewRoute, Rtm.NewNeigh])
                {
                    Only(() => LinkCodec.Parse(type, payload));
                    Only(() => RouteCodec.ParseAddress(type, payload));
                    Only(() => RouteCodec.ParseRoute(type, payload));
                    Only(() => NeighbourCodec.ParseNeighbour(type, payload));
                    Only(() => NeighbourCodec.ParseForwarding(type, payload));
                    Only(() => IpvsCodec.ParseService(type, payload));
                    Only(() => IpvsCodec.ParseDestination(type, payload));
                    Only(() => IpvsCodec.ParseTimeouts(type, payload));
                    Only(() => ConntrackCodec.Parse(type, payload));
                }

                foreach (var type in (ushort[])[0x10, 0x13])
                {
                    Only(() => XfrmCodec.ParseAssociation(type, payload));
                    Only(() => XfrmCodec.ParsePolicy(type, payload));
                }
            }
        });
    }

    private static void Only(Action read)
    {
        try
        {
            read();
        }
        catch (NetlinkException malformed)
        {
            Assert.Equal("EPROTO", malformed.ErrnoName);
        }
    }
}
