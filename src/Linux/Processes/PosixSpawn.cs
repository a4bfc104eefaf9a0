using System.Runtime.InteropServices;
using FlannelFlow.Linux.Interop;

namespace FlannelFlow.Linux.Processes;

/// <summary>posix_spawn(3) in the one form we need. System.Diagnostics.Process can neither append to a file nor begin a session.</summary>
internal static unsafe class PosixSpawn
{
    /// <summary>Room for posix_spawn_file_actions_t (80 bytes), posix_spawnattr_t (336) and sigset_t (128) of glibc and musl.</summary>
    private const int OpaqueSize = 512;

    /// <summary>
    /// Own session, no blocked or ignored signals (.NET ignores SIGPIPE, which exec would pass on), stdin /dev/null, stdout and stderr
    /// appended to <paramref name="logFile"/>, no other fd.
    /// </summary>
    /// <returns>The pid; it is at the new program, or within the exec, by then.</returns>
    public static int Start(IReadOnlyList<string> commandLine, IReadOnlyList<string> environment, string logFile)
    {
        void* actions = stackalloc byte[OpaqueSize], attributes = stackalloc byte[OpaqueSize], signals = stackalloc byte[OpaqueSize];
        var argv = ToStrings(commandLine);
        var envp = ToStrings(environment);
        var (file, log, devNull) = (ToString(commandLine[0]), ToString(logFile), ToString("/dev/null"));
        Check(Libc.SpawnActionsInit(actions));
        Check(Libc.SpawnAttributesInit(attributes));
        try
        {
            Check(Libc.SpawnActionsAddOpen(actions, 0, (byte*)devNull, Libc.O_RDONLY, 0));
            Check(Libc.SpawnActionsAddOpen(actions, 1, (byte*)log, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_APPEND, 0x1a4 /* 0644 */));
            Check(Libc.SpawnActionsAddDup2(actions, 1, 2));
            Check(Libc.SpawnAttributesSetFlags(attributes, Libc.POSIX_SPAWN_SETSID | Libc.POSIX_SPAWN_SETSIGDEF | Libc.POSIX_SPAWN_SETSIGMASK));
            Check(Libc.SignalSetFill(signals));
            Check(Libc.SpawnAttributesSetDefaultSignals(attributes, signals));
            Check(Libc.SignalSetEmpty(signals));
            Check(Libc.SpawnAttributesSetSignalMask(attributes, signals));
            // .NET opens all with close-on-exec, but what our own starter left open in us is not: a child holding its pipe for weeks would
            // keep it waiting. They are marked, not closed in the child, for ChildLauncher's lock must last until the exec.
            // Kernels before 5.11 refuse, and leak as they always did.
            _ = Libc.CloseRange(Libc.SYS_close_range, 3, int.MaxValue, Libc.CLOSE_RANGE_CLOEXEC);
            int pid;
            var error = Libc.PosixSpawn(&pid, (byte*)file, actions, attributes, (byte**)argv, (byte**)envp);
            return error == 0 ? pid : throw Libc.Failed($"starting {commandLine[0]}", error);
        }
        finally
        {
            _ = Libc.SpawnActionsDestroy(actions);
            _ = Libc.SpawnAttributesDestroy(attributes);
            FreeStrings(argv, commandLine.Count);
            FreeStrings(envp, environment.Count);
            NativeMemory.Free((void*)file);
            NativeMemory.Free((void*)log);
            NativeMemory.Free((void*)devNull);
        }

        static void Check(int error)
        {
            if (error != 0) throw Libc.Failed("preparing a process", error);
        }
    }

    private static nint ToStrings(IReadOnlyList<string> strings)
    {
        var array = (nint*)NativeMemory.AllocZeroed((nuint)strings.Count + 1, (nuint)sizeof(nint));
        for (var i = 0; i < strings.Count; i++)
            array[i] = ToString(strings[i]);
        return (nint)array;
    }

    private static nint ToString(string text)
    {
        if (text.Contains('\0', StringComparison.Ordinal)) throw new ArgumentException("a process argument holds a zero character");
        var length = System.Text.Encoding.UTF8.GetByteCount(text);
        var bytes = (byte*)NativeMemory.AllocZeroed((nuint)length + 1);
        System.Text.Encoding.UTF8.GetBytes(text, new Span<byte>(bytes, length));
        return (nint)bytes;
    }

    private static void FreeStrings(nint array, int count)
    {
        for (var i = 0; i < count; i++)
            NativeMemory.Free((void*)((nint*)array)[i]);
        NativeMemory.Free((void*)array);
    }
}
