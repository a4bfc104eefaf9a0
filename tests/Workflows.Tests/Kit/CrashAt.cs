using System.Globalization;

namespace FlannelFlow.Workflows.Tests.Kit;

/// <summary>Crashes at the nth point passed; remembers those it passed.</summary>
public sealed class CrashAt(int nth) : ICrashPoints
{
    private readonly Lock _gate = new();

    public List<string> Passed { get; } = [];
    public bool Crashed { get; private set; }

    public void Pass(CrashPoint point)
    {
        lock (_gate)
        {
            if (Crashed) return;
            Passed.Add(point.ToString());
            Crashed = Passed.Count == nth;
            if (Crashed) throw new SimulatedCrashException(point);
        }
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"crash at {nth}");
}
