using System.Net;
using FlannelFlow.Activities.Draining;

namespace FlannelFlow.Dashboard.Shared;

/// <summary>Connections to backends through this host.</summary>
internal sealed class BackendConnectionCounts(ConnectionSampler? sampler)
{
    private static readonly TimeSpan MaximumAge = TimeSpan.FromSeconds(2);

    /// <summary>Null: this host cannot tell.</summary>
    public async Task<int?> OfAsync(string vip, string backend, CancellationToken ct)
    {
        if (sampler is null) return null;
        try
        {
            return await sampler.OpenAsync(IPAddress.Parse(vip), IPAddress.Parse(backend), MaximumAge, ct);
        }
        catch (Exception unreadable) when (unreadable is IOException or InvalidOperationException)
        {
            return null;
        }
    }
}
