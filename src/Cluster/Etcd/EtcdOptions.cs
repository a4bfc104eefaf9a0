namespace FlannelFlow.Cluster.Etcd;

/// <summary>How to reach etcd. Endpoints are tried in order; the one that answered last is kept until it fails.</summary>
public sealed record EtcdOptions
{
    /// <summary>ETCD_ENDPOINTS: <c>http://10.77.0.1:2379</c> or <c>https://…</c>, at least one.</summary>
    public required IReadOnlyList<string> Endpoints { get; init; }

    /// <summary>Bounds every call, all failovers included. A watch is bounded until the server confirmed it.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Bounds the TCP (and TLS) connection to one endpoint, so that a dead host does not eat the call's whole time.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// A connection whose peer's kernel acknowledges nothing for so long is given up (TCP_USER_TIMEOUT). Without it, a connection that a partition
    /// interrupted is tried again at doubling intervals, and may stay silent for as long as the partition lasted after its end.
    /// </summary>
    public TimeSpan SilenceTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// HTTP/2 ping on connections with open calls; finds a peer that vanished under an idle watch. Not below 5 s: etcd answers
    /// faster pings with GOAWAY too_many_pings (--grpc-keepalive-min-time).
    /// </summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The pause before a broken watch is opened again: doubles from the first to the second.</summary>
    public TimeSpan WatchBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    public TimeSpan WatchBackoffLimit { get; init; } = TimeSpan.FromSeconds(1);

    public EtcdTlsOptions? Tls { get; init; }

    public EtcdCredentials? Credentials { get; init; }

    /// <summary>All that is wrong, in words; empty when nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (Endpoints.Count == 0) problems.Add("ETCD_ENDPOINTS is empty: name at least one endpoint, such as http://127.0.0.1:2379");
        foreach (var endpoint in Endpoints)
        {
            if (!Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
                problems.Add($"ETCD_ENDPOINTS: '{endpoint}' is not an http:// or https:// address");
            else if (uri.AbsolutePath != "/" || uri.Query.Length > 0)
                problems.Add($"ETCD_ENDPOINTS: '{endpoint}' must be scheme, host and port only");
            else if (uri.Scheme == "http" && Tls is not null)
                problems.Add($"ETCD_ENDPOINTS: '{endpoint}' is plain http although TLS files are configured");
        }

        if (CallTimeout <= TimeSpan.Zero) problems.Add($"the etcd call timeout must be positive, it is {CallTimeout}");
        foreach (var file in new[] { Tls?.CaFile, Tls?.CertificateFile, Tls?.KeyFile })
        {
            if (file is not null && !File.Exists(file)) problems.Add($"the etcd TLS file {file} does not exist");
        }

        if (Tls is not null && Tls.CertificateFile is null != Tls.KeyFile is null)
            problems.Add("an etcd client certificate needs its key and a key its certificate: one of both files is missing");
        return problems;
    }
}

/// <summary>PEM files. Without a CA file the system's roots are trusted; certificate and key come together or not at all.</summary>
public sealed record EtcdTlsOptions(string? CaFile, string? CertificateFile, string? KeyFile);

/// <summary>etcd's own users (auth enable). The token is fetched at the first call and again when it has expired.</summary>
public sealed record EtcdCredentials(string User, string Password)
{
    public override string ToString() => $"user {User}";
}
