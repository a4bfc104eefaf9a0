namespace FlannelFlow.Workflows;

/// <summary>A write on its way through the writer.</summary>
internal abstract class Pending(CrashPoint? point)
{
    /// <summary>Whether it is refused, not kept waiting, while the disk is full.</summary>
    public bool IsAdmission { get; init; }

    public CrashPoint? Point => point;

    /// <summary>Why its savepoint was rolled back; told, like success, after COMMIT.</summary>
    public Exception? Refused { get; set; }

    public abstract void Apply(JournalTransaction transaction);
    public abstract void Tell();
    public abstract void Fail(Exception cause);
}

internal sealed class Pending<T>(Func<JournalTransaction, T> write, CrashPoint? point) : Pending(point)
{
    private T? _result;

    /// <summary>Continuations must not run on the writer's thread.</summary>
    public TaskCompletionSource<T> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override void Apply(JournalTransaction transaction) => _result = write(transaction);

    public override void Tell()
    {
        if (Refused is not null) Done.TrySetException(Refused);
        else Done.TrySetResult(_result!);
    }

    public override void Fail(Exception cause) => Done.TrySetException(cause);
}
