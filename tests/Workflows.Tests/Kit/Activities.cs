namespace FlannelFlow.Workflows.Tests.Kit;

public sealed record EnsureInput(string Thing, int Size = 1, string? Note = null);

public sealed record EnsureOutput(string Handle, int Size);

/// <summary>Ensures a thing; undone by removing it.</summary>
public sealed class EnsureActivity(FakeKernel kernel) : Activity<EnsureInput, EnsureOutput>
{
    public override string Type => "Test.Ensure";
    public override bool CanCompensate => true;

    public override Task<EnsureOutput> ExecuteAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct)
    {
        kernel.Ensure(input.Thing, execution);
        return Task.FromResult(new EnsureOutput("h-" + input.Thing, input.Size));
    }

    public override Task CompensateAsync(EnsureInput input, EnsureOutput? output, ActivityExecution execution, CancellationToken ct)
    {
        kernel.EnsureNot(input.Thing, execution);
        return Task.CompletedTask;
    }
}

public sealed record GateInput(string Gate);

/// <summary>Waits until a test opens its gate; cannot be undone.</summary>
public sealed class GateActivity : Activity<GateInput, Nothing>
{
    private readonly Dictionary<string, TaskCompletionSource> _gates = [];
    private readonly Dictionary<string, TaskCompletionSource> _arrivals = [];

    public override string Type => "Test.Gate";

    public void Open(string gate) => Of(_gates, gate).TrySetResult();

    /// <summary>Completes when an execution stands at the gate.</summary>
    public Task Arrived(string gate) => Of(_arrivals, gate).Task;

    public override async Task<Nothing> ExecuteAsync(GateInput input, ActivityExecution execution, CancellationToken ct)
    {
        Of(_arrivals, input.Gate).TrySetResult();
        await Of(_gates, input.Gate).Task.WaitAsync(ct);
        return Nothing.Instance;
    }

    private static TaskCompletionSource Of(Dictionary<string, TaskCompletionSource> all, string gate)
    {
        lock (all)
        {
            if (!all.TryGetValue(gate, out TaskCompletionSource? source))
                all.Add(gate, source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            return source;
        }
    }
}
