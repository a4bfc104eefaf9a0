using FlannelFlow.Cluster;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Logging;
using FlannelFlow.Flanneld.Readiness;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Networks;

/// <summary>Waits for the network's config: as long as etcd is away or the key is missing, it is asked again every second.</summary>
internal sealed class NetworkConfigReader(IEtcd etcd, FlannelKeys keys, ServiceNotifier notifier, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <exception cref="FlanneldException">There is a config, and it cannot be carried out.</exception>
    public async Task<VxlanNetwork> ReadAsync(CancellationToken ct)
    {
        var told = new OncePerReason();
        while (true)
        {
            string reason, status;
            try
            {
                var range = await etcd.RangeAsync(EtcdKeys.One(keys.Config), ct);
                if (range.Entries is [var entry])
                {
                    try
                    {
                        return VxlanNetwork.Parse(entry.Value);
                    }
                    catch (FormatException e)
                    {
                        throw new FlanneldException(ExitCodes.Failed, $"reading {keys.Config}: {e.Message}");
                    }
                }
                (reason, status) = ($"{keys.Config} does not exist", $"waiting for {keys.Config}");
            }
            catch (EtcdException e)
            {
                (reason, status) = (e.Message, $"waiting for etcd: {e.Message}");
            }
            if (told.IsNew(reason))
            {
                log.LogWarning("waiting for the network's config, asking every {Pause} s: {Reason}", Pause.TotalSeconds, reason);
                notifier.Status(status);
            }
            await Task.Delay(Pause, time, ct);
        }
    }
}
