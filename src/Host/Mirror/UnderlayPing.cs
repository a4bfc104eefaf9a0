using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Mirror;

/// <summary>Asks by ICMP echo (RFC 792), which the kernel answers, whatever runs. IPv4 only.</summary>
/// <remarks>
/// On a blocking socket, by a thread of its own: an answer that has come is found however late this process gets its turn. With .NET's Ping a timer would race
/// with it, and a host under load would take the others for gone.
/// </remarks>
internal sealed class UnderlayPing : IUnderlay
{
    private const byte EchoReply = 0, EchoRequest = 8;

    /// <summary>One lost packet is no silence.</summary>
    private const int Attempts = 4;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan AfterTheLast = TimeSpan.FromMilliseconds(220);
    private int _id;

    public Task<bool> AnswersAsync(IPAddress address, CancellationToken ct) =>
        Task.Factory.StartNew(() => Answers(address), ct, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private bool Answers(IPAddress address)
    {
        var id = (ushort)Interlocked.Increment(ref _id);
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Icmp);

            // Gets nothing from others then.
            socket.Connect(new IPEndPoint(address, 0));
            for (ushort attempt = 1; attempt <= Attempts; attempt++)
            {
                TrySend(socket, id, attempt);
                if (Hears(socket, id, attempt == Attempts ? AfterTheLast : Between)) return true;
            }
        }
        catch (SocketException)
        {
            // No way there, or no leave to ask: no answer.
        }

        return false;
    }

    private static void TrySend(Socket socket, ushort id, ushort number)
    {
        Span<byte> echo = stackalloc byte[8];
        echo.Clear();
        echo[0] = EchoRequest;
        BinaryPrimitives.WriteUInt16BigEndian(echo[4..], id);
        BinaryPrimitives.WriteUInt16BigEndian(echo[6..], number);
        var sum = (EchoRequest << 8) + id + number;
        BinaryPrimitives.WriteUInt16BigEndian(echo[2..], (ushort)~((sum & 0xffff) + (sum >> 16)));
        try
        {
            socket.Send(echo);
        }
        catch (SocketException)
        {
            // What the kernel says of an earlier one, such as a neighbour that does not answer; the next may find it.
        }
    }

    private static bool Hears(Socket socket, ushort id, TimeSpan patience)
    {
        Span<byte> packet = stackalloc byte[128];
        for (var began = Stopwatch.GetTimestamp(); ;)
        {
            var left = patience - Stopwatch.GetElapsedTime(began);
            if (!socket.Poll(left > TimeSpan.Zero ? left : TimeSpan.Zero, SelectMode.SelectRead)) return false;
            try
            {
                var length = socket.Receive(packet);
                var header = (packet[0] & 15) * 4;
                if (length >= header + 8 && packet[header] == EchoReply && BinaryPrimitives.ReadUInt16BigEndian(packet[(header + 4)..]) == id) return true;
            }
            catch (SocketException)
            {
                // As above.
            }
        }
    }
}
