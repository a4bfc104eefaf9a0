using System.Diagnostics.Metrics;
using FlannelFlow.Cluster.Draining;

namespace FlannelFlow.Activities.Draining;

/// <summary>The meter <c>FlannelFlow.Draining</c>: totals of this host's drains, by service and end.</summary>
public sealed class DrainMetrics : IDisposable
{
    public const string MeterName = "FlannelFlow.Draining";
    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _drains;
    private readonly Counter<long> _clean;
    private readonly Counter<long> _cut;
    private readonly Histogram<double> _duration;

    public DrainMetrics()
    {
        _drains = _meter.CreateCounter<long>("flannelflow.drains", "{drain}", "Drains that ended");
        _clean = _meter.CreateCounter<long>("flannelflow.drain.connections.clean", "{connection}", "Connections that ended by themselves while their backend drained");
        _cut = _meter.CreateCounter<long>("flannelflow.drain.connections.cut", "{connection}", "Connections that were left when a drain ended");
        _duration = _meter.CreateHistogram<double>("flannelflow.drain.duration", "s", "From weight 0 to the end");
    }

    public void Ended(string service, DrainEnd end, int atStart, int cut, TimeSpan took)
    {
        var byService = new KeyValuePair<string, object?>("service", service);
        var byEnd = new KeyValuePair<string, object?>("end", end.ToString());
        _drains.Add(1, byService, byEnd);
        _clean.Add(end is DrainEnd.CalledOff ? 0 : Math.Max(0, atStart - cut), byService);
        _cut.Add(cut, byService);
        _duration.Record(took.TotalSeconds, byService, byEnd);
    }

    public void Dispose() => _meter.Dispose();
}
