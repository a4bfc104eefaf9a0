namespace FlannelFlow.Cluster.Mirror;

/// <summary>One that acts by the mirror: takes states, and says by which it acts. Not thread safe, but for <see cref="Applied"/>.</summary>
public sealed class MirrorFollower : IDisposable
{
    private readonly DockerMirror _mirror;
    private MirrorState? _taken;
    private long _applied;

    internal MirrorFollower(DockerMirror mirror, string name)
    {
        _mirror = mirror;
        Name = name;
    }

    /// <summary>For people: "load balancers".</summary>
    public string Name { get; }

    public long AppliedRevision => Interlocked.Read(ref _applied);

    /// <summary>The newest state, as soon as there is one that was not taken yet.</summary>
    public async Task<MirrorState> NextAsync(CancellationToken ct) => _taken = await _mirror.WhenAsync(state => !ReferenceEquals(state, _taken), ct);

    /// <summary>Everything up to this revision is acted by. Less than before is ignored.</summary>
    public void Applied(long revision)
    {
        for (var before = AppliedRevision; revision > before; before = AppliedRevision)
        {
            if (Interlocked.CompareExchange(ref _applied, revision, before) != before) continue;
            _mirror.Acted();
            return;
        }
    }

    /// <summary>It acts no longer, and holds no acknowledgement back.</summary>
    public void Dispose() => _mirror.Leave(this);
}
