using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Reconcile;

/// <summary>Has undoings that failed tried again, as a person would first: nobody is awake to see that etcd answers again, and what they stand for holds its lanes.</summary>
/// <remarks>
/// A join that an outage of etcd ended cannot be undone in that outage either. Docker has its answer by then. Left to a person, it kept the network from
/// being restored on that host. The incident stands meanwhile, and each try is in the audit.
/// </remarks>
public sealed class UndoingLoop(WorkflowRuntime runtime, TimeProvider time, ILogger<UndoingLoop> logger) : BackgroundService
{
    public const string Who = "flannelflow";

    /// <summary>Newer incidents of other kinds must not hide an undoing that stands.</summary>
    private const int MostIncidents = 10_000;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var incident in runtime.Incidents(new IncidentFilter(OpenOnly: true, Limit: MostIncidents)).Where(incident => incident.Kind == IncidentKind.Undoing))
                await LookAsync(incident, stoppingToken);
        }
    }

    /// <summary>Half as long as its workflow has taken until it failed last.</summary>
    public static TimeSpan PauseAfter(TimeSpan age) => TimeSpan.FromTicks(Math.Clamp(age.Ticks / 2, ShortestPause.Ticks, LongestPause.Ticks));

    private async Task LookAsync(IncidentRow incident, CancellationToken ct)
    {
        if (runtime.Instance(incident.Instance) is not { } instance) return;
        // A clock that was set back must not put it off for long.
        if ((time.GetUtcNow() - incident.OpenedAt).Duration() < PauseAfter((incident.OpenedAt - instance.AcceptedAt).Duration())) return;
        logger.LogInformation("{Definition} {Instance}: {Incident}: trying once more", instance.DefinitionId, instance.Id, incident.Message);
        try
        {
            await runtime.AlterAsync(instance.Id, new Alteration.Retry(incident.ActivityId), Who, "an undoing that failed is tried again by itself", ct);
        }
        catch (Exception passed) when (passed is AlterationRefusedException or KeyNotFoundException or JournalFullException)
        {
            logger.LogInformation("{Definition} {Instance}: {Reason}", instance.DefinitionId, instance.Id, passed.Message);
        }
    }
}
