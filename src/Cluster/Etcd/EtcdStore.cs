using System.Runtime.CompilerServices;
using Etcdserverpb;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>etcd over gRPC, with the messages and clients that dotnet-etcd generated.</summary>
/// <remarks>
/// Failover is ours rather than a load balancer's, because it must know which requests may be sent twice: a read goes on to the next
/// endpoint after any transient failure, a write only when the first endpoint was never reached. What a failed call leaves behind is
/// the rotation: the next call begins at the next endpoint. Thread safe.
/// </remarks>
public sealed class EtcdStore(EtcdOptions options, TimeProvider time, ILogger<EtcdStore> log) : IEtcd, IAsyncDisposable
{
    private readonly EtcdEndpoints _endpoints = new(options);

    public Task<EtcdRange> RangeAsync(EtcdKeys keys, CancellationToken ct) => RangeAsync(keys, revision: 0, ct);

    public async Task<EtcdRange> RangeAsync(EtcdKeys keys, long revision, CancellationToken ct)
    {
        var request = EtcdWire.Range(keys, revision, keysOnly: false);
        var answer = await CallAsync(
            new Act($"reading {keys}", "from", MayRepeat: true), (endpoint, call) => endpoint.Keys.RangeAsync(request, call), ct);
        return EtcdWire.Range(answer, answer.Header.Revision);
    }

    public async Task<long> PutAsync(string key, string value, EtcdLeaseId lease, CancellationToken ct)
    {
        var request = EtcdWire.Put(key, value, lease);
        var answer = await CallAsync(
            new Act($"writing {key}", "to", MayRepeat: false), (endpoint, call) => endpoint.Keys.PutAsync(request, call), ct);
        return answer.Header.Revision;
    }

    public async Task<long> DeleteAsync(EtcdKeys keys, CancellationToken ct)
    {
        var request = EtcdWire.Delete(keys);
        var answer = await CallAsync(
            new Act($"deleting {keys}", "at", MayRepeat: false), (endpoint, call) => endpoint.Keys.DeleteRangeAsync(request, call), ct);
        return answer.Deleted;
    }

    public async Task<EtcdTransactionResult> TransactAsync(EtcdTransaction transaction, CancellationToken ct)
    {
        var request = EtcdWire.Transaction(transaction);
        var answer = await CallAsync(Describe(transaction), (endpoint, call) => endpoint.Keys.TxnAsync(request, call), ct);
        return EtcdWire.Result(answer);
    }

