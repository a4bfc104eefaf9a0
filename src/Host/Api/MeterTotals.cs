using System.Diagnostics.Metrics;

namespace FlannelFlow.Host.Api;

/// <summary>Adds up what the meters <c>FlannelFlow.*</c> measure, from the daemon's start on.</summary>
/// <remarks>Counters, and of histograms their count and sum. Labels beyond <see cref="MaximumSeries"/> combinations per instrument are counted together.</remarks>
internal sealed class MeterTotals : IDisposable
{
    private const int MaximumSeries = 2000;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    public MeterTotals()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name.StartsWith("FlannelFlow.", StringComparison.Ordinal)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public void WriteTo(MetricsText text)
    {
        lock (_gate)
        {
            foreach (var (name, family) in _families)
            {
                text.Family(name, family.IsCounter ? "counter" : "summary", family.Help);
                foreach (var (labels, total) in family.Series)
                {
                    if (family.IsCounter) text.Sample(name + "_total", total.Sum, labels.Pairs);
                    else
                    {
                        text.Sample(name + "_count", total.Count, labels.Pairs);
                        text.Sample(name + "_sum", total.Sum, labels.Pairs);
                    }
                }
            }
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new Labels([.. tags.ToArray().Select(tag => (NameOf(tag.Key), tag.Value?.ToString() ?? ""))]);
        lock (_gate)
        {
            var name = NameOf(instrument.Name) + (instrument.Unit == "s" ? "_seconds" : "");
            if (!_families.TryGetValue(name, out var family))
                _families[name] = family = new Family(instrument.Description ?? "", instrument is Counter<long> or Counter<double>);
            if (family.Series.Count >= MaximumSeries && !family.Series.ContainsKey(labels)) labels = new Labels([("overflow", "true")]);
            var (count, sum) = family.Series.GetValueOrDefault(labels);
            family.Series[labels] = (count + 1, sum + value);
        }
    }

    private static string NameOf(string name) => name.Replace('.', '_').Replace('-', '_');

    private sealed record Family(string Help, bool IsCounter)
    {
        public Dictionary<Labels, (long Count, double Sum)> Series { get; } = [];
    }

    private sealed record Labels((string Name, string Value)[] Pairs)
    {
        public bool Equals(Labels? other) => other is not null && Pairs.AsSpan().SequenceEqual(other.Pairs);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            foreach (var pair in Pairs) hash.Add(pair);
            return hash.ToHashCode();
        }
    }
}
