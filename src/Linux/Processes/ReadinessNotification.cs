using System.Net.Sockets;
using System.Text;

namespace FlannelFlow.Linux.Processes;

/// <summary>The child's side of readiness: sd_notify(3) without libsystemd.</summary>
public static class ReadinessNotification
{
    internal const string Variable = "NOTIFY_SOCKET";

    /// <summary>Sends e.g. "READY=1\nSTATUS=3 leases" to $NOTIFY_SOCKET.</summary>
    /// <returns>False if there is no such variable or nobody listens.</returns>
    public static bool Send(string state) => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path && Send(path, state);

    /// <param name="path">A leading @ stands for the abstract namespace.</param>
    public static bool Send(string path, string state)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

/// <summary>The supervisor's side: the bound socket, and the mark which process has been heard to be ready.</summary>
/// <remarks>
/// A READY=1 is sent once. So that the next daemon knows that an adopted process is ready, it is written down beside the socket, with
/// the process's identity. Each process gets a socket bound anew: what its predecessor sent last is not taken for its own.
/// </remarks>
internal sealed class ReadinessSocket : IDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[4096];

    private ReadinessSocket(Socket socket) => _socket = socket;

    public static ReadinessSocket Bind(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.Delete(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            return new ReadinessSocket(socket);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"binding {path}: {Interop.Errno.Name(e.NativeErrorCode)}", e);
        }
    }

    /// <summary>One notification: KEY=value lines.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ReceiveAsync(CancellationToken ct)
    {
        var received = await _socket.ReceiveAsync(_buffer, ct);
        var values = new Dictionary<string, string>();
        foreach (var line in Encoding.UTF8.GetString(_buffer, 0, received).Split('\n'))
        {
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0) values[line[..equals]] = line[(equals + 1)..];
        }
        return values;
    }

    public static bool WasHeardReady(string path, ProcessIdentity identity)
    {
        try
        {
            return File.ReadAllText(MarkOf(path)) == identity.ToString();
        }
        catch (IOException)
        {
            return false;
        }
    }

    public static void MarkReady(string path, ProcessIdentity identity)
    {
        var temporary = MarkOf(path) + ".new";
        File.WriteAllText(temporary, identity.ToString());
        File.Move(temporary, MarkOf(path), overwrite: true);
    }

    /// <summary>Takes away what <see cref="Bind"/> and <see cref="MarkReady"/> made, also of a daemon that was killed.</summary>
    public static void Delete(string path)
    {
        File.Delete(path);
        File.Delete(MarkOf(path));
    }

    private static string MarkOf(string path) => path + ".ready";

    public void Dispose() => _socket.Dispose();
}
