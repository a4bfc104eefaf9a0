namespace FlannelFlow.Cluster.Mirror;

/// <summary><c>hosts/&lt;host&gt;</c>: a daemon runs there. On an etcd lease, so it goes some seconds after the daemon.</summary>
/// <param name="Host">HOST_NAME.</param>
/// <param name="Version">Of the daemon.</param>
/// <param name="UnderlayAddress">From which the host reaches the others; "" while that is not known.</param>
/// <param name="AppliedRevision">
/// The host acts by every change of <c>docker/</c> up to this revision. Only changes of <c>docker/</c> move it, or it would be moved by itself.
/// </param>
/// <param name="Drift">How many differences between Docker, etcd, the kernel and its files stand there.</param>
public sealed record HostRecord(string Host, string Version, string UnderlayAddress, long AppliedRevision, int Drift = 0);
