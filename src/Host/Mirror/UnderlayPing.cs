using System.Net;
using System.Net.NetworkInformation;
using FlannelFlow.Cluster.Mirror;

namespace FlannelFlow.Host.Mirror;

/// <summary>Asks by ICMP echo: the kernel answers it, whatever runs.</summary>
internal sealed class UnderlayPing(TimeProvider time) : IUnderlay
{
    /// <summary>One lost packet is no silence.</summary>
    private const int Attempts = 4;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(400);

    public async Task<bool> AnswersAsync(IPAddress address, CancellationToken ct)
    {
        await foreach (var attempt in Task.WhenEach(Enumerable.Range(0, Attempts).Select(number => AskAsync(address, number * Between, ct))).WithCancellation(ct))
        {
            if (await attempt) return true;
        }

        return false;
    }

    private async Task<bool> AskAsync(IPAddress address, TimeSpan after, CancellationToken ct)
    {
        await Task.Delay(after, time, ct);
        using var ping = new Ping();
        try
        {
            return (await ping.SendPingAsync(address, Patience - after, cancellationToken: ct)).Status == IPStatus.Success;
        }
        catch (PingException)
        {
            // This host has no way there.
            return false;
        }
    }
}
