using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Draining;

/// <summary>Begins drains of this host's containers, and knows when every host acts by them.</summary>
public sealed class DrainTrigger(
    DrainWriter drains, DockerMirror mirror, DrainTerms terms, FlannelFlowOptions options, TimeProvider time, ILogger<DrainTrigger> logger)
{
    private bool _troubled;

    /// <summary>
    /// A container of this host is about to get its stop signal. Completes when no living host sends it new connections any more, at the latest after
    /// <see cref="DrainTerms.Hold"/>, and at once for a container that is none of ours. Never fails: a stop is not refused.
    /// </summary>
    public async Task StoppingAsync(string containerId, CancellationToken ct)
    {
        if (mirror.Current?.Containers.ContainsKey(containerId) != true)
            return;
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var timer = time.CreateTimer(_ => bound.Cancel(), state: null, terms.Hold, Timeout.InfiniteTimeSpan);
        var began = time.GetTimestamp();
        try
        {
            if (await drains.BeginAsync(options.HostName, containerId, DrainReason.Stop, bound.Token) is not { } revision)
                return;
            await mirror.WhenAsync(state => state.AcknowledgedRevision >= revision, bound.Token);
            logger.LogDebug("the stop of {Container} was held for {Seconds:0.00} s until all hosts had taken it out", containerId, time.GetElapsedTime(began).TotalSeconds);
            _troubled = false;
        }
        catch (EtcdException e)
        {
            if (!_troubled)
                logger.LogWarning("{Container} is stopped undrained: {Reason}", containerId, e.Message);
            _troubled = true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            var late = mirror.Current?.Hosts.Values.OrderBy(host => host.AppliedRevision).FirstOrDefault()?.Host;
            logger.LogWarning(
                "{Container} is stopped after {Seconds} s although not every host has taken it out (the last to do so: {Host})",
                containerId,
                terms.Hold.TotalSeconds,
                late ?? "unknown");
        }
    }
}
