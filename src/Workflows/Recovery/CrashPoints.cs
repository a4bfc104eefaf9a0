using System.Diagnostics;

namespace FlannelFlow.Workflows;

/// <summary>A named place in the engine where a test lets the process die.</summary>
/// <param name="Activity">The step's id, or "accept" for the start of an instance, or "granted" for the grant of its lanes, or
/// "alter-retry" and the like for an operator's alteration.</param>
/// <param name="Moment">
/// before-effect, after-effect (the effect happened, its commit has not), before-enqueue (decided, not handed to the writer),
/// before-commit (in the writer's transaction), after-commit (durable, nobody told).
/// The same with "undo-" before it in compensation, and for commits with "retry-" (a retry begins) or "recovery-" (found in doubt at
/// start, about to run again), as in undo-retry-before-commit.
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

/// <summary>Kills this process (SIGKILL) at one point, once: a marker file says that it did.</summary>
internal sealed class ProcessCrash(string point, string markerFolder) : ICrashPoints
{
    private readonly string _marker = Path.Combine(markerFolder, "crashed-at-" + point.Replace('/', '_'));

    /// <summary>Null if none is asked for.</summary>
    public static ProcessCrash? From(WorkflowRuntimeOptions options)
    {
        if (string.IsNullOrEmpty(options.CrashPoint)) return null;
        if (options.CrashPoint.Split('/').Length != 3)
            throw new ArgumentException($"crash point '{options.CrashPoint}' is not <definition>/<activity>/<moment>", nameof(options));
        return new ProcessCrash(options.CrashPoint, Path.GetDirectoryName(Path.GetFullPath(options.JournalPath))!);
    }

    public void Pass(CrashPoint passed)
    {
        if (passed.ToString() != point || File.Exists(_marker)) return;
        File.WriteAllText(_marker, "");
        using Process self = Process.GetCurrentProcess();
        self.Kill();
        // The signal is on its way: nothing may happen behind the point.
        self.WaitForExit();
    }
}
