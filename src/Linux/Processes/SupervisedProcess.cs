using System.Runtime.InteropServices;
using FlannelFlow.Linux.Interop;
using Microsoft.Win32.SafeHandles;

namespace FlannelFlow.Linux.Processes;

/// <summary>One running process that outlives us, held by a pidfd (pidfd_open(2)): signals reach it or nobody, and its end is awaited.</summary>
/// <remarks>Disposing ends the watch, not the process. A thread of its own waits for the end and, if it is our child, reaps it.</remarks>
public sealed class SupervisedProcess : IDisposable
{
    private const int WatchStackSize = 128 * 1024;

    private readonly SafeFileHandle _pidfd;
    private readonly SafeFileHandle _wake;
    private readonly TaskCompletionSource<ProcessExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SupervisedProcess(ProcessIdentity identity, bool adopted, long logStart, SafeFileHandle pidfd)
    {
        Identity = identity;
        IsAdopted = adopted;
        LogStart = logStart;
        _pidfd = pidfd;
        var wake = Libc.EventFd(0, Libc.EFD_CLOEXEC);
        if (wake < 0)
        {
            pidfd.Dispose();
            throw Libc.Failed("making an eventfd");
        }
        _wake = new SafeFileHandle(wake, ownsHandle: true);
        new Thread(Watch, WatchStackSize) { IsBackground = true, Name = $"waits for {identity.Pid}" }.Start();
    }

    public ProcessIdentity Identity { get; }

    public bool IsAdopted { get; }

    /// <summary>Length of the log file when the process was started; 0 if it was adopted.</summary>
    internal long LogStart { get; }

    /// <summary>Completes at its end; cancelled if this is disposed before.</summary>
    public Task<ProcessExit> Exited => _exited.Task;

    /// <summary>Starts it (posix_spawn(3)). When this returns, <see cref="ProcessTable"/> finds it.</summary>
    /// <exception cref="IOException">"starting /usr/bin/flanneld: ENOENT", or the log file cannot be opened.</exception>
    public static SupervisedProcess Start(ChildConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var logStart = LogFile.Prepare(config.LogFile);
        var environment = config.Environment.Where(v => v.Key != ReadinessNotification.Variable).Select(v => $"{v.Key}={v.Value}");
        if (config.NotifySocket is not null) environment = environment.Append($"{ReadinessNotification.Variable}={config.NotifySocket}");
        var pid = PosixSpawn.Start(config.CommandLine, [.. environment], config.LogFile);
        // As its parent we hold its pid until we reap it: even if it ended already, both of these still mean this process.
        var pidfd = TryOpenPidfd(pid) ?? throw Libc.Failed($"opening a pidfd of process {pid}", Errno.ESRCH);
        return new SupervisedProcess(new ProcessIdentity(pid, ProcessTable.ReadStat(pid)?.StartTicks ?? 0), adopted: false, logStart, pidfd);
    }

    /// <summary>Takes hold of a running process, whoever started it; null if it is gone.</summary>
    public static SupervisedProcess? Adopt(ProcessIdentity identity)
    {
        if (TryOpenPidfd(identity.Pid) is not { } pidfd) return null;
        if (ProcessTable.Identify(identity.Pid) == identity) return new SupervisedProcess(identity, adopted: true, logStart: 0, pidfd);
        pidfd.Dispose();
        return null;
    }

    /// <returns>False if it has ended.</returns>
    public bool Signal(int signal)
    {
        if (Libc.PidfdSendSignal(Libc.SYS_pidfd_send_signal, _pidfd, signal, 0, 0) == 0) return true;
        return Marshal.GetLastPInvokeError() == Errno.ESRCH ? false : throw Libc.Failed($"sending signal {signal} to process {Identity.Pid}");
    }

    /// <summary>SIGTERM; SIGKILL after <paramref name="grace"/>; returns when it is gone.</summary>
    public async Task<ProcessExit> StopAsync(TimeSpan grace, TimeProvider time, CancellationToken ct)
    {
        if (Signal(Libc.SIGTERM))
        {
            try
            {
                return await Exited.WaitAsync(grace, time, ct);
            }
            catch (TimeoutException)
            {
                Signal(Libc.SIGKILL);
            }
        }
        return await Exited.WaitAsync(ct);
    }

    public unsafe void Dispose()
    {
        ulong one = 1;
        var held = false;
        try
        {
            _wake.DangerousAddRef(ref held);
            Libc.Write((int)_wake.DangerousGetHandle(), &one, sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
            return;
        }
        finally
        {
            if (held) _wake.DangerousRelease();
        }
        _wake.Dispose();   // closed for good when the watching thread lets go of it too
        _pidfd.Dispose();
    }

    /// <returns>Null if there is no such process.</returns>
    private static SafeFileHandle? TryOpenPidfd(int pid)
    {
        var fd = Libc.PidfdOpen(Libc.SYS_pidfd_open, pid, 0);
        if (fd >= 0) return new SafeFileHandle(fd, ownsHandle: true);
        return Marshal.GetLastPInvokeError() == Errno.ESRCH ? null : throw Libc.Failed($"opening a pidfd of process {pid}");
    }

    private unsafe void Watch()
    {
        bool pidfdHeld = false, wakeHeld = false;
        try
        {
            _pidfd.DangerousAddRef(ref pidfdHeld);
            _wake.DangerousAddRef(ref wakeHeld);
            var fds = stackalloc Libc.PollFd[2];
            fds[0] = new Libc.PollFd { Fd = (int)_pidfd.DangerousGetHandle(), Events = Libc.POLLIN };
            fds[1] = new Libc.PollFd { Fd = (int)_wake.DangerousGetHandle(), Events = Libc.POLLIN };
            while (Libc.Poll(fds, 2, -1) < 0)
            {
                if (Marshal.GetLastPInvokeError() == Errno.EINTR) continue;
                _exited.TrySetException(Libc.Failed($"waiting for process {Identity.Pid}"));
                return;
            }
            if (fds[0].Returned != 0)
                _exited.TrySetResult(Reap(fds[0].Fd));
            else
                _exited.TrySetCanceled();
        }
        catch (ObjectDisposedException)
        {
            _exited.TrySetCanceled();   // disposed before this thread began
        }
        finally
        {
            if (pidfdHeld) _pidfd.DangerousRelease();
            if (wakeHeld) _wake.DangerousRelease();
        }
    }

    /// <summary>waitid by pidfd takes this child and no other, so that it does not disturb System.Diagnostics.Process.</summary>
    private static unsafe ProcessExit Reap(int pidfd)
    {
        Libc.ChildSignalInfo info = default;
        int result;
        do result = Libc.WaitId(Libc.P_PIDFD, (uint)pidfd, &info, Libc.WEXITED | Libc.WNOHANG);
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        if (result < 0 || info.Pid == 0) return new ProcessExit(null, null);   // ECHILD: another's child
        return info.Code == Libc.CLD_EXITED ? new ProcessExit(info.Status, null) : new ProcessExit(null, info.Status);
    }
}
