using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Etcdserverpb;
using Grpc.Core;
using Grpc.Net.Client;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>One channel per endpoint, opened at first use, and which of them is in use.</summary>
internal sealed class EtcdEndpoints : IDisposable
{
    private readonly EtcdEndpoint[] _all;
    private int _current;

    public EtcdEndpoints(EtcdOptions options)
    {
        var problems = options.Validate();
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems), nameof(options));
        _all = [.. options.Endpoints.Select(address => new EtcdEndpoint(address.TrimEnd('/'), options))];
    }

    public int Count => _all.Length;

    public EtcdEndpoint Current => _all[Volatile.Read(ref _current)];

    /// <summary>Moves on from an endpoint that failed, unless another caller already did.</summary>
    public void LeaveFailed(EtcdEndpoint failed)
    {
        var index = Array.IndexOf(_all, failed);
        Interlocked.CompareExchange(ref _current, (index + 1) % _all.Length, index);
    }

    public void Dispose()
    {
        foreach (var endpoint in _all) endpoint.Dispose();
    }
}

internal sealed class EtcdEndpoint(string address, EtcdOptions options) : IDisposable
{
    private readonly Lazy<GrpcChannel> _channel = new(() => Open(address, options));
    private string? _token;

    public string Address => address;

    public KV.KVClient Keys => new(_channel.Value);

    public Lease.LeaseClient Leases => new(_channel.Value);

    public Watch.WatchClient Watches => new(_channel.Value);

    public Maintenance.MaintenanceClient Maintenance => new(_channel.Value);

    /// <summary>The request headers: etcd's token where credentials are configured (etcd api/v3rpc/rpctypes/metadatafields.go).</summary>
    public async Task<Metadata> HeadersAsync(CancellationToken ct)
    {
        var headers = new Metadata();
        if (options.Credentials is not { } credentials) return headers;
        if (Volatile.Read(ref _token) is not { } token)
        {
            var answer = await new Auth.AuthClient(_channel.Value).AuthenticateAsync(
                new AuthenticateRequest { Name = credentials.User, Password = credentials.Password }, cancellationToken: ct);
            token = answer.Token;
            Volatile.Write(ref _token, token);
        }

        headers.Add("token", token);
        return headers;
    }

    /// <summary>True if there was a token to forget, so that a second try makes sense.</summary>
    public bool ForgetToken() => Interlocked.Exchange(ref _token, null) is not null;

    public void Dispose()
    {
        if (_channel.IsValueCreated) _channel.Value.Dispose();
    }

    /// <summary>Its connections, made as the options say: for gRPC, and for the HTTP that etcd speaks on the same port.</summary>
    public static SocketsHttpHandler NewHandler(string address, EtcdOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = options.ConnectTimeout,
            ConnectCallback = (context, ct) => ConnectAsync(context.DnsEndPoint, options, ct),
            KeepAlivePingDelay = options.KeepAliveInterval,
            KeepAlivePingTimeout = options.KeepAliveTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            UseProxy = false,
        };
        if (IsSecure(address) && options.Tls is { } tls) handler.SslOptions = Ssl(tls);
        return handler;
    }

    private static bool IsSecure(string address) => address.StartsWith("https://", StringComparison.OrdinalIgnoreCase);

    private static GrpcChannel Open(string address, EtcdOptions options) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        // As a client, not as a handler: given a SocketsHttpHandler, grpc-dotnet puts its balancer before it, which fails calls for up
        // to two minutes after a lost connection (MaxReconnectBackoff) and hides whether a request was sent.
        HttpClient = new HttpClient(NewHandler(address, options), disposeHandler: true) { Timeout = Timeout.InfiniteTimeSpan },
        DisposeHttpClient = true,
        Credentials = IsSecure(address) ? ChannelCredentials.SecureSsl : ChannelCredentials.Insecure,
        MaxReceiveMessageSize = null,   // a snapshot of a big pool may pass 4 MB
    });

    private static async ValueTask<Stream> ConnectAsync(EndPoint to, EtcdOptions options, CancellationToken ct)
    {
        // linux/tcp.h: TCP_USER_TIMEOUT, milliseconds.
        const int tcpUserTimeout = 18;
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(to, ct);
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, tcpUserTimeout, BitConverter.GetBytes((int)options.SilenceTimeout.TotalMilliseconds));
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static SslClientAuthenticationOptions Ssl(EtcdTlsOptions tls)
    {
        var ssl = new SslClientAuthenticationOptions();
        if (tls.CaFile is not null)
        {
            ssl.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            ssl.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(tls.CaFile);
        }

        if (tls.CertificateFile is not null)
            ssl.ClientCertificates = [X509Certificate2.CreateFromPemFile(tls.CertificateFile, tls.KeyFile)];
        return ssl;
    }
}
