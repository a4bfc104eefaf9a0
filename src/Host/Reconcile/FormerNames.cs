using System.Text;
using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Reconcile;

/// <summary>Takes what this host left in etcd under names that it had before: only it knows that they are not those of a host that may come back.</summary>
/// <remarks>
/// STATE_DIRECTORY/host-name holds the name, and below it, each on a line, former ones of which something may be left; a name goes from it when all of that is gone.
/// 1. The host's containers stand in etcd under its new name, so that others miss none of them.
/// 2. What stands there under the former one goes, with the sign of life and the record; these end by themselves, if nobody can tell whose they are.
/// 3. The addresses that it asked for under the former one pass to the new one, and whose containers are gone are found by the comparison.
/// A former name that still has a record when any of ours would have ended is another host's now, which keeps it.
/// </remarks>
public sealed class FormerNames(
    DockerMirror mirror,
    GarbageCollector collector,
    AddressAllocator addresses,
    HostPresenceOptions presence,
    FlannelFlowOptions options,
    TimeProvider time,
    ILogger<FormerNames> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private readonly string _file = Path.Combine(options.StateDirectory, "host-name");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var known = File.Exists(_file) ? await File.ReadAllLinesAsync(_file, stoppingToken) : [];
            var former = known.Where(name => name.Length > 0 && name != options.HostName).Distinct(StringComparer.Ordinal).ToList();
            if (known is not [var name] || name != options.HostName) await WriteAsync(former, stoppingToken);
            if (former.Count == 0) return;

            // 1.
            await mirror.WhenAsync(state => state.Heard.Contains(options.HostName), stoppingToken);
            foreach (var one in former.ToList())
            {
                await TakeAsync(one, stoppingToken);
                former.Remove(one);
                await WriteAsync(former, stoppingToken);
            }
        }
        catch (IOException e)
        {
            logger.LogWarning("remembering this host's name in {File}: {Reason}", _file, e.Message);
        }
    }

    private async Task TakeAsync(string former, CancellationToken ct)
    {
        for (var left = presence.TimeToLive * 2; left > TimeSpan.Zero;)
        {
            try
            {
                // 2.
                if (await collector.TakeFormerNameAsync(former, presence.UnderlayAddress, ct))
                {
                    // 3.
                    await addresses.RenameHostAsync(former, options.HostName, ct);
                    logger.LogWarning("this host was {Former} before: what it left in etcd under that name is gone", former);
                    return;
                }

                left -= Pause;
            }
            catch (EtcdException e)
            {
                logger.LogDebug("taking what this host left as {Former}: {Reason}", former, e.Message);
            }

            await Task.Delay(Pause, time, ct);
        }

        logger.LogWarning("this host was {Former} before, and another host has that name now", former);
    }

    private async Task WriteAsync(IEnumerable<string> former, CancellationToken ct)
    {
        var fresh = _file + ".new";
        await using (var stream = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(string.Join('\n', [options.HostName, .. former, ""])), ct);
            stream.Flush(flushToDisk: true);
        }

        File.Move(fresh, _file, overwrite: true);
    }
}
