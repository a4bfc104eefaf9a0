using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace FlannelFlow.Workflows;

/// <summary>The one writer: a thread of its own that owns the write connection and commits in groups.</summary>
/// <remarks>
/// Commits wait in a bounded channel. The thread takes what is there, up to <see cref="GroupLimit"/>, into one BEGIN IMMEDIATE …
/// COMMIT (one fsync of the write-ahead log, synchronous=FULL); each has a savepoint, so that one that is refused (revision guard)
/// takes nothing with it. Callers are told after COMMIT, never before. A failure of SQLite itself is fail-stop: after an fsync error
/// nobody knows what is durable, and asking again lies (Rebello et al., "Can Applications Recover from fsync Failures?", ATC '20).
/// </remarks>
internal sealed class JournalWriter : IDisposable
{
    public const int GroupLimit = 256;

    /// <summary>SQLITE_IOERR_SHMSIZE: the -shm file could not grow; sqlite3.h.</summary>
    private const int ShmSize = 10 | (19 << 8);

    /// <summary>How often a full disk is tried again.</summary>
    private static readonly TimeSpan FullInterval = TimeSpan.FromMilliseconds(250);

    private readonly SqliteConnection _connection;
    private readonly JournalTransaction _transaction;
    private readonly Statement _begin;
    private readonly Statement _savepoint;
    private readonly Statement _release;
    private readonly Statement _undo;
    private readonly Statement _commit;
    private readonly Statement _rollback;
    private readonly Channel<Pending> _queue;
    private readonly AutoResetEvent _wake = new(false);
    private readonly Thread _thread;
    private readonly ICrashPoints? _crashes;
    private readonly Action<Exception> _died;
    private readonly Action<Exception?> _full;
    private volatile Exception? _dead;
    private volatile bool _isStopping;
    private TaskCompletionSource<bool> _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _committedSeq;
    private long _commits;

