using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace FlannelFlow.EndToEnd.Tests.Contract;

/// <summary>Calls a plugin's socket as dockerd 20.10 does: HTTP/1.1, an empty Host, no Content-Type (docker-contract §1.1).</summary>
public sealed class PluginWire(string socketPath)
{
    public async Task<WireAnswer> CallAsync(string path, string body, CancellationToken ct)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), ct);
        var bytes = Encoding.UTF8.GetBytes(body);
        var head = $"POST {path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {bytes.Length}\r\n" +
            "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n";
        await socket.SendAsync(Encoding.ASCII.GetBytes(head), ct);
        if (bytes.Length > 0) await socket.SendAsync(bytes, ct);
        return await ReadAsync(socket, ct);
    }

    private static async Task<WireAnswer> ReadAsync(Socket socket, CancellationToken ct)
    {
        using var received = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var text = Encoding.UTF8.GetString(received.GetBuffer(), 0, (int)received.Length);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end >= 0)
            {
                var lines = text[..end].Split("\r\n");
                var length = lines
                    .Where(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                    .Select(line => int.Parse(line[15..], CultureInfo.InvariantCulture))
                    .SingleOrDefault();
                if (received.Length - end - 4 >= length)
                    return new WireAnswer(int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture), text[(end + 4)..]);
            }

            var count = await socket.ReceiveAsync(buffer, ct);
            if (count == 0) throw new IOException($"the daemon closed the connection in the middle of its answer: {text}");
            await received.WriteAsync(buffer.AsMemory(0, count), ct);
        }
    }
}

public sealed record WireAnswer(int Status, string Body)
{
    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();
}
