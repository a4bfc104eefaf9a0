namespace FlannelFlow.Cluster.Mirror;

/// <summary>One that acts by the mirror: takes states, and says by which it acts. Not thread safe.</summary>
public sealed class MirrorFollower : IDisposable
{
    private readonly DockerMirror _mirror;
    private MirrorState? _taken;

    internal MirrorFollower(DockerMirror mirror, string name)
    {
        _mirror = mirror;
        Name = name;
    }

    /// <summary>For people: "load balancers".</summary>
    public string Name { get; }

    /// <summary>Guarded by the mirror.</summary>
    internal long AppliedRevision { get; set; }

    /// <summary>The newest state, as soon as there is one that was not taken yet.</summary>
    public async Task<MirrorState> NextAsync(CancellationToken ct) => _taken = await _mirror.WhenAsync(state => !ReferenceEquals(state, _taken), ct);

    /// <summary>
    /// Everything up to this revision, in the history of this state, is acted by. Less than before is ignored, and so is what has become history.
    /// </summary>
    public void Applied(MirrorState state, long revision) => _mirror.Applied(this, state, revision);

    /// <summary>It acts no longer, and holds no acknowledgement back.</summary>
    public void Dispose() => _mirror.Leave(this);
}
