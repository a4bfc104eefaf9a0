namespace FlannelFlow.Workflows;

/// <summary>A kind of step whose whole effect is in the journal's own database: it is committed together with the step's completion, so it happens exactly once.</summary>
/// <remarks>
/// Runs on the journal's writer thread, inside its transaction, with everybody else's commits waiting behind it: a few statements, no I/O
/// of another kind, no waiting. It may run again if the transaction is taken back (a full disk): then nothing of it has happened. What it
/// throws takes back all that it wrote, and is a fault like any other. A crash never leaves it in doubt: at the next start it runs as if
/// for the first time.
/// </remarks>
public abstract class TransactionalActivity<TInput, TOutput> : Activity<TInput, TOutput>
    where TInput : class
    where TOutput : class
{
    public sealed override RecoveryMode Recovery => RecoveryMode.Transactional;

    /// <summary>Statements that make its tables if they are not there (CREATE TABLE IF NOT EXISTS), run at each opening; null if it has none.</summary>
    public virtual string? Tables => null;

    public abstract TOutput Execute(TInput input, ActivityExecution execution, JournalDatabase database);

    /// <summary>Undoes, as <see cref="Activity{TInput, TOutput}.CompensateAsync"/> does, in the transaction that records it.</summary>
    public virtual void Undo(TInput input, TOutput? output, ActivityExecution execution, JournalDatabase database) =>
        throw new InvalidOperationException($"{Type} cannot compensate");

    public sealed override Task<TOutput> ExecuteAsync(TInput input, ActivityExecution execution, CancellationToken ct) =>
        throw new InvalidOperationException($"{Type} runs in the journal's transaction");

    public sealed override Task CompensateAsync(TInput input, TOutput? output, ActivityExecution execution, CancellationToken ct) =>
        throw new InvalidOperationException($"{Type} runs in the journal's transaction");
}
