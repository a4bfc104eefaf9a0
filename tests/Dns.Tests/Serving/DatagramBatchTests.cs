using System.Net;
using System.Net.Sockets;
using FlannelFlow.Dns.Serving;

namespace FlannelFlow.Dns.Tests.Serving;

public sealed class DatagramBatchTests
{
    private const int SolSocket = 1, SoNoCheck = 11;

    /// <summary>Echoed: each client gets what it sent, as datagrams of their own, those of one length in their order.</summary>
    /// <param name="refused">The kernel refuses segments of a socket that writes no checksums.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Send_SeveralClientsAndLengths_EachGetsItsOwn(bool refused)
    {
        using var socket = Bound();
        if (refused) socket.SetRawSocketOption(SolSocket, SoNoCheck, BitConverter.GetBytes(1));
        Socket[] clients = [Bound(), Bound(), Bound()];
        try
        {
            var batch = new DatagramBatch(socket);
            int[] lengths = [60, 44, 60, 1, 0, 4096];
            for (var round = 0; round < 3; round++)
            {
                var sent = clients.Select(_ => new List<byte[]>()).ToArray();
                for (var i = 0; i < 3 * DatagramBatch.Size; i++)
                {
                    var datagram = new byte[lengths[i / 5 % lengths.Length]];
                    Array.Fill(datagram, (byte)i);
                    clients[i % clients.Length].SendTo(datagram, socket.LocalEndPoint!);
                    sent[i % clients.Length].Add(datagram);
                    if (i % DatagramBatch.Size == DatagramBatch.Size - 1) Echo(batch);
                }

                foreach (var (client, expected) in clients.Zip(sent))
                {
                    var received = expected.Select(_ => Receive(client)).ToList();
                    Assert.Equal(0, client.Available);
                    foreach (var length in lengths) Assert.Equal(expected.Where(datagram => datagram.Length == length), received.Where(datagram => datagram.Length == length));
                }
            }
        }
        finally
        {
            foreach (var client in clients) client.Dispose();
        }
    }

    /// <summary>32 answers of 4,096 bytes are more than an IP packet holds.</summary>
    [Fact]
    public void Send_MoreThanAPacketHolds_AllArrive()
    {
        using var socket = Bound();
        using var client = Bound();
        client.ReceiveBufferSize = socket.ReceiveBufferSize = 1 << 20;
        var batch = new DatagramBatch(socket);
        for (var i = 0; i < DatagramBatch.Size; i++) client.SendTo(Enumerable.Repeat((byte)i, DatagramBatch.Longest).ToArray(), socket.LocalEndPoint!);
        Echo(batch);
        for (var i = 0; i < DatagramBatch.Size; i++) Assert.Equal(Enumerable.Repeat((byte)i, DatagramBatch.Longest), Receive(client));
    }

    [Fact]
    public void Send_OneThatIsRefused_TheOthersArrive()
    {
        using var socket = Bound();
        using var client = Bound();
        var batch = new DatagramBatch(socket);
        for (var i = 1; i <= 4; i++) client.SendTo(new byte[10 * i], socket.LocalEndPoint!);
        Assert.Equal(4, batch.Receive());
        batch.Answer(0, 10);
        // Longer than a packet: EMSGSIZE.
        batch.Answer(1, 70_000);
        batch.Answer(2, 30);
        batch.Answer(3, 10);
        batch.Send();
        Assert.Equal([10, 10, 30], new[] { Receive(client).Length, Receive(client).Length, Receive(client).Length });
    }

    private static Socket Bound()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 30_000 };
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    private static void Echo(DatagramBatch batch)
    {
        for (var done = 0; done < DatagramBatch.Size;)
        {
            var count = batch.Receive();
            for (var i = 0; i < count; i++)
            {
                batch.Datagram(i).CopyTo(batch.Room);
                batch.Answer(i, batch.Datagram(i).Length);
            }

            batch.Send();
            done += count;
        }
    }

    private static byte[] Receive(Socket client)
    {
        var buffer = new byte[65_535];
        return buffer[..client.Receive(buffer)];
    }
}
