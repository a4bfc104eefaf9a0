namespace FlannelFlow.Workflows;

/// <summary>What can happen to an open instance. All of one instance go through its mailbox, one at a time.</summary>
internal abstract record InstanceEvent
{
    /// <summary>The lanes are granted.</summary>
    public sealed record Granted : InstanceEvent;

    /// <summary>The runtime began executing, and this instance was open in the journal.</summary>
    public sealed record Recovered : InstanceEvent;

    /// <summary>An attempt, or an undoing, came to its end.</summary>
    /// <param name="Output">JSON object; null from an undoing.</param>
    public sealed record Succeeded(AttemptId Of, string? Output) : InstanceEvent;

    /// <param name="Chance">Uniform in [0, 1), for the jitter of a retry.</param>
    public sealed record Failed(AttemptId Of, FaultKind Kind, string Message, double Chance) : InstanceEvent;

    /// <summary>The attempt's effect is to be made in the transaction that records it.</summary>
    public sealed record Ready(AttemptId Of) : InstanceEvent;

    /// <summary>The time of a scheduled attempt has come.</summary>
    public sealed record Due(int Seq) : InstanceEvent;

    /// <summary>A signal was matched to the bookmark of an execution, durably.</summary>
    public sealed record Signalled(SignalMatch Match) : InstanceEvent;

    /// <summary>It cannot go on by itself: its definition does not load any more, or the engine found what cannot be.</summary>
    public sealed record Broken(string Message) : InstanceEvent;

    /// <summary>An operator's doing.</summary>
    /// <param name="Target">Of Migrate: the definition that is loaded now; null if none is.</param>
    /// <param name="HoldsLanes">Whether the instance has its lanes; the mailbox knows when it takes the event.</param>
    public sealed record Altered(Alteration Alteration, string Who, string Why, WorkflowDefinition? Target = null, bool HoldsLanes = false) : InstanceEvent
    {
        /// <summary>Completes after the commit; fails with why there was none.</summary>
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>Tells the end of an attempt from that of one that was given up since.</summary>
internal readonly record struct AttemptId(int Seq, int Attempt, bool Undoing)
{
    public static AttemptId Of(ExecutionState execution) => new(execution.Seq, execution.Attempt, execution.IsUndoing);
}
