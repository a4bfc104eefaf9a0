using Etcdserverpb;
using Grpc.Core;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>One watch stream to one endpoint, until it breaks.</summary>
internal sealed class EtcdWatchSession(EtcdEndpoint endpoint, EtcdOptions options, TimeProvider time, EtcdKeys keys, long fromRevision) : IDisposable
{
    private AsyncDuplexStreamingCall<WatchRequest, WatchResponse>? _stream;

    /// <summary>Why the stream ended.</summary>
    public string Broken { get; private set; } = "";

    /// <summary>The next response, the first of which confirms the watch; null when the stream is broken.</summary>
    /// <exception cref="EtcdException">The watch was refused, and would be again.</exception>
    /// <exception cref="OperationCanceledException">Only for the caller's token.</exception>
    public async Task<WatchResponse?> NextAsync(CancellationToken ct)
    {
        var opening = _stream is null;

        // A confirmed watch is quiet for as long as nothing changes; the HTTP/2 ping finds a dead peer under it.
        using var limit = opening ? new CancellationTokenSource(options.CallTimeout, time) : new CancellationTokenSource();
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            if (opening) await OpenAsync(linked.Token, ct);
            if (!await _stream!.ResponseStream.MoveNext(linked.Token))
            {
                Broken = "the server ended the stream";
                return null;
            }

            var response = _stream.ResponseStream.Current;
            if (!response.Canceled || response.CompactRevision > 0) return response;

            // "etcdserver: no leader" and its like come with hasleader; anything about permission would come again.
            if (response.CancelReason.Contains("permission denied", StringComparison.Ordinal))
                throw new EtcdException($"watching {keys} from {endpoint.Address}: {response.CancelReason}", cause: null);
            Broken = response.CancelReason.Length > 0 ? response.CancelReason : "the server cancelled the watch";
            return null;
        }
        catch (RpcException e) when (!EtcdFailure.IsTransient(e) && !(EtcdFailure.IsStaleToken(e) && endpoint.ForgetToken()))
        {
            throw new EtcdException($"watching {keys} from {endpoint.Address}: {EtcdFailure.Reason(e)}", e);
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException)
        {
            ct.ThrowIfCancellationRequested();
            Broken = limit.IsCancellationRequested ? EtcdFailure.Deadline(options.CallTimeout) : e is RpcException rpc ? EtcdFailure.Reason(rpc) : e.Message;
            return null;
        }
    }

    /// <summary>
    /// The oldest revision that the store can tell of, when that is later than what was asked for; also the store's revision when it is
    /// behind us: restored from a backup, or another store.
    /// </summary>
    public long? LostHistory(WatchResponse response)
    {
        if (response.CompactRevision > 0) return response.CompactRevision;
        return response.Created && response.Header.Revision + 1 < fromRevision ? response.Header.Revision : null;
    }

    public void Dispose() => _stream?.Dispose();

    /// <param name="opening">Bounds the opening.</param>
    /// <param name="ct">Bounds the life of the stream.</param>
    private async Task OpenAsync(CancellationToken opening, CancellationToken ct)
    {
        var headers = await endpoint.HeadersAsync(opening);
        headers.Add("hasleader", "true");   // requireLeader: a member cut off from the quorum ends the watch instead of keeping silent
        _stream = endpoint.Watches.Watch(new CallOptions(headers, cancellationToken: ct));
        await _stream.RequestStream.SendAsync(EtcdWire.Watch(keys, fromRevision), opening);
    }
}
