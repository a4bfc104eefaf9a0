using System.Runtime.InteropServices;
using System.Text;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>
/// An OCI runtime that becomes another (runc): the same arguments, environment and open files, no child process. Before a container gets its
/// stop signal it tells the daemon, and waits, for a bounded time, until no host sends the container new connections.
/// </summary>
/// <remarks>
/// containerd's shim runs the runtime for every signal (containerd process/init.go, go-runc Kill), so this is the last moment before a SIGTERM.
/// <list type="number">
/// <item>The wrapper's own options are taken from the front of the arguments.</item>
/// <item>Only <c>kill CONTAINER SIGNAL</c> with the container's stop signal waits; never SIGKILL.</item>
/// <item>What the .NET runtime changed in the process is put back, and the real runtime takes its place.</item>
/// </list>
/// </remarks>
internal static unsafe class Program
{
    /// <summary>As a shell says that a program cannot be run.</summary>
    private const int CannotExecute = 126;

    private static int Main()
    {
        var arguments = new Arguments(ReadFile("/proc/self/cmdline") ?? []);
        var words = Enumerable.Range(1, Math.Max(0, arguments.Count - 1)).Select(i => arguments[i]).ToList();

        // 1.
        var options = WrapperOptions.Parse(words, Say);
        var own = options.Count;

        // 2.
        var command = RuntimeCommand.Parse(words[own..]);
        if (options.Hold > TimeSpan.Zero && command.Kill is { } kill && Signals.Number(kill.Signal) is not Signals.Kill and var signal
            && signal == StopSignal.Of(kill.Container, command.Root, Environment.CurrentDirectory, ReadFile))
            StopNotice.Send(options.Socket, options.Hold, kill.Container, signal);

        // 3.
        var runtime = options.Runtime.Length > 0 ? options.Runtime : WrapperOptions.Candidates.FirstOrDefault(IsOther);
        if (runtime is null)
        {
            Say($"no runc in {string.Join(", ", WrapperOptions.Candidates)}: name it with --flannelflow-runtime=PATH");
            return CannotExecute;
        }
        return Become(runtime, arguments, first: 1 + own);
    }

    /// <summary>Whether it is a program, and not this one under another name.</summary>
    private static bool IsOther(string path) =>
        File.Exists(path) && (File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path) != Environment.ProcessPath;

    private static int Become(string runtime, Arguments arguments, int first)
    {
        fixed (byte* block = arguments.Block)
        fixed (byte* path = Encoding.UTF8.GetBytes(runtime + '\0'))
        {
            var pointers = stackalloc byte*[arguments.Count - first + 2];
            var count = 0;
            pointers[count++] = path;
            for (var i = first; i < arguments.Count; i++)
                pointers[count++] = block + arguments.OffsetOf(i);
            pointers[count] = null;
            // .NET ignores it, and what is ignored stays so across an exec; handlers do not.
            _ = Libc.Signal(Libc.SIGPIPE, Libc.SIG_DFL);
            _ = Libc.Execute(path, pointers);
        }
        Say($"executing {runtime}: errno {Marshal.GetLastPInvokeError()}");
        return CannotExecute;
    }

    private static byte[]? ReadFile(string path)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            var fd = Libc.Open(name, Libc.O_RDONLY | Libc.O_CLOEXEC);
            if (fd < 0)
                return null;
            var content = new byte[64 * 1024];
            var length = 0;
            while (true)
            {
                if (length == content.Length)
                    Array.Resize(ref content, 2 * length);
                nint read;
                fixed (byte* rest = &content[length])
                    read = Libc.Read(fd, rest, content.Length - length);
                if (read <= 0)
                    break;
                length += (int)read;
            }
            _ = Libc.Close(fd);
            return content[..length];
        }
    }

    private static void Say(string message)
    {
        var line = Encoding.UTF8.GetBytes($"flannelflow-runc: {message}\n");
        fixed (byte* bytes = line)
            _ = Libc.Write(2, bytes, line.Length);
    }
}
