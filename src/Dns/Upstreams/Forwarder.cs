using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;
using FlannelFlow.Dns.Messages;
using FlannelFlow.Dns.Serving;

namespace FlannelFlow.Dns.Upstreams;

public enum ForwardOutcome
{
    /// <summary>An upstream's answer, as it came, with the client's id.</summary>
    Answered,

    /// <summary>No upstream gave an answer worth passing on.</summary>
    Failed,

    /// <summary>Too many are under way.</summary>
    Refused,
}

public readonly record struct Forwarded(ForwardOutcome Outcome, int Length);

/// <summary>Asks a sandbox's upstreams, in their order: the next on SERVFAIL, REFUSED, an error, or silence. NXDOMAIN is an answer.</summary>
/// <remarks>
/// Each query under way has a socket of its own, so with a port of the kernel's choice and a random id; what comes from elsewhere, with another
/// id or another question is not taken for the answer (RFC 5452 9). A UDP socket is used again after an answer, never after a silence, so that
/// a late answer finds nobody.
/// </remarks>
public sealed class Forwarder(ISandboxSockets sockets, TimeProvider time) : IDisposable
{
    /// <summary>At a time, as with Docker (moby: daemon/libnetwork/resolver.go maxConcurrent).</summary>
    public const int MostAtOnce = 1024;

    /// <summary>
    /// For each upstream. Docker waits 4 s; but musl asks again after 2.5 s and glibc after 5 s, and the second upstream is to have answered by then.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private const int MostIdleSockets = 16;

    private readonly Lock _gate = new();
    private readonly Stack<Socket> _idle = new();
    private int _underWay;
    private bool _disposed;

    public int UnderWay => Volatile.Read(ref _underWay);

    /// <param name="query">The client's, whole.</param>
    /// <param name="answer">Room for 65,535 bytes by TCP; by UDP what does not fit is cut off, and answered with TC by the caller.</param>
    public async ValueTask<Forwarded> ForwardAsync(
        ReadOnlyMemory<byte> query, IReadOnlyList<UpstreamModel> upstreams, bool isUdp, Memory<byte> answer, CancellationToken ct)
    {
        if (Interlocked.Increment(ref _underWay) > MostAtOnce)
        {
            Interlocked.Decrement(ref _underWay);
            return new(ForwardOutcome.Refused, 0);
        }

        var asked = ArrayPool<byte>.Shared.Rent(query.Length + 2);
        try
        {
            // With the two bytes of length that TCP wants before it.
            BinaryPrimitives.WriteUInt16BigEndian(asked, (ushort)query.Length);
            query.CopyTo(asked.AsMemory(2));
            var last = 0;
            foreach (var upstream in upstreams)
            {
                RandomNumberGenerator.Fill(asked.AsSpan(2, 2));
                var request = asked.AsMemory(0, query.Length + 2);
                var length = isUdp
                    ? await AskByUdpAsync(upstream, request[2..], answer, ct)
                    : await AskByTcpAsync(upstream, request, answer, ct);
                if (length == 0) continue;
                query.Span[..2].CopyTo(answer.Span);
                last = length;
                if (CodeOf(answer.Span) is not (ResponseCode.ServerFailure or ResponseCode.Refused)) return new(ForwardOutcome.Answered, length);
            }

            return last > 0 ? new(ForwardOutcome.Answered, last) : new(ForwardOutcome.Failed, 0);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(asked);
            Interlocked.Decrement(ref _underWay);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            while (_idle.TryPop(out var socket)) socket.Dispose();
        }
    }

    private static ResponseCode CodeOf(ReadOnlySpan<byte> answer) => (ResponseCode)(answer[3] & Wire.CodeMask);

    /// <returns>The answer's length; 0: there is none.</returns>
    private async ValueTask<int> AskByUdpAsync(UpstreamModel upstream, ReadOnlyMemory<byte> request, Memory<byte> answer, CancellationToken ct)
    {
        // Sockets of the host's side, and of IPv6, are rare: they are not kept.
        var kept = upstream.Side == UpstreamSide.Sandbox && upstream.Server.AddressFamily == AddressFamily.InterNetwork;
        Socket? socket = null;
        var clean = false;
        using var end = new CancellationTokenSource(Patience, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, end.Token);
        try
        {
            socket = (kept ? TakeIdle() : null) ?? sockets.Open(upstream.Side, upstream.Server.AddressFamily, SocketType.Dgram);
            await socket.ConnectAsync(upstream.Server, patience.Token);
            await socket.SendAsync(request, SocketFlags.None, patience.Token);
            while (true)
            {
                var length = await socket.ReceiveAsync(answer, SocketFlags.None, patience.Token);
                if (!IsAnswerTo(answer.Span[..length], request.Span)) continue;
                clean = true;
                return length;
            }
        }
        catch (Exception e) when (IsNoAnswer(e, ct))
        {
            return 0;
        }
        finally
        {
            if (socket is not null && !(clean && kept && PutIdle(socket))) socket.Dispose();
        }
    }

    private async ValueTask<int> AskByTcpAsync(UpstreamModel upstream, ReadOnlyMemory<byte> request, Memory<byte> answer, CancellationToken ct)
    {
        using var end = new CancellationTokenSource(Patience, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct, end.Token);
        try
        {
            using var socket = sockets.Open(upstream.Side, upstream.Server.AddressFamily, SocketType.Stream);
            socket.NoDelay = true;
            await socket.ConnectAsync(upstream.Server, patience.Token);
            await socket.SendAllAsync(request, patience.Token);
            if (!await socket.TryReceiveAllAsync(answer[..2], patience.Token)) return 0;
            var length = BinaryPrimitives.ReadUInt16BigEndian(answer.Span);
            if (length > answer.Length || !await socket.TryReceiveAllAsync(answer[..length], patience.Token)) return 0;
            return IsAnswerTo(answer.Span[..length], request.Span[2..]) ? length : 0;
        }
        catch (Exception e) when (IsNoAnswer(e, ct))
        {
            return 0;
        }
    }

    private static bool IsNoAnswer(Exception e, CancellationToken ct) =>
        e is SocketException or IOException || (e is OperationCanceledException && !ct.IsCancellationRequested);

    /// <summary>The same id, and the same question, to the letter.</summary>
    internal static bool IsAnswerTo(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> request)
    {
        if (answer.Length < Wire.HeaderLength || !answer[..2].SequenceEqual(request[..2]) || (answer[2] & 0x80) == 0) return false;
        // A server that did not understand the query may leave the question out.
        if (BinaryPrimitives.ReadUInt16BigEndian(answer[4..]) == 0) return CodeOf(answer) != ResponseCode.NoError;
        Span<char> text = stackalloc char[Wire.LongestName];
        if (Query.TryRead(request, text, out var query) is QueryProblem.NotAQuery) return false;
        var question = request[Wire.HeaderLength..query.QuestionEnd];
        return answer[Wire.HeaderLength..].StartsWith(question);
    }

    private Socket? TakeIdle()
    {
        lock (_gate) return _idle.TryPop(out var socket) ? socket : null;
    }

    private bool PutIdle(Socket socket)
    {
        lock (_gate)
        {
            if (_disposed || _idle.Count >= MostIdleSockets) return false;
            _idle.Push(socket);
            return true;
        }
    }
}
