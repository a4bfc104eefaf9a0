namespace FlannelFlow.Cluster.Etcd;

/// <summary>etcd answered with an error that a retry does not mend: a wrong request, a missing permission.</summary>
public class EtcdException(string message, Exception? cause) : Exception(message, cause);

/// <summary>
/// The retryable fault: no endpoint answered in time. What was asked may or may not have been done, so a retry begins with reading.
/// </summary>
public sealed class EtcdUnavailableException(string message, Exception? cause) : EtcdException(message, cause);

/// <summary>The revision asked for has been compacted away: read the present state instead.</summary>
public sealed class EtcdCompactedException(string message, Exception? cause) : EtcdException(message, cause);
