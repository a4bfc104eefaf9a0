using FlannelFlow.Cluster.Garbage;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>What belongs to nobody in the cluster is gone from etcd, and what Docker has and etcd has lost is there again; unless that changed meanwhile.</summary>
public sealed class TakeGarbage(GarbageCollector collector) : Activity<TakeGarbage.In, TakeGarbage.Out>
{
    /// <param name="Garbage">A <see cref="Garbage.Key"/>.</param>
    public sealed record In(string Garbage);

    public sealed record Out(bool Taken);

    public override string Type => "FlannelFlow.TakeGarbage";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        Garbage.Parse(input.Garbage) is { } garbage
            ? new Out(await collector.TakeAsync(garbage, ct))
            : throw new InvalidOperationException($"\"{input.Garbage}\" names no garbage");
}
