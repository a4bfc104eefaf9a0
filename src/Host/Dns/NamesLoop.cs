using FlannelFlow.Activities.Dns;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Host.Docker;

namespace FlannelFlow.Host.Dns;

/// <summary>Keeps the names of this host's DNS servers those of the mirror, the servers alive, and every sandbox served.</summary>
/// <remarks>
/// <list type="number">
/// <item>Each new state of the mirror is published as names, and acknowledged.</item>
/// <item>Every SYNC_INTERVAL after that: an endpoint-dns for each endpoint in a running container that is not served; and for those that are, what Docker
/// says of them now. The first time is restore's (step 6).</item>
/// <item>At a stop all queries go back to Docker's resolver before the first server ends.</item>
/// </list>
/// </remarks>
public sealed class NamesLoop(
    DockerMirror mirror,
    NameBoard board,
    DnsServers servers,
    SandboxSweep sandboxes,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<NamesLoop> logger) : BackgroundService
{
    /// <summary>While Docker does not answer, as at boot.</summary>
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await servers.DisposeAsync();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(PublishAsync(stoppingToken), servers.RunAsync(stoppingToken), ServeAllAsync(stoppingToken));

    private async Task PublishAsync(CancellationToken ct)
    {
        using var follower = mirror.Follow("names");
        MirrorState? published = null;
        while (true)
        {
            var state = await follower.NextAsync(ct);
            if (published is null || !MirrorNames.AreSame(published, state))
            {
                board.Publish(NameIndex.Build(MirrorNames.Of(state)));
                published = state;
            }

            follower.Applied(state, state.Revision);
        }
    }

    private async Task ServeAllAsync(CancellationToken ct)
    {
        var troubled = false;
        for (var pause = options.Reconcile.Interval; ;)
        {
            await Task.Delay(pause, time, ct);
            pause = options.Reconcile.Interval;
            try
            {
                await sandboxes.ServeAsync(ct);
                troubled = false;
            }
            catch (DockerUnavailableException e)
            {
                if (!troubled) logger.LogWarning("looking for sandboxes to serve names in: {Reason}", e.Message);
                troubled = true;
                pause = RetryPause;
            }
        }
    }
}
