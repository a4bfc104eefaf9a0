namespace FlannelFlow.Workflows;

/// <summary>A named place in the engine where a test lets the process die.</summary>
/// <param name="Activity">The step's id, or "accept" for the start of an instance.</param>
/// <param name="Moment">
/// before-effect, after-effect (the effect happened, its commit has not), before-enqueue (decided, not handed to the writer),
/// before-commit (in the writer's transaction), after-commit (durable, nobody told), recovering (found in doubt at start).
/// In compensation the same with "undo-" before it.
/// </param>
public readonly record struct CrashPoint(string Definition, string Activity, string Moment)
{
    public override string ToString() => $"{Definition}/{Activity}/{Moment}";
}

/// <summary>Told of every crash point passed, from any thread.</summary>
public interface ICrashPoints
{
    /// <summary>May throw <see cref="SimulatedCrashException"/>: the runtime then stops as if killed, nothing more is written.</summary>
    void Pass(CrashPoint point);
}

public sealed class SimulatedCrashException(CrashPoint point) : Exception($"simulated crash at {point}");
