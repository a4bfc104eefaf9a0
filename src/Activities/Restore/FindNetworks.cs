using FlannelFlow.Activities.Networks;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>The networks that this host carries in use, by its flannel.env files: known without Docker and without etcd.</summary>
public sealed class FindNetworks(HostNetworks networks) : Activity<FindNetworks.In, FindNetworks.Out>
{
    public sealed record In;

    /// <param name="Networks">Docker's ids.</param>
    public sealed record Out(string[] Networks);

    public override string Type => "FlannelFlow.FindNetworks";

    public override Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        Task.FromResult(new Out([.. networks.All.Where(network => network.IdleSince is null).Select(network => network.NetworkId).Order(StringComparer.Ordinal)]));
}
