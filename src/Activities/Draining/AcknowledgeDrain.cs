using FlannelFlow.Cluster.Draining;
using FlannelFlow.Cluster.Mirror;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Activities.Draining;

/// <summary>The drain is over on this host: said in the log and counted.</summary>
/// <remarks>What the other hosts wait for, the applied revision, moves by itself: with the weight, and with the removal.</remarks>
public sealed class AcknowledgeDrain(DockerMirror mirror, DrainMetrics metrics, TimeProvider time, ILoggerFactory loggers)
    : Activity<AcknowledgeDrain.In, AcknowledgeDrain.Out>
{
    public sealed record In(
        string ServiceId, string ContainerId, string Address, DateTimeOffset Began, string End, int ConnectionsAtStart, int ConnectionsLeft);

    /// <param name="Took">From weight 0 to the end.</param>
    /// <param name="Cut">Connections that had not ended by themselves.</param>
    public sealed record Out(TimeSpan Took, int Cut);

    private readonly Lazy<ILogger> _logger = new(loggers.CreateLogger<AcknowledgeDrain>);

    public override string Type => "FlannelFlow.AcknowledgeDrain";

    public override Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        var took = time.GetUtcNow() - input.Began;
        var end = Enum.Parse<DrainEnd>(input.End);
        var cut = end is DrainEnd.CalledOff ? 0 : input.ConnectionsLeft;
        var service = mirror.Current?.Services.GetValueOrDefault(input.ServiceId)?.Name ?? input.ServiceId;
        metrics.Ended(service, end, input.ConnectionsAtStart, cut, took);
        _logger.Value.LogInformation(
            "{Service}: {Address} (container {Container}) drained after {Seconds:0.0} s: {End}, {AtStart} connections at the start, {Cut} cut",
            service,
            input.Address,
            input.ContainerId[..Math.Min(12, input.ContainerId.Length)],
            took.TotalSeconds,
            end,
            input.ConnectionsAtStart,
            cut);
        return Task.FromResult(new Out(took, cut));
    }
}
