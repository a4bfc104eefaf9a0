using System.Net.Sockets;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge;

/// <summary>The daemon's side of one connection of dockerd: carries its calls, one at a time, over a connection that it keeps.</summary>
/// <remarks>
/// A call is sent again, with the same request id, when the daemon cannot be reached or the connection breaks before the whole answer is
/// there: the daemon joins a repeated id to the work it began, so a crash or an upgrade of the daemon is latency to dockerd, never an error.
/// </remarks>
internal sealed class DaemonLink(BridgeOptions options, TimeProvider time, BridgeLog log) : IDisposable
{
    public const string RequestIdHeader = "X-FlannelFlow-Request";

    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(50);

    private NetworkStream? _stream;
    private HttpReader? _reader;

    /// <summary>The daemon's answer, or a refusal that says why there is none. Throws only OperationCanceledException, for <paramref name="ct"/>.</summary>
    public async Task<HttpResponse> CallAsync(HttpRequest request, string requestId, CancellationToken ct)
    {
        using var answerBound = new CancellationTokenSource(options.Answer, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(answerBound.Token, ct);
        var message = HttpWriter.Request(request, "flannelflow", RequestIdHeader, requestId);
        var began = time.GetTimestamp();
        long? away = null;
        var call = request.Target.TrimStart('/');
        while (true)
        {
            var kept = _stream is not null;
            try
            {
                var response = await ExchangeAsync(message, either.Token);
                if (away is not null)
                    log.Info("the daemon is back, the held call is answered", ("call", call), ("request", requestId), ("took", Took(began)));
                return response;
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                Drop();
                return GiveUp(call, requestId, $"the flannelflow daemon did not answer {call} on {options.DaemonSocket} within {options.Answer.TotalSeconds:0.###} s");
            }
            catch (OperationCanceledException)
            {
                Drop();
                throw;
            }
            catch (HttpFormatException fault)
            {
                Drop();
                return GiveUp(call, requestId, $"the flannelflow daemon answered {call} on {options.DaemonSocket} with what is not HTTP/1.1: {fault.Message}");
            }
            catch (Exception fault) when (fault is SocketException or IOException)
            {
                Drop();
                // A kept connection may be older than the daemon: that it is dead says nothing yet about the daemon of now.
                if (kept)
                    continue;
                if (away is null)
                {
                    away = time.GetTimestamp();
                    log.Warning("the daemon is away, the call is held", ("call", call), ("request", requestId), ("reason", Reason(fault)));
                }
            }

            var left = options.Hold - time.GetElapsedTime(away.Value);
            if (left <= TimeSpan.Zero)
                return GiveUp(call, requestId, $"the flannelflow daemon does not answer on {options.DaemonSocket} (waited {options.Hold.TotalSeconds:0.###} s): is flannelflow.service running?");
            try
            {
                await Task.Delay(left < RetryInterval ? left : RetryInterval, time, either.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                // The answer's bound passed while waiting: the next try says so.
            }
        }
    }

    private async Task<HttpResponse> ExchangeAsync(byte[] message, CancellationToken ct)
    {
        if (_stream is null)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(options.DaemonSocket), ct);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
            _stream = new NetworkStream(socket, ownsSocket: true);
            _reader = new HttpReader(_stream, options.BodyLimit);
        }
        await _stream.WriteAsync(message, ct);
        var response = await _reader!.ReadResponseAsync(ct);
        if (response.EndsConnection)
            Drop();
        return response;
    }

    private HttpResponse GiveUp(string call, string requestId, string message)
    {
        log.Error(message, ("call", call), ("request", requestId));
        return Answers.Refusal(500, message);
    }

    /// <summary>.NET maps ENOENT of connect(2) on a unix socket to AddressNotAvailable, whose words mislead.</summary>
    private static string Reason(Exception fault) => fault is SocketException { SocketErrorCode: SocketError.AddressNotAvailable } ? "no such socket" : fault.Message;

    private string Took(long began) => $"{time.GetElapsedTime(began).TotalMilliseconds:0} ms";

    private void Drop()
    {
        _stream?.Dispose();
        _stream = null;
        _reader = null;
    }

    public void Dispose() => Drop();
}
