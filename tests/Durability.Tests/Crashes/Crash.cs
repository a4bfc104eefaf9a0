using System.Globalization;
using FlannelFlow.Workflows;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>One end of a process: at the nth passing of a point.</summary>
/// <param name="Ambiguous">The commit is durable, and SQLite says that it failed; else the process is killed.</param>
internal sealed record Crash(string Point, int Occurrence, bool Ambiguous = false)
{
    /// <summary>As <see cref="ToString"/> writes it: network-create/start-flannel/after-commit#1, with ! before an ambiguous one.</summary>
    public static Crash Parse(string text)
    {
        string[] parts = text.TrimStart('!').Split('#');
        return new Crash(parts[0], parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 1, text.StartsWith('!'));
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(Ambiguous ? "!" : "")}{Point}#{Occurrence}");
}

/// <summary>Remembers the points that a life passes, and ends it at one of them.</summary>
/// <param name="nth">Or at the nth point, whatever it is.</param>
internal sealed class CrashOnce(Crash? crash, int nth = 0) : ICrashPoints
{
    /// <summary>sqlite3.h.</summary>
    private const int IoErrorFsync = 10 | (4 << 8);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _occurrences = new(StringComparer.Ordinal);
    private readonly List<Crash> _passed = [];

    public bool Crashed { get; private set; }

    /// <summary>All ends that this life could have had, in order.</summary>
    public IReadOnlyList<Crash> Passed
    {
        get
        {
            lock (_gate) return [.. _passed];
        }
    }

    public void Pass(CrashPoint point)
    {
        lock (_gate)
        {
            if (Crashed) return;
            string name = point.ToString();
            int occurrence = _occurrences[name] = _occurrences.GetValueOrDefault(name) + 1;
            _passed.Add(new Crash(name, occurrence));
            if (name.EndsWith("after-commit", StringComparison.Ordinal)) _passed.Add(new Crash(name, occurrence, Ambiguous: true));
            bool isHere = nth > 0 ? _occurrences.Values.Sum() == nth : crash is not null && crash.Point == name && crash.Occurrence == occurrence;
            if (!isHere) return;
            Crashed = true;
        }
        if (crash?.Ambiguous == true && point.Moment.EndsWith("after-commit", StringComparison.Ordinal)) throw new SqliteException("disk I/O error", 10, IoErrorFsync);
        throw new SimulatedCrashException(point);
    }
}
