using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>An activity as the engine sees it: names and types of its properties, and JSON in, JSON out.</summary>
internal abstract class ActivityType
{
    public abstract string Name { get; }
    public abstract RecoveryMode Recovery { get; }
    public abstract bool CanCompensate { get; }
    public abstract IReadOnlyDictionary<string, PropertyShape> Inputs { get; }
    public abstract IReadOnlyDictionary<string, PropertyShape> Outputs { get; }

    /// <summary>Whether the activity's input record takes this JSON value for the property; the reader's message if not.</summary>
    public abstract string? Misfit(string property, JsonElement value);

    public abstract Task<string> ExecuteAsync(string input, ActivityExecution execution, CancellationToken ct);
    public abstract bool CanProbe { get; }
    public abstract Task<ProbeResult<string>> ProbeAsync(string input, ActivityExecution execution, CancellationToken ct);
    public abstract Task CompensateAsync(string input, string? output, ActivityExecution execution, CancellationToken ct);

    /// <summary>Whether the next two are what runs, in the writer's transaction.</summary>
    public virtual bool IsTransactional => false;

    /// <summary>Null if it has none.</summary>
    public virtual string? Tables => null;

    public virtual string Execute(string input, ActivityExecution execution, JournalDatabase database) => throw new NotSupportedException();

    public virtual void Undo(string input, string? output, ActivityExecution execution, JournalDatabase database) => throw new NotSupportedException();
}

internal sealed class BoundActivityType<TInput, TOutput>(Activity<TInput, TOutput> activity) : ActivityType
    where TInput : class
    where TOutput : class
{
    public override string Name => activity.Type;
    public override RecoveryMode Recovery => activity.Recovery;
    public override bool CanCompensate => activity.CanCompensate;
    public override IReadOnlyDictionary<string, PropertyShape> Inputs { get; } = PropertyShape.Of(typeof(TInput));
    public override IReadOnlyDictionary<string, PropertyShape> Outputs { get; } = PropertyShape.Of(typeof(TOutput));

    public override string? Misfit(string property, JsonElement value)
    {
        try
        {
            value.Deserialize(Inputs[property].ClrType, WorkflowJson.Options);
            return null;
        }
        catch (JsonException e)
        {
            return e.Message;
        }
    }

    public override async Task<string> ExecuteAsync(string input, ActivityExecution execution, CancellationToken ct) =>
        JsonSerializer.Serialize(await activity.ExecuteAsync(Read<TInput>(input), execution, ct), WorkflowJson.Options);

    public override bool CanProbe => activity.CanProbe;

    public override async Task<ProbeResult<string>> ProbeAsync(string input, ActivityExecution execution, CancellationToken ct)
    {
        ProbeResult<TOutput> found = await activity.ProbeAsync(Read<TInput>(input), execution, ct);
        if (found.Outcome != ProbeOutcome.Done) return new ProbeResult<string>(found.Outcome, null, found.Why);
        return found.Output is { } output
            ? new ProbeResult<string>(ProbeOutcome.Done, JsonSerializer.Serialize(output, WorkflowJson.Options))
            : throw new InvalidOperationException($"{Name}: the probe says done, but gives no output");
    }

    public override Task CompensateAsync(string input, string? output, ActivityExecution execution, CancellationToken ct) =>
        activity.CompensateAsync(Read<TInput>(input), output is null ? null : Read<TOutput>(output), execution, ct);

    private readonly TransactionalActivity<TInput, TOutput>? _transactional = activity as TransactionalActivity<TInput, TOutput>;

    public override bool IsTransactional => _transactional is not null;

    public override string? Tables => _transactional?.Tables;

    public override string Execute(string input, ActivityExecution execution, JournalDatabase database) =>
        JsonSerializer.Serialize(_transactional!.Execute(Read<TInput>(input), execution, database), WorkflowJson.Options);

    public override void Undo(string input, string? output, ActivityExecution execution, JournalDatabase database) =>
        _transactional!.Undo(Read<TInput>(input), output is null ? null : Read<TOutput>(output), execution, database);

    private static T Read<T>(string json) =>
        JsonSerializer.Deserialize<T>(json, WorkflowJson.Options) ?? throw new JsonException($"null is no {typeof(T).Name}");
}
