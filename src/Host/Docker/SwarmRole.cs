namespace FlannelFlow.Host.Docker;

/// <summary>Whether to ask this host's engine what only a manager of a swarm knows.</summary>
/// <remarks>
/// A worker's dockerd writes two errors into its log for each such question. An engine tells of services and nodes, in its events, from the moment on
/// when it is a manager (moby daemon/cluster/noderunner.go: watchClusterEvents), so it need not be asked over and over. Safe for concurrent callers.
/// </remarks>
public sealed class SwarmRole(TimeProvider time)
{
    /// <summary>For how long it is taken for no manager although nothing was heard: an event may be lost.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private long? _refusedAt;
    private int _heard;

    /// <summary>What is asked; null: it said that it is no manager, not long ago or now.</summary>
    /// <param name="ask">Answers null to say so.</param>
    public async Task<T?> AskManagerAsync<T>(Func<Task<T?>> ask)
        where T : class
    {
        int heard;
        lock (_lock)
        {
            if (_refusedAt is { } at && time.GetElapsedTime(at) < Memory) return null;
            heard = _heard;
        }

        var answer = await ask();
        lock (_lock)
        {
            // What was heard in the meantime is newer than the answer.
            _refusedAt = answer is null && heard == _heard ? time.GetTimestamp() : null;
        }

        return answer;
    }

    /// <summary>Something was heard that may have made it a manager: a manager's event, or the engine has started anew.</summary>
    public void Heard()
    {
        lock (_lock) (_refusedAt, _heard) = (null, _heard + 1);
    }
}
