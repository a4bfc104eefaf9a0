using FlannelFlow.Cluster.Etcd;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>Who this host is, for the others.</summary>
/// <param name="TimeToLive">How long the others wait for this host after its daemon was last heard of. Whole seconds.</param>
/// <param name="AcknowledgeInterval">At most so often an acknowledgement is written.</param>
public sealed record HostPresenceOptions(string Host, string Version, string UnderlayAddress, TimeSpan TimeToLive, TimeSpan AcknowledgeInterval);

/// <summary>
/// Keeps <c>hosts/&lt;host&gt;</c>: that this host lives, and up to which change of the mirror it acts; and <c>hosts/&lt;host&gt;/alive</c>, the sign of life
/// of its daemon.
/// </summary>
/// <remarks>
/// The record hangs on a lease that is prolonged each third of its time. It is not revoked when the daemon ends: the kernel goes on by what the
/// daemon did last, so the others must still wait for it, for as long as a restart may take. Nothing is acknowledged before the mirror was read.
/// The sign hangs on the shortest lease that etcd grants: when it ends, the others ask this host's kernel whether it still runs
/// (<see cref="HostWatch"/>). It is given, at the start and after each time that it was missed, only once what the mirror holds of this host is right: whoever
/// takes it for gone reckons with its containers again from then on.
/// </remarks>
public sealed class HostPresence(
    IEtcd etcd, ClusterKeys keys, DockerMirror mirror, Func<int> standingDrift, HostPresenceOptions options, TimeProvider time, ILogger<HostPresence> log)
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    /// <summary>etcd grants no less than one and a half of its election timeouts, which is this (lessor.go, minLeaseTTL); with slower elections, more.</summary>
    private static readonly TimeSpan SignTimeToLive = TimeSpan.FromSeconds(2);

    /// <summary>After a partition the others wait for it.</summary>
    private static readonly TimeSpan SignRetryPause = TimeSpan.FromMilliseconds(200);

    /// <summary>So soon the others see that what stands here has become more or less.</summary>
    private static readonly TimeSpan DriftCheck = TimeSpan.FromSeconds(2);

    /// <param name="refresh">Brings this host's part of the mirror in line with Docker; completes when it is.</param>
    public Task RunAsync(Func<CancellationToken, Task> refresh, CancellationToken ct) => Task.WhenAll(KeepRecordAsync(ct), KeepSignAsync(refresh, ct));

    private async Task KeepSignAsync(Func<CancellationToken, Task> refresh, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await refresh(ct);
                var lease = await etcd.GrantLeaseAsync(SignTimeToLive, ct);
                await etcd.PutAsync(keys.HostSign(options.Host), options.Host, lease.Id, ct);
                do await Task.Delay(lease.TimeToLive / 4, time, ct);
                while (await etcd.KeepLeaseAliveAsync(lease.Id, ct) is not null);
            }
            catch (EtcdException e)
            {
                // Said by the record's keeper, once.
                log.LogDebug("giving a sign of life: {Reason}", e.Message);
                await Task.Delay(SignRetryPause, time, ct);
            }
        }
    }

    private async Task KeepRecordAsync(CancellationToken ct)
    {
        EtcdLeaseId? lease = null;
        var troubled = false;
        while (true)
        {
            try
            {
                var held = lease ??= (await etcd.GrantLeaseAsync(options.TimeToLive, ct)).Id;
                var written = Record(mirror.AppliedRevision);
                await WriteAsync(written, held, ct);
                if (troubled) log.LogInformation("this host is known to the others again");
                troubled = false;
                await KeepAsync(held, written, ct);
                lease = null;
                log.LogWarning("the others took this host for gone: its lease has ended; it is there again");
            }
            catch (EtcdException e)
            {
                if (!troubled) log.LogWarning("keeping this host's presence: {Reason}", e.Message);
                troubled = true;
                await Task.Delay(RetryPause, time, ct);

                // An etcd that is full refuses what is written, and prolongs leases all the same.
                if (lease is { } held && !await IsKeptAsync(held, ct)) lease = null;
            }
        }
    }

    /// <summary>False: the lease is gone. True also when etcd does not answer.</summary>
    private async Task<bool> IsKeptAsync(EtcdLeaseId lease, CancellationToken ct)
    {
        try
        {
            return await etcd.KeepLeaseAliveAsync(lease, ct) is not null;
        }
        catch (EtcdException)
        {
            return true;
        }
    }

    /// <summary>Until the lease is gone.</summary>
    private async Task KeepAsync(EtcdLeaseId lease, HostRecord written, CancellationToken ct)
    {
        var renewAt = time.GetUtcNow() + (options.TimeToLive / 3);
        while (true)
        {
            var limit = renewAt - time.GetUtcNow();
            var applied = await AppliedAsync(written.AppliedRevision, limit < DriftCheck ? limit : DriftCheck, ct);
            if (Record(applied ?? written.AppliedRevision) is var now && now != written)
            {
                await WriteAsync(written = now, lease, ct);
                await Task.Delay(options.AcknowledgeInterval, time, ct);
            }

            if (time.GetUtcNow() < renewAt) continue;
            if (await etcd.KeepLeaseAliveAsync(lease, ct) is null) return;
            renewAt = time.GetUtcNow() + (options.TimeToLive / 3);
        }
    }

    /// <summary>What this host acts by, once it is another than what was written; null when that does not happen in time.</summary>
    private async Task<long?> AppliedAsync(long written, TimeSpan limit, CancellationToken ct)
    {
        if (limit <= TimeSpan.Zero) return null;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var applied = mirror.WhenAppliedAsync(written, stop.Token);
        var first = await Task.WhenAny(applied, Task.Delay(limit, time, stop.Token));
        await stop.CancelAsync();
        ct.ThrowIfCancellationRequested();
        return first == applied ? await applied : null;
    }

    private HostRecord Record(long applied) => new(options.Host, options.Version, options.UnderlayAddress, applied, standingDrift());

    private Task<long> WriteAsync(HostRecord record, EtcdLeaseId lease, CancellationToken ct) =>
        etcd.PutAsync(keys.Host(options.Host), MirrorJson.Write(record), lease, ct);
}
