using System.Net;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>Finds out which of the other hosts are gone, seconds before their records in etcd end.</summary>
/// <remarks>
/// A host whose signs of life cease is a suspect: its daemon restarts, or it is gone with all that runs on it. Its kernel knows which, and is
/// asked over the underlay. While it answers, the host keeps its place, until its record ends; the first time that it does not, the host is gone
/// (<see cref="MirrorState.Gone"/>), until its daemon is heard of again: one that answers after that may have booted anew, without its
/// containers. Silence says nothing of a host that never answered, behind a firewall that drops what asks, so that one keeps its place too.
/// Each host judges for itself: what it cannot reach is of no use to it. One loop calls.
/// </remarks>
public sealed class HostWatch(DockerMirror mirror, IUnderlay underlay, TimeProvider time, ILogger<HostWatch> log)
{
    /// <summary>A suspect that answers is asked again after this: it may still be shutting down.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(500);

    /// <summary>One that never answered is asked again after this, while it gives signs of life.</summary>
    private static readonly TimeSpan Acquaint = TimeSpan.FromSeconds(30);

    public async Task RunAsync(CancellationToken ct)
    {
        var watched = new Dictionary<string, Task>(StringComparer.Ordinal);
        MirrorState? seen = null;
        while (true)
        {
            seen = await mirror.WhenAsync(state => !ReferenceEquals(state, seen), ct);
            foreach (var ended in watched.Where(watch => watch.Value.IsCompleted).ToList())
            {
                await ended.Value;
                watched.Remove(ended.Key);
            }

            foreach (var host in seen.Hosts.Values)
            {
                if (host.Host != seen.Here && !watched.ContainsKey(host.Host) && AddressOf(host) is { } address)
                    watched[host.Host] = WatchAsync(host.Host, address, ct);
            }
        }
    }

    /// <summary>Loopback is no address of another host's: it is what a host has that reaches etcd on itself.</summary>
    private static IPAddress? AddressOf(HostRecord host) =>
        IPAddress.TryParse(host.UnderlayAddress, out var address) && !IPAddress.IsLoopback(address) ? address : null;

    /// <summary>For as long as the host has a record with this address.</summary>
    private async Task WatchAsync(string host, IPAddress address, CancellationToken ct)
    {
        var hasAnswered = false;
        while (true)
        {
            var state = await mirror.WhenAsync(state => !IsThere(state) || !state.Gone.Contains(host), ct);
            if (!IsThere(state)) return;
            if (state.Heard.Contains(host))
            {
                hasAnswered = hasAnswered || await underlay.AnswersAsync(address, ct);
                await UntilAsync(now => !now.Heard.Contains(host) || !IsThere(now), hasAnswered ? Timeout.InfiniteTimeSpan : Acquaint, ct);
                continue;
            }

            if (await underlay.AnswersAsync(address, ct)) hasAnswered = true;
            else if (hasAnswered && mirror.FindGone(host))
                log.LogWarning("host {Host} is gone: no sign of life of its daemon, and {Address} does not answer", host, address);
            await UntilAsync(now => now.Heard.Contains(host) || !IsThere(now), AskAgain, ct);
        }

        bool IsThere(MirrorState state) => state.Hosts.TryGetValue(host, out var record) && address.Equals(AddressOf(record));
    }

    private async Task UntilAsync(Func<MirrorState, bool> condition, TimeSpan limit, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await Task.WhenAny(mirror.WhenAsync(condition, stop.Token), Task.Delay(limit, time, stop.Token));
        await stop.CancelAsync();
        ct.ThrowIfCancellationRequested();
    }
}
