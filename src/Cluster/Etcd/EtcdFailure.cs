using System.Globalization;
using System.Net.Http;
using System.Net.Sockets;
using Grpc.Core;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>What a failed call means.</summary>
internal static class EtcdFailure
{
    /// <summary>Another endpoint, or the same one later, may answer. Codes: etcd api/v3rpc/rpctypes/error.go.</summary>
    public static bool IsTransient(RpcException e) => e.StatusCode switch
    {
        StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Cancelled or StatusCode.Aborted or StatusCode.Unknown => true,
        StatusCode.Internal => true,            // grpc-dotnet's code for a connection that broke in the middle
        StatusCode.ResourceExhausted => true,   // "too many requests"; "database space exceeded" until an operator helps
        _ => false,
    };

    /// <summary>The request never left this host: a write may be sent to another endpoint.</summary>
    public static bool IsCertainlyUnsent(RpcException e)
    {
        for (var cause = e.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpRequestException
                {
                    HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError,
                })
            {
                return true;
            }

            // SocketsHttpHandler.ConnectTimeout.
            if (cause is TimeoutException) return true;
        }

        return false;
    }

    /// <summary>The token has expired, or users were changed since it was given.</summary>
    public static bool IsStaleToken(RpcException e) =>
        e.StatusCode == StatusCode.Unauthenticated
        || (e.StatusCode == StatusCode.InvalidArgument && e.Status.Detail.Contains("auth store is old", StringComparison.Ordinal));

    public static bool IsCompacted(RpcException e) =>
        e.StatusCode == StatusCode.OutOfRange && e.Status.Detail.Contains("compacted", StringComparison.Ordinal);

    public static string Reason(RpcException e)
    {
        for (var cause = e.Status.DebugException; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException socket) return $"{socket.SocketErrorCode}: {socket.Message}";
            if (cause is TimeoutException) return "connection timed out";
        }

        return e.Status.Detail.Length > 0 ? e.Status.Detail : e.StatusCode.ToString();
    }

    public static string Deadline(TimeSpan limit) =>
        string.Create(CultureInfo.InvariantCulture, $"deadline exceeded ({limit.TotalSeconds:0.###} s)");
}
