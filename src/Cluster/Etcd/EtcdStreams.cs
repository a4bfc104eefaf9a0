using Grpc.Core;

namespace FlannelFlow.Cluster.Etcd;

internal static class EtcdStreams
{
    /// <summary>Sends on a stream whose answers are read next.</summary>
    /// <remarks>
    /// Where the connection breaks, or the call is over already, while this is written, grpc-dotnet throws whatever the transport threw. That is no status of
    /// the call: the answers have it, as an <see cref="RpcException"/> like any other.
    /// </remarks>
    public static async Task SendAsync<T>(this IClientStreamWriter<T> requests, T request, CancellationToken ct)
    {
        try
        {
            await requests.WriteAsync(request, ct);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            // Said by the answers.
        }
    }
}
