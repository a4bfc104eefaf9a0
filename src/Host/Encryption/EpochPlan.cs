using System.Collections.Immutable;
using System.Globalization;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Linux.Ipsec;

namespace FlannelFlow.Host.Encryption;

/// <summary>When this host begins an epoch, and when older ones end: pure.</summary>
public static class EpochPlan
{
    /// <summary>What is still under way by an older epoch arrives within this.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>At most so often, however often another hand takes associations away.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>Packets by one key; far below what AES-GCM bears, and hours of a fast link.</summary>
    public const ulong PacketLimit = 1UL << 32;

    /// <summary>Beside the newest, so many older ones at most; more come only from one loss after the other.</summary>
    private const int OlderLimit = 3;

    /// <returns>Why a new epoch is due; null: none is.</returns>
    public static string? FindReason(
        ImmutableArray<OwnEpoch> own, string? lost, IEnumerable<InstalledAssociation> associations, TimeSpan rotation, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(associations);
        // A clock that was set back must not put it off.
        var age = (now - own[^1].Epoch.Since).Duration();
        if (age < Pause) return null;
        if (lost is not null) return lost;
        if (own.Length > 1) return null;
        if (age >= rotation) return string.Create(CultureInfo.InvariantCulture, $"the keys are {age.TotalHours:0.##} hours old");
        return associations.FirstOrDefault(one => one.Packets >= PacketLimit) is { } busy ? $"{busy.Association} has carried {busy.Packets} packets" : null;
    }

    public static ImmutableArray<OwnEpoch> Begin(ImmutableArray<OwnEpoch> own, byte[] secret, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(secret);
        return [.. own.Skip(own.Length - OlderLimit), new OwnEpoch(new Epoch(Convert.ToBase64String(secret), now), IsOwn: true)];
    }

    /// <param name="turnedSince">Since when all goes by the newest; null: not all does.</param>
    public static ImmutableArray<OwnEpoch> End(ImmutableArray<OwnEpoch> own, DateTimeOffset? turnedSince, DateTimeOffset now) =>
        own.Length > 1 && turnedSince is { } since && (now - since).Duration() >= Grace ? [own[^1]] : own;
}
