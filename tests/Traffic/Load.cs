using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FlannelFlow.Traffic;

/// <summary>Clients of one server: each request succeeds with its whole answer, or fails; a failure is never tried again.</summary>
/// <param name="server">An address, or a name that each connection looks up, to go to the first address of the answer.</param>
/// <remarks>
/// But one: a request on a connection that was kept, to which not one octet was answered because the server had just closed it, goes once more on a new
/// connection, as every HTTP client does (RFC 9112, 9.3.1).
/// </remarks>
internal sealed class Load(string server, int port, TimeSpan download)
{
    /// <summary>TRAFFIC_PAUSE, in milliseconds: of each client between two requests.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(Setting("TRAFFIC_PAUSE", 50));

    /// <summary>TRAFFIC_PATIENCE, in seconds: of a request, beyond the time that its answer takes by itself.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(Setting("TRAFFIC_PATIENCE", 8));

    private readonly Lock _gate = new();
    private readonly List<string> _errors = [];
    private readonly SortedDictionary<string, int> _servers = new(StringComparer.Ordinal);
    private readonly int[] _good = new int[3];
    private readonly int[] _bad = new int[3];

    public async Task<string> RunAsync(int shorts, int kept, int downloads, CancellationToken stop)
    {
        await Task.WhenAll(
        [
            .. Enumerable.Range(0, shorts).Select(_ => ClientAsync(0, "/", keep: false, stop)),
            .. Enumerable.Range(0, kept).Select(_ => ClientAsync(1, "/", keep: true, stop)),
            .. Enumerable.Range(0, downloads).Select(_ => ClientAsync(2, $"/{(int)download.TotalSeconds}", keep: false, stop)),
        ]);
        var errors = string.Join(',', _errors.Select(error => '"' + error.Replace("\"", "'", StringComparison.Ordinal) + '"'));
        var servers = string.Join(',', _servers.Select(pair => $"\"{pair.Key}\":{pair.Value}"));
        return $$"""{"short":{{_good[0]}},"shortFailed":{{_bad[0]}},"kept":{{_good[1]}},"keptFailed":{{_bad[1]}},"downloads":{{_good[2]}},"downloadsFailed":{{_bad[2]}},"servers":{{{servers}}},"errors":[{{errors}}]}""";
    }

    /// <summary>One request after the other, each on a new connection.</summary>
    public async Task<bool> AskAsync(int times)
    {
        for (var i = 0; i < times; i++)
        {
            using var bound = new CancellationTokenSource(Patience);
            try
            {
                using var connection = await ConnectAsync(bound.Token);
                Console.WriteLine((await AskAsync(connection, "/", static _ => { }, bound.Token)).Server);
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
            {
                Console.WriteLine(e.Message);
                return false;
            }
        }

        return true;
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;

    private async Task ClientAsync(int kind, string target, bool keep, CancellationToken stop)
    {
        Socket? connection = null;
        while (!stop.IsCancellationRequested)
        {
            var began = TimeProvider.System.GetUtcNow();
            using var bound = new CancellationTokenSource(Patience + download);
            var answered = 0;
            var reused = connection is not null;
            try
            {
                try
                {
                    connection ??= await ConnectAsync(bound.Token);
                    (answered, var name, var close) = await AskAsync(connection, target, got => answered = got, bound.Token);
                    Count(kind, name);
                    if (!keep || close)
                    {
                        connection.Dispose();
                        connection = null;
                    }
                }
                catch (Exception e) when (reused && answered == 0 && e is SocketException or IOException)
                {
                    // The server had closed it.
                    connection?.Dispose();
                    connection = null;
                    continue;
                }
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
            {
                Fail(kind, began, answered, e);
                connection?.Dispose();
                connection = null;
            }

            await Task.Delay(Pause, TimeProvider.System, CancellationToken.None);
        }

        connection?.Dispose();
    }

    private async Task<Socket> ConnectAsync(CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(await AddressAsync(ct), port, ct);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async ValueTask<IPAddress> AddressAsync(CancellationToken ct) =>
        IPAddress.TryParse(server, out var address) ? address : (await Dns.GetHostAddressesAsync(server, AddressFamily.InterNetwork, ct))[0];

    /// <summary>Octets of the whole answer, the server's name, and whether it closes.</summary>
    private static async Task<(int Octets, string Server, bool Close)> AskAsync(Socket connection, string target, Action<int> got, CancellationToken ct)
    {
        await connection.SendAsync(Encoding.ASCII.GetBytes($"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"), ct);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        while (true)
        {
            var read = await connection.ReceiveAsync(buffer, ct);
            if (read == 0) throw new IOException($"the connection ended after {answer.Length} octets");
            answer.Append(Encoding.ASCII.GetString(buffer, 0, read));
            got(answer.Length);
            var text = answer.ToString();
            var head = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (head < 0) continue;
            var length = int.Parse(text[..head].Split("Content-Length: ")[1].Split('\r')[0], CultureInfo.InvariantCulture);
            if (text.Length < head + 4 + length) continue;
            return (text.Length, text[(head + 4)..].TrimStart('.'), text.Contains("Connection: close", StringComparison.Ordinal));
        }
    }

    private void Count(int kind, string name)
    {
        lock (_gate)
        {
            _good[kind]++;
            _servers[name] = _servers.GetValueOrDefault(name) + 1;
        }
    }

    private void Fail(int kind, DateTimeOffset began, int answered, Exception error)
    {
        lock (_gate)
        {
            _bad[kind]++;
            if (_errors.Count < 20)
                _errors.Add(string.Create(CultureInfo.InvariantCulture, $"{(kind switch { 0 => "short", 1 => "kept", _ => "download" })} begun {began:HH:mm:ss.fff}, failed {TimeProvider.System.GetUtcNow():HH:mm:ss.fff} after {answered} octets: {error.Message}"));
        }
    }
}
