using System.Collections.Immutable;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Linux.Ipsec;

namespace FlannelFlow.Host.Encryption;

/// <summary>This host's epochs, and which of their keys are used up. In memory: what a daemon before has used is not known, and so not used. One loop calls.</summary>
/// <param name="random">As many bytes as it is told, from the system's random source.</param>
internal sealed class OwnKeys(string host, TimeSpan rotation, Func<int, byte[]> random)
{
    private readonly HashSet<Association> _added = [];
    private DateTimeOffset? _turnedSince;

    /// <summary>Empty until <see cref="Open"/>.</summary>
    public ImmutableArray<OwnEpoch> Epochs { get; private set; } = [];

    public IReadOnlySet<Association> Added => _added;

    /// <summary>Takes up the epochs that a daemon before has told of, so that a restart changes nothing; else begins one.</summary>
    public void Open(EncryptionState state, DateTimeOffset now)
    {
        if (!Epochs.IsEmpty) return;
        Epochs = state.Records.TryGetValue(host, out var left)
            ? [.. left.Epochs.Select(epoch => new OwnEpoch(epoch, IsOwn: false))]
            : EpochPlan.Begin([], random(Epoch.SecretSize), now);
    }

    /// <summary>A key that the kernel has, or may have, taken, or never will.</summary>
    public void Used(IpsecChange change)
    {
        if (change is IpsecChange.AddAssociation add) _added.Add(add.Association);
    }

    public EncryptionRecord RecordOf(IPv4Address address, EncryptionSteps steps) => new(host, address, [.. Epochs.Select(own => own.Epoch)], steps.Progress);

    /// <summary>Begins a new epoch, or ends older ones, where that is due.</summary>
    /// <param name="steps">Of the kernel as it stands, and as the others have been told.</param>
    /// <returns>What happened, in words; null: nothing.</returns>
    public string? Advance(EncryptionSteps steps, IEnumerable<InstalledAssociation> associations, DateTimeOffset now)
    {
        _turnedSince = steps.IsTurned ? _turnedSince ?? now : null;
        if (EpochPlan.FindReason(Epochs, steps.Lost, associations, rotation, now) is { } reason)
        {
            (Epochs, _turnedSince) = (EpochPlan.Begin(Epochs, random(Epoch.SecretSize), now), null);
            return $"new keys for encryption between hosts: {reason}";
        }

        if (EpochPlan.End(Epochs, _turnedSince, now) is var left && left.Length == Epochs.Length) return null;
        Epochs = left;
        return "all hosts use this host's new keys: the older ones are forgotten";
    }

    /// <summary>The others are told of none any more.</summary>
    public void Close() => (Epochs, _turnedSince) = ([], null);
}
