using System.Globalization;
using System.Threading.Channels;
using Docker.DotNet.Models;
using FlannelFlow.Host.Docker;

namespace FlannelFlow.Host.Draining;

/// <summary>
/// Drains a container that got its stop signal and was not drained before: the notice that is left where the runtime wrapper is not installed. Docker
/// tells of a signal when it was delivered (moby daemon/kill.go), so this keeps new connections from a server only from then on.
/// </summary>
public sealed class KillWatch(DrainTrigger trigger, DockerTruth docker, ILogger<KillWatch> logger) : BackgroundService
{
    private const int Terminate = 15;

    private readonly Channel<(string Container, int Signal)> _heard = Channel.CreateUnbounded<(string, int)>();

    /// <summary>Docker's event "kill".</summary>
    public void Heard(Message kill)
    {
        if (kill.Actor.Attributes.TryGetValue("signal", out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var signal))
            _heard.Writer.TryWrite((kill.Actor.ID, signal));
    }

    /// <summary>All that were heard at once, and not one after the other: each may take a while.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Parallel.ForEachAsync(
        _heard.Reader.ReadAllAsync(stoppingToken),
        new ParallelOptions { MaxDegreeOfParallelism = 64, CancellationToken = stoppingToken },
        async (kill, ct) =>
        {
            try
            {
                if (await IsStopSignalAsync(kill.Container, kill.Signal, ct))
                    await trigger.StoppingAsync(kill.Container, ct);
            }
            catch (DockerUnavailableException e)
            {
                logger.LogWarning("whether {Container} was told to stop: {Reason}", kill.Container, e.Message);
            }
        });

    private async Task<bool> IsStopSignalAsync(string container, int signal, CancellationToken ct)
    {
        if (await docker.ContainerAsync(container, ct) is not { State.Running: true } inspected)
            return false;
        return inspected.Config?.StopSignal is not { Length: > 0 } name || StopSignals.Number(name) is not { } own ? signal == Terminate : signal == own;
    }
}

/// <summary>The signals that images name as their stop signal, by number or name (asm-generic/signal.h).</summary>
internal static class StopSignals
{
    public static int? Number(string name) =>
        int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : name.ToUpperInvariant().Replace("SIG", "", StringComparison.Ordinal) switch
        {
            "HUP" => 1,
            "INT" => 2,
            "QUIT" => 3,
            "USR1" => 10,
            "USR2" => 12,
            "TERM" => 15,
            "WINCH" => 28,
            "PWR" => 30,
            "RTMIN+3" => 37,
            _ => null,
        };
}
