using FlannelFlow.Cluster.LoadBalancing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.LoadBalancing;

/// <summary>
/// The service has a pair of firewall marks in this network, the same on all hosts. Nothing is undone: other hosts use them too, and they are
/// released when the service has left the network on every host.
/// </summary>
public sealed class AllocateMarks(MarkAllocator marks) : Activity<AllocateMarks.In, AllocateMarks.Out>
{
    public sealed record In(string ServiceId, string NetworkId);

    /// <param name="Marks">Index of the pair.</param>
    public sealed record Out(int Marks);

    public override string Type => "FlannelFlow.AllocateMarks";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new((await marks.AllocateAsync(new ServiceInNetwork(input.ServiceId, input.NetworkId), ct)).Index);
}
