using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Mirror;

/// <summary>Every few seconds: what the mirror says of addresses is noted with them, and what all hosts are done with is given back.</summary>
public sealed class UpkeepLoop(
    DockerMirror mirror, AddressUpkeep addresses, MarkUpkeep marks, TimeProvider time, ILogger<UpkeepLoop> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var troubled = false;
        await mirror.WhenAsync(_ => true, stoppingToken);
        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            try
            {
                var state = mirror.Current!;
                await addresses.LookAsync(state, stoppingToken);
                await marks.LookAsync(state, stoppingToken);
                troubled = false;
            }
            catch (EtcdException e)
            {
                if (!troubled) logger.LogWarning("the upkeep of addresses: {Reason}", e.Message);
                troubled = true;
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