    /// <param name="connection">Open, owned by the writer from now on.</param>
    /// <param name="died">Called once, on the writer's thread, with what it died of.</param>
    /// <param name="full">Called on the writer's thread when the disk is full, with null when it is not any more.</param>
    public JournalWriter(SqliteConnection connection, int capacity, ICrashPoints? crashes, Action<Exception> died, Action<Exception?> full)
    {
        _full = full;
        _connection = connection;
        _crashes = crashes;
        _died = died;
        _committedSeq = JournalSchema.Scalar(connection, "SELECT seq FROM sqlite_sequence WHERE name='journal'");
        _transaction = new JournalTransaction(connection, _committedSeq);
        _begin = new Statement(connection, "BEGIN IMMEDIATE");
        _savepoint = new Statement(connection, "SAVEPOINT one");
        _release = new Statement(connection, "RELEASE one");
        _undo = new Statement(connection, "ROLLBACK TO one");
        _commit = new Statement(connection, "COMMIT");
        _rollback = new Statement(connection, "ROLLBACK");
        _queue = Channel.CreateBounded<Pending>(new BoundedChannelOptions(capacity) { SingleReader = true });
        _thread = new Thread(Run) { Name = "journal writer", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Sequence number of the last event that is durable.</summary>
    public long CommittedSeq => Volatile.Read(ref _committedSeq);

    /// <summary>Transactions that made events durable; each is one fsync.</summary>
    public long Commits => Volatile.Read(ref _commits);

    /// <summary>True once events after a sequence number are durable; false once none will be.</summary>
    public Task<bool> ProgressAfter(long seq)
    {
        Task<bool> progress = Volatile.Read(ref _progress).Task;
        return CommittedSeq > seq ? Task.FromResult(true) : progress;
    }

    public Task<AcceptResult> AcceptAsync(InstanceCommit commit, JoinPolicy join, CancellationToken ct) =>
        WriteAsync(t => t.Accept(commit, join), new CrashPoint(commit.State.DefinitionId, "accept", ""), ct, isAdmission: true);

    public Task<IReadOnlyList<SignalMatch>> ApplyAsync(InstanceCommit commit, CrashPoint point, CancellationToken ct) => WriteAsync(t => t.Apply(commit), point, ct);

    public Task<(Decision Decision, IReadOnlyList<SignalMatch> Matches)> TransactAsync(Func<JournalDatabase, Decision> effect, CrashPoint point, CancellationToken ct) =>
        WriteAsync(t => t.Transact(effect), point, ct);

    public Task<SignalResult> SendAsync(Signal signal, DateTimeOffset now, CancellationToken ct) =>
        WriteAsync(t => t.Send(signal, now), new CrashPoint("signal", signal.Name, ""), ct, isAdmission: true);

    public Task<int> PurgeAsync(DateTimeOffset before, int limit, CancellationToken ct) => WriteAsync(t => t.Purge(before, limit), null, ct);

    /// <summary>Once queued, it is committed whatever the token says: the token ends only the wait for a place in the queue.</summary>
    private async Task<T> WriteAsync<T>(Func<JournalTransaction, T> write, CrashPoint? point, CancellationToken ct, bool isAdmission = false)
    {
        if (_dead is { } dead) throw Stopped(dead);
        var pending = new Pending<T>(write, point) { IsAdmission = isAdmission };
        try
        {
            await _queue.Writer.WriteAsync(pending, ct);
        }
        catch (ChannelClosedException)
        {
            throw Stopped(_dead);
        }
        _wake.Set();
        return await pending.Done.Task;
    }

    private void Run()
    {
        var group = new List<Pending>(GroupLimit);
        try
        {
            while (Take(group))
            {
                CommitWhenThereIsSpace(group);
                group.Clear();
            }
        }
        // Whatever it is, nothing may be written after it.
        catch (Exception e)
        {
            Die(e, group);
        }
        finally
        {
            _transaction.Dispose();
            foreach (Statement statement in (Statement[])[_begin, _savepoint, _release, _undo, _commit, _rollback]) statement.Dispose();
            _connection.Dispose();
            Volatile.Read(ref _progress).TrySetResult(false);
        }
    }

    /// <summary>False when the queue is closed and empty.</summary>
    private bool Take(List<Pending> group)
    {
        while (group.Count == 0)
        {
            while (group.Count < GroupLimit && _queue.Reader.TryRead(out Pending? pending)) group.Add(pending);
            if (group.Count > 0) break;
            if (_queue.Reader.Completion.IsCompleted) return false;
            _wake.WaitOne();
        }
        return true;
    }

    /// <summary>Of a full disk nothing is lost: what is under way waits for space, with its lanes; what is new is refused.</summary>
    /// <remarks>
    /// SQLITE_FULL is a write that the file system refused before COMMIT: SQLite has taken the transaction back, and it can be tried
    /// again, unlike after a failed fsync.
    /// </remarks>
    private void CommitWhenThereIsSpace(List<Pending> group)
    {
        bool waited = false;
        while (group.Count > 0)
        {
            try
            {
                Commit(group);
                break;
            }
            catch (SqliteException e) when (IsFull(e))
            {
                TakeBack();
                Refuse(group, e);
                if (!waited) _full(e);
                waited = true;
                if (group.Count == 0) break;
                if (_isStopping) throw Stopped(e);
                _wake.WaitOne(FullInterval);
                ThrowIfDead();
                while (group.Count < GroupLimit && _queue.Reader.TryRead(out Pending? pending)) group.Add(pending);
            }
        }
        if (waited && group.Count > 0) _full(null);
    }

    private static bool IsFull(SqliteException e) => e.SqliteErrorCode == SQLitePCL.raw.SQLITE_FULL || e.SqliteExtendedErrorCode == ShmSize;

    private void TakeBack()
    {
        // SQLite may have rolled back by itself.
        if (SQLitePCL.raw.sqlite3_get_autocommit(_connection.Handle) == 0) _rollback.Run();
        _transaction.LastSeq = CommittedSeq;
    }

    private static void Refuse(List<Pending> group, SqliteException cause)
    {
        foreach (Pending pending in group.Where(p => p.IsAdmission))
            pending.Fail(new JournalFullException($"the disk of the journal is full, no workflow is accepted: {cause.Message}", cause));
        group.RemoveAll(p => p.IsAdmission);
    }

    private void Commit(List<Pending> group)
    {
        ThrowIfDead();
        foreach (Pending pending in group) pending.Refused = null;
        _begin.Run();
        foreach (Pending pending in group)
        {
            long seq = _transaction.LastSeq;
            _savepoint.Run();
            try
            {
                pending.Apply(_transaction);
                _release.Run();
            }
            catch (Exception e) when (e is not SqliteException)
            {
                _undo.Run();
                _release.Run();
                _transaction.LastSeq = seq;
                pending.Refused = e;
            }
        }
        foreach (Pending pending in group) Pass(pending.Point, "before-commit");
        ThrowIfDead();
        _commit.Run();
        if (_transaction.LastSeq > CommittedSeq) Volatile.Write(ref _commits, _commits + 1);
        foreach (Pending pending in group) Pass(pending.Point, "after-commit");
        // Before anybody is told: who was finds that CommittedSeq has it.
        bool isProgress = _transaction.LastSeq > CommittedSeq;
        Volatile.Write(ref _committedSeq, _transaction.LastSeq);
        foreach (Pending pending in group) pending.Tell();
        if (!isProgress) return;
        Interlocked.Exchange(ref _progress, new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult(true);
    }

    private void ThrowIfDead()
    {
        if (_dead is { } dead) throw Stopped(dead);
    }

    private void Pass(CrashPoint? point, string moment)
    {
        if (_crashes is not null && point is { } at) _crashes.Pass(at with { Moment = at.Moment + moment });
    }

    private void Die(Exception cause, List<Pending> group)
    {
        _dead ??= cause;
        _queue.Writer.TryComplete();
        _died(cause);
        foreach (Pending pending in group) pending.Fail(Stopped(cause));
        while (_queue.Reader.TryRead(out Pending? pending)) pending.Fail(Stopped(cause));
    }

    /// <summary>From now on a full disk is not waited for: what it holds up is as in a crash.</summary>
    public void Stopping()
    {
        _isStopping = true;
        _wake.Set();
    }

    /// <summary>As a kill would: nothing is written any more, not even what is queued.</summary>
    public void Kill(Exception cause)
    {
        _dead ??= cause;
        _queue.Writer.TryComplete();
        _wake.Set();
    }

    private static RuntimeStoppedException Stopped(Exception? cause) =>
        new(cause is null ? "the workflow runtime is stopped" : $"the workflow runtime is stopped: {cause.Message}");

    /// <summary>Commits what is queued, then closes the file.</summary>
    public void Dispose()
    {
        _queue.Writer.TryComplete();
        _wake.Set();
        _thread.Join();
        // _wake stays for the finalizer: a caller that lost the race against the closing may still set it.
    }
}

/// <summary>The disk of the journal is full. Nothing was accepted; the same start may be tried again.</summary>
public sealed class JournalFullException(string message, Exception inner) : Exception(message, inner);
