using FlannelFlow.Workflows;

namespace FlannelFlow.Host.LoadBalancing;

/// <summary>That this host's kernel does not tell what it holds, as an incident: nothing is compared meanwhile, so no drain begins.</summary>
/// <remarks>
/// One workflow, <c>balancing-read</c>, reads a few times more; then it waits for a person. As soon as the loop can read again it is tried once more, and ends.
/// The loop awaits nothing of it.
/// </remarks>
internal sealed class UnreadableTables(WorkflowRuntime runtime)
{
    public const string Definition = "balancing-read";

    private Task _reading = Task.CompletedTask;

    /// <summary>Begins the workflow, unless it is under way, or waits for a person.</summary>
    public void Report(CancellationToken ct)
    {
        if (_reading.IsCompleted && Open() is null) _reading = RunAsync(ct);
    }

    /// <summary>Ends the workflow that waits for a person.</summary>
    public async Task ResolveAsync(CancellationToken ct)
    {
        if (Open() is not { Status: InstanceStatus.Suspended } suspended) return;
        try
        {
            await runtime.AlterAsync(suspended.Id, new Alteration.Retry(), "flannelflow", "the kernel can be read again", ct);
        }
        catch (AlterationRefusedException)
        {
            // A person was faster.
        }
    }

    private InstanceRow? Open() => runtime.InstanceByKey(Definition, Definition) is { } row
        && row.Status is not (InstanceStatus.Finished or InstanceStatus.Compensated or InstanceStatus.Cancelled) ? row : null;

    private async Task RunAsync(CancellationToken ct)
    {
        try
        {
            await runtime.RunAsync(new StartWorkflow(Definition, Definition, [], JoinPolicy.WhileOpen), ct);
        }
        catch (Exception e) when (e is RuntimeStoppedException or JournalFullException or OperationCanceledException)
        {
            // The daemon ends, or its disk is full, which is an incident of its own.
        }
    }
}
