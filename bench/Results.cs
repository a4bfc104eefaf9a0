using System.Globalization;

namespace FlannelFlow.Bench;

/// <summary>One measurement, for bench/all: a line of fields separated by tabs in the file that FLANNELFLOW_BENCH_RESULTS names. As result.sh does.</summary>
internal static class Results
{
    /// <param name="bound">What the ratio of ours to theirs, or without a peer ours itself, is to be: "&lt;=0.9", "&gt;=1"; empty: no target.</param>
    public static void Add(string metric, double ours, string unit, string peer = "", double? theirs = null, string bound = "")
    {
        if (Environment.GetEnvironmentVariable("FLANNELFLOW_BENCH_RESULTS") is not { Length: > 0 } file) return;
        File.AppendAllText(file, string.Join('\t', metric, ours.ToString("G4", CultureInfo.InvariantCulture), unit, peer, theirs?.ToString("G4", CultureInfo.InvariantCulture), bound) + "\n");
    }
}