    public async Task<EtcdLease> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken ct)
    {
        var request = new LeaseGrantRequest { TTL = Math.Max(1, (long)Math.Ceiling(timeToLive.TotalSeconds)) };
        var answer = await CallAsync(
            new Act($"granting a lease of {request.TTL} s", "at", MayRepeat: false), (endpoint, call) => endpoint.Leases.LeaseGrantAsync(request, call), ct);
        return new EtcdLease(new EtcdLeaseId(answer.ID), TimeSpan.FromSeconds(answer.TTL));
    }

    public async Task RevokeLeaseAsync(EtcdLeaseId lease, CancellationToken ct)
    {
        var request = new LeaseRevokeRequest { ID = lease.Value };
        try
        {
            await CallAsync(
                new Act($"revoking lease {lease}", "at", MayRepeat: true), (endpoint, call) => endpoint.Leases.LeaseRevokeAsync(request, call), ct);
        }
        catch (EtcdException e) when (e.InnerException is RpcException { StatusCode: StatusCode.NotFound })
        {
            // What was wanted holds: the lease is gone.
        }
    }

    public async Task<TimeSpan?> KeepLeaseAliveAsync(EtcdLeaseId lease, CancellationToken ct)
    {
        var answer = await CallAsync(
            new Act($"keeping lease {lease}", "at", MayRepeat: true),
            (endpoint, call) => Once(endpoint.Leases.LeaseKeepAlive(call), new LeaseKeepAliveRequest { ID = lease.Value }, call.CancellationToken),
            ct);
        return answer.TTL <= 0 ? null : TimeSpan.FromSeconds(answer.TTL);
    }

    public async Task<TimeSpan?> TimeToLiveAsync(EtcdLeaseId lease, CancellationToken ct)
    {
        var request = new LeaseTimeToLiveRequest { ID = lease.Value };
        var answer = await CallAsync(
            new Act($"reading what is left of lease {lease}", "from", MayRepeat: true),
            (endpoint, call) => endpoint.Leases.LeaseTimeToLiveAsync(request, call),
            ct);
        return answer.TTL < 0 ? null : TimeSpan.FromSeconds(answer.TTL);
    }

    public async IAsyncEnumerable<EtcdWatchBatch> WatchAsync(EtcdKeys keys, long fromRevision, [EnumeratorCancellation] CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(fromRevision, 1);
        var next = fromRevision;
        var pause = options.WatchBackoff;
        while (true)
        {
            var endpoint = _endpoints.Current;
            using var session = new EtcdWatchSession(endpoint, options, time, keys, next);
            while (await session.NextAsync(ct) is { } response)
            {
                pause = options.WatchBackoff;
                if (session.LostHistory(response) is { } compacted)
                {
                    log.LogWarning("watching {Keys} from revision {Next}: the store begins at {Compacted}, its state must be read anew", keys, next, compacted);
                    yield return new EtcdCompacted(compacted);
                    yield break;
                }

                if (response.Events.Count > 0)
                {
                    // Not the header's revision: while a watcher catches up, the header is ahead of the events.
                    var revision = response.Events[^1].Kv.ModRevision;
                    next = revision + 1;
                    yield return new EtcdChanges(revision, [.. response.Events.Select(EtcdWire.Event)]);
                }
                else if (!response.Created)
                {
                    // A progress notice: everything up to here has been sent. Keeps a quiet watch clear of compaction.
                    next = Math.Max(next, response.Header.Revision + 1);
                }
            }

            ct.ThrowIfCancellationRequested();
            log.LogWarning("watching {Keys} from revision {Next} at {Endpoint}: {Reason}; again in {Pause}", keys, next, endpoint.Address, session.Broken, pause);
            _endpoints.LeaveFailed(endpoint);
            await Task.Delay(pause, time, ct);
            pause = pause * 2 < options.WatchBackoffLimit ? pause * 2 : options.WatchBackoffLimit;
        }
    }

    public ValueTask DisposeAsync()
    {
        _endpoints.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>One question and one answer on a stream, as a call like the others. etcd has no other form of a keep-alive.</summary>
    private static AsyncUnaryCall<TResponse> Once<TRequest, TResponse>(AsyncDuplexStreamingCall<TRequest, TResponse> stream, TRequest request, CancellationToken ct)
    {
        return new AsyncUnaryCall<TResponse>(AnswerAsync(), stream.ResponseHeadersAsync, stream.GetStatus, stream.GetTrailers, stream.Dispose);

        async Task<TResponse> AnswerAsync()
        {
            await stream.RequestStream.SendAsync(request, ct);
            var answered = await stream.ResponseStream.MoveNext(ct);
            return answered ? stream.ResponseStream.Current : throw new RpcException(new Status(StatusCode.Unavailable, "the server ended the stream"));
        }
    }

    private static Act Describe(EtcdTransaction transaction)
    {
        var operations = transaction.Then.Concat(transaction.Otherwise).ToList();
        if (operations.TrueForAll(operation => operation is EtcdOperation.Read))
            return new Act($"reading {string.Join(", ", operations.OfType<EtcdOperation.Read>().Select(read => read.Keys))}", "from", MayRepeat: true);
        var writes = transaction.Then.Concat(transaction.Otherwise).Select(operation => operation switch
        {
            EtcdOperation.Put put => put.Key,
            EtcdOperation.Delete delete => delete.Keys.ToString(),
            _ => null,
        });
        return new Act($"a transaction on {string.Join(", ", writes.Where(key => key is not null).Distinct())}", "at", MayRepeat: false);
    }

    /// <summary>
    /// 1. Ask the endpoint in use, within the call's time (a read: within its share, so that a silent endpoint leaves time for the next).
    /// 2. A stale token is fetched anew, once. 3. A transient failure: the next endpoint, each at most once, where the request may be repeated.
    /// 4. All failed: say what each did.
    /// </summary>
    private async Task<T> CallAsync<T>(Act act, Func<EtcdEndpoint, CallOptions, AsyncUnaryCall<T>> invoke, CancellationToken ct)
    {
        using var whole = new CancellationTokenSource(options.CallTimeout, time);
        var share = act.MayRepeat ? options.CallTimeout / _endpoints.Count : options.CallTimeout;
        var failures = new List<string>();
        Exception? last = null;
        var freshToken = false;
        for (var attempt = 0; attempt < _endpoints.Count;)
        {
            ct.ThrowIfCancellationRequested();
            var endpoint = _endpoints.Current;
            using var limit = new CancellationTokenSource(share, time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(ct, whole.Token, limit.Token);
            try
            {
                var headers = await endpoint.HeadersAsync(linked.Token);
                using var call = invoke(endpoint, new CallOptions(headers, cancellationToken: linked.Token));
                return await call.ResponseAsync;
            }
            catch (RpcException e) when (!freshToken && EtcdFailure.IsStaleToken(e) && endpoint.ForgetToken())
            {
                freshToken = true;
                continue;
            }
            catch (RpcException e) when (EtcdFailure.IsCompacted(e))
            {
                throw new EtcdCompactedException($"{act.Text} {act.Preposition} {endpoint.Address}: {EtcdFailure.Reason(e)}", e);
            }
            catch (RpcException e) when (!EtcdFailure.IsTransient(e))
            {
                throw new EtcdException($"{act.Text} {act.Preposition} {endpoint.Address}: {EtcdFailure.Reason(e)}", e);
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException)
            {
                ct.ThrowIfCancellationRequested();
                var silent = linked.IsCancellationRequested;
                var unsent = !silent && EtcdFailure.IsCertainlyUnsent((RpcException)e);
                failures.Add($"{act.Preposition} {endpoint.Address}: {(silent ? EtcdFailure.Deadline(share) : EtcdFailure.Reason((RpcException)e))}");
                last = e;
                _endpoints.LeaveFailed(endpoint);
                if (whole.IsCancellationRequested || (!act.MayRepeat && !unsent)) break;
                attempt++;
            }
        }

        throw new EtcdUnavailableException($"{act.Text} {string.Join("; ", failures)}", last);
    }

    /// <param name="MayRepeat">Doing it twice is as good as once, also when others wrote in between.</param>
    private sealed record Act(string Text, string Preposition, bool MayRepeat);
}
