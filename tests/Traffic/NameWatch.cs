using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FlannelFlow.Traffic;

/// <summary>
/// Asks a DNS server for the A records of a name, again and again by UDP, and prints each answer that differs from the one before: when, in milliseconds of
/// Unix time, a blank, and the addresses, sorted; "silence" where none came, "code N" for an error.
/// </summary>
internal sealed class NameWatch(IPEndPoint server, string name)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    public async Task RunAsync(CancellationToken stop)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, CancellationToken.None);
        var last = "";
        for (ushort id = 1; !stop.IsCancellationRequested; id++)
        {
            var answer = await AskAsync(socket, id);
            if (answer != last)
            {
                Console.WriteLine($"{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()} {answer}");
                last = answer;
            }

            await Task.Delay(Pause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<string> AskAsync(Socket socket, ushort id)
    {
        using var patience = new CancellationTokenSource(Patience);
        var buffer = new byte[4096];
        try
        {
            await socket.SendAsync(Query(id), SocketFlags.None, patience.Token);
            while (true)
            {
                var length = await socket.ReceiveAsync(buffer, SocketFlags.None, patience.Token);
                if (length >= 12 && BinaryPrimitives.ReadUInt16BigEndian(buffer) == id) return Addresses(buffer.AsSpan(0, length));
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return "silence";
        }
    }

    private byte[] Query(ushort id)
    {
        var query = new List<byte> { (byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
        foreach (var label in name.Split('.'))
        {
            query.Add((byte)label.Length);
            query.AddRange(Encoding.ASCII.GetBytes(label));
        }

        query.AddRange([0, 0, 1, 0, 1]);
        return [.. query];
    }

    private static string Addresses(ReadOnlySpan<byte> answer)
    {
        if ((answer[3] & 15) is not 0 and var code) return $"code {code}";
        var addresses = new List<string>();
        var at = StepOverName(answer, 12) + 4;
        for (var records = BinaryPrimitives.ReadUInt16BigEndian(answer[6..]); records > 0; records--)
        {
            at = StepOverName(answer, at) + 10;
            var length = BinaryPrimitives.ReadUInt16BigEndian(answer[(at - 2)..]);
            if (BinaryPrimitives.ReadUInt16BigEndian(answer[(at - 10)..]) == 1) addresses.Add(new IPAddress(answer.Slice(at, length)).ToString());
            at += length;
        }

        return string.Join(' ', addresses.Order(StringComparer.Ordinal));
    }

    private static int StepOverName(ReadOnlySpan<byte> message, int at)
    {
        while (message[at] is not 0 and < 0xc0) at += message[at] + 1;
        return message[at] == 0 ? at + 1 : at + 2;
    }
}
