using System.Net;

namespace FlannelFlow.Cluster.Mirror;

/// <summary>The network between the hosts, beneath all of ours.</summary>
public interface IUnderlay
{
    /// <summary>Whether the kernel at an address answers at all. Asks more than once, and takes less than half a second.</summary>
    Task<bool> AnswersAsync(IPAddress address, CancellationToken ct);
}
