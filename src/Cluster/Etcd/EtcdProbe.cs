using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Etcdserverpb;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Cluster.Etcd;

/// <summary>What one endpoint of etcd says of itself.</summary>
/// <param name="ClusterId">Endpoints of one cluster have the same.</param>
/// <param name="Latency">Of a read that a majority agreed to, on a connection that stands.</param>
/// <param name="DatabaseSize">Bytes on the disk, as etcd counts them against its quota.</param>
/// <param name="Quota">Bytes; 0: it does not tell.</param>
/// <param name="Alarms">NOSPACE, CORRUPT; null: it does not tell.</param>
/// <param name="ClockOffset">Its clock less this host's, exact to a second, since it tells whole ones; null: it does not tell.</param>
/// <param name="CertificateEnds">Of the certificate that it shows; null without TLS.</param>
public sealed record EtcdMember(
    ulong ClusterId,
    string Version,
    bool HasLeader,
    TimeSpan Latency,
    long DatabaseSize,
    long Quota,
    IReadOnlyList<string>? Alarms,
    TimeSpan? ClockOffset,
    DateTimeOffset? CertificateEnds);

/// <summary>Asks one endpoint how it is. For people, not for the daemon's own work.</summary>
public static class EtcdProbe
{
    private const string QuotaMetric = "etcd_server_quota_backend_bytes ";

    /// <param name="options">Its endpoints do not matter.</param>
    /// <param name="key">Any that the user may read; it need not be there.</param>
    /// <exception cref="EtcdException">It does not answer, or no majority does.</exception>
    public static async Task<EtcdMember> AskAsync(string endpoint, EtcdOptions options, string key, TimeProvider time, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(options);
        var only = options with { Endpoints = [endpoint] };
        await using var store = new EtcdStore(only, time, NullLogger<EtcdStore>.Instance);
        await store.RangeAsync(EtcdKeys.One(key), ct);
        var began = Stopwatch.GetTimestamp();
        await store.RangeAsync(EtcdKeys.One(key), ct);
        var latency = Stopwatch.GetElapsedTime(began);

        using var asked = new EtcdEndpoint(endpoint.TrimEnd('/'), only);
        var call = new CallOptions(await asked.HeadersAsync(ct), cancellationToken: ct);
        StatusResponse status;
        try
        {
            status = await asked.Maintenance.StatusAsync(new StatusRequest(), call);
        }
        catch (RpcException e)
        {
            throw new EtcdException($"reading the status of {endpoint}: {EtcdFailure.Reason(e)}", e);
        }

        var (offset, quota, certificate) = await AskByHttpAsync(asked.Address, only, time, ct);
        return new EtcdMember(
            status.Header.ClusterId, status.Version, status.Leader != 0, latency, status.DbSize, status.DbSizeQuota > 0 ? status.DbSizeQuota : quota,
            await AlarmsAsync(asked, call), offset, certificate);
    }

    private static async Task<IReadOnlyList<string>?> AlarmsAsync(EtcdEndpoint endpoint, CallOptions call)
    {
        try
        {
            var answer = await endpoint.Maintenance.AlarmAsync(new AlarmRequest { Action = AlarmRequest.Types.AlarmAction.Get }, call);
            return [.. answer.Alarms.Select(alarm => alarm.Alarm.ToString().ToUpperInvariant()).Distinct().Order(StringComparer.Ordinal)];
        }
        catch (RpcException)
        {
            // Newer ones tell their root user only.
            return null;
        }
    }

    /// <summary>What etcd tells by HTTP only: its time, in every answer's Date, and, before 3.6, its quota among its metrics.</summary>
    private static async Task<(TimeSpan? Offset, long Quota, DateTimeOffset? CertificateEnds)> AskByHttpAsync(
        string address, EtcdOptions options, TimeProvider time, CancellationToken ct)
    {
        DateTimeOffset? ends = null;
        var handler = EtcdEndpoint.NewHandler(address, options);
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
        {
            ends = certificate is X509Certificate2 shown ? shown.NotAfter : null;
            return errors == System.Net.Security.SslPolicyErrors.None;
        };
        using var client = new HttpClient(handler, disposeHandler: true) { BaseAddress = new Uri(address) };
        try
        {
            using var version = await client.GetAsync(new Uri("/version", UriKind.Relative), ct);
            // A second time, on the connection that now stands, so that the offset does not hold its making.
            var before = time.GetUtcNow();
            using var again = await client.GetAsync(new Uri("/version", UriKind.Relative), ct);
            var middle = before + (time.GetUtcNow() - before) / 2;
            var offset = again.Headers.Date + TimeSpan.FromMilliseconds(500) - middle;
            var metrics = await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), ct);
            return (offset, QuotaIn(metrics), ends);
        }
        catch (HttpRequestException)
        {
            return (null, 0, ends);
        }
    }

    private static long QuotaIn(string metrics)
    {
        var line = metrics.Split('\n').FirstOrDefault(line => line.StartsWith(QuotaMetric, StringComparison.Ordinal));
        return line is not null && double.TryParse(line.AsSpan(QuotaMetric.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out var quota) ? (long)quota : 0;
    }
}
