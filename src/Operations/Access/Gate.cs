using System.Net;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Operations.Access;

/// <summary>Tells by a token who asks.</summary>
/// <remarks>
/// The tokens are read from etcd at most every few seconds, so a revoked one is refused everywhere within that time. While etcd is away those that were
/// read last stand: whoever was let in stays in, and nobody new comes in with a token that is not known.
/// </remarks>
public sealed class Gate(TokenStore store, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan MaximumAge = TimeSpan.FromSeconds(3);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private IReadOnlyList<TokenRecord> _known = [];
    private long? _readAt;

    public FailureLimit Failures { get; } = new(time);

    /// <summary>Null: it is none, was revoked, or has expired.</summary>
    /// <remarks>One that is not known may have been made just now: before it is refused they are read again, which <see cref="Failures"/> bounds.</remarks>
    public async Task<Caller?> FindAsync(string text, CancellationToken ct) =>
        Of(store.Find(await KnownAsync(MaximumAge, ct), text) ?? store.Find(await KnownAsync(TimeSpan.Zero, ct), text));

    /// <summary>Whoever signed in with this token; null: it was revoked, or has expired since.</summary>
    public async Task<Caller?> FindByIdAsync(string tokenId, CancellationToken ct) =>
        Of((await KnownAsync(MaximumAge, ct)).FirstOrDefault(token => token.Id == tokenId && store.IsValid(token)));

    public void Dispose() => _turn.Dispose();

    private static Caller? Of(TokenRecord? token) => token is null ? null : new Caller(token.Name, token.Role, token.Id);

    private async Task<IReadOnlyList<TokenRecord>> KnownAsync(TimeSpan maximumAge, CancellationToken ct)
    {
        await _turn.WaitAsync(ct);
        try
        {
            if (_readAt is { } at && time.GetElapsedTime(at) < maximumAge) return _known;
            try
            {
                _known = await store.ListAsync(ct);
            }
            catch (EtcdException)
            {
                // The mirror's loop says that etcd is away.
            }

            _readAt = time.GetTimestamp();
            return _known;
        }
        finally
        {
            _turn.Release();
        }
    }
}

/// <summary>How often an address may be wrong about a token.</summary>
public sealed class FailureLimit(TimeProvider time)
{
    /// <summary>Wrong tokens within <see cref="Window"/>; further ones are not even looked at.</summary>
    public const int Maximum = 10;

    /// <summary>More addresses than this are not told apart: all of them wait.</summary>
    private const int MaximumAddresses = 10_000;

    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, (int Count, long Began)> _failures = [];

    /// <summary>For how long the address has to wait; null: not at all.</summary>
    public TimeSpan? Wait(IPAddress address)
    {
        lock (_gate)
        {
            ForgetLocked();
            if (_failures.TryGetValue(address, out var failed) && failed.Count >= Maximum) return Window - time.GetElapsedTime(failed.Began);
            return _failures.Count >= MaximumAddresses ? Window : null;
        }
    }

    public void Failed(IPAddress address)
    {
        lock (_gate)
        {
            var (count, began) = _failures.GetValueOrDefault(address, (0, time.GetTimestamp()));
            _failures[address] = (count + 1, began);
        }
    }

    internal void Forget()
    {
        lock (_gate) _failures.Clear();
    }

    private void ForgetLocked()
    {
        foreach (var (address, _) in _failures.Where(failed => time.GetElapsedTime(failed.Value.Began) >= Window).ToList())
            _failures.Remove(address);
    }
}
