using System.Runtime.InteropServices;
using FlannelFlow.Linux.Interop;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace FlannelFlow.Linux.Processes;

/// <summary>Adopts or starts, so that never two run.</summary>
/// <remarks>
/// 1. Take flock(2) on LOG.lock. 2. Look in /proc for the command line. 3. Adopt the oldest found with the wanted environment (more than one is not our doing; the
/// others are stopped, and so is what runs with an earlier configuration), or start one. 4. Let go of the lock.
/// The lock belongs to the open file, which a process being spawned shares until its exec closes it. So even if we are killed between
/// fork and exec, the next daemon cannot look before the child has left its parent's command line behind (<see cref="ProcessTable"/>
/// knows of the moment when it has none).
/// </remarks>
internal static class ChildLauncher
{
    private static readonly TimeSpan LockRetry = TimeSpan.FromMilliseconds(20);

    public static async Task<SupervisedProcess> AdoptOrStartAsync(ChildConfig config, TimeProvider time, ILogger logger, CancellationToken ct)
    {
        LogFile.Prepare(config.LogFile);
        using var turn = await LockAsync(config.LogFile + ".lock", time, ct);
        SupervisedProcess? kept = null;
        foreach (var found in ProcessTable.Find(config.Started))
        {
            if (SupervisedProcess.Adopt(found.Identity) is not { } process) continue;
            var isWanted = config.IsWanted(found);
            if (isWanted && kept is null)
            {
                kept = process;
                logger.LogInformation("Adopted process {Pid}: {File}", found.Identity.Pid, config.File);
                continue;
            }
            logger.LogWarning(
                "Stopping process {Pid}, {Reason}: {CommandLine}",
                found.Identity.Pid,
                isWanted ? "a double" : "started with another configuration",
                string.Join(' ', found.CommandLine));
            using (process)
                await process.StopAsync(config.StopTimeout, time, ct);
        }
        if (kept is not null) return kept;
        var started = SupervisedProcess.Start(config);
        logger.LogInformation("Started process {Pid}: {File}", started.Identity.Pid, config.File);
        return started;
    }

    /// <summary>Stops all that run the command line, or once did with another configuration.</summary>
    /// <returns>How many.</returns>
    public static async Task<int> StopAllAsync(ChildConfig config, TimeProvider time, CancellationToken ct)
    {
        // Without a lock file nothing was ever started, and none is made: whoever stops may be removing the directory.
        var lockFile = config.LogFile + ".lock";
        using var turn = File.Exists(lockFile) ? await LockAsync(lockFile, time, ct) : null;
        var stopped = 0;
        foreach (var found in ProcessTable.Find(config.Started))
        {
            using var process = SupervisedProcess.Adopt(found.Identity);
            if (process is null) continue;
            await process.StopAsync(config.StopTimeout, time, ct);
            stopped++;
        }
        return stopped;
    }

    private static async Task<SafeFileHandle> LockAsync(string path, TimeProvider time, CancellationToken ct)
    {
        // Not by File.OpenHandle: it takes a flock of its own, also with FileShare.ReadWrite, and fails while another has ours.
        var fd = Libc.Open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_CLOEXEC, 0x1a4 /* 0644 */);
        if (fd < 0) throw Libc.Failed($"opening {path}");
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        try
        {
            while (Libc.Flock(handle, Libc.LOCK_EX | Libc.LOCK_NB) < 0)
            {
                if (Marshal.GetLastPInvokeError() is not (Errno.EWOULDBLOCK or Errno.EINTR)) throw Libc.Failed($"locking {path}");
                await Task.Delay(LockRetry, time, ct);
            }
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }
}
