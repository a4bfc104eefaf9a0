using System.Globalization;
using System.Runtime.ExceptionServices;
using FlannelFlow.Linux.Interop;
using Microsoft.Win32.SafeHandles;

namespace FlannelFlow.Linux.Namespaces;

/// <summary>An open network namespace: the handle keeps it alive. Identity is the inode of nsfs (namespaces(7)).</summary>
public sealed class NetworkNamespace : IDisposable
{
    private readonly SafeFileHandle _handle;

    private NetworkNamespace(string path, SafeFileHandle handle, ulong inode)
    {
        Path = path;
        _handle = handle;
        Inode = inode;
    }

    /// <summary>Opens <c>/run/docker/netns/…</c>, <c>/run/netns/NAME</c> or <c>/proc/PID/ns/net</c>.</summary>
    /// <exception cref="IOException">No such path (<see cref="FileNotFoundException"/>, <see cref="DirectoryNotFoundException"/>), or not a network namespace.</exception>
    public static NetworkNamespace Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var handle = File.OpenHandle(path);
        try
        {
            return new NetworkNamespace(path, handle, InodeOf(path, handle));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public static NetworkNamespace OfProcess(int pid) => Open(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/ns/net"));

    /// <summary>The calling thread's.</summary>
    public static NetworkNamespace Current()
    {
        var opened = Open("/proc/thread-self/ns/net");
        // By that name a command of another process would find its own.
        return new NetworkNamespace(string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{opened._handle.DangerousGetHandle()}"), opened._handle, opened.Inode);
    }

    /// <summary>A new one without a name, which ends with the handle and the sockets in it.</summary>
    /// <exception cref="IOException">Not permitted (CAP_SYS_ADMIN).</exception>
    public static NetworkNamespace Create() => OnThread("making a network namespace", () =>
        Libc.Unshare(Libc.CLONE_NEWNET) < 0 ? throw Libc.Failed("making a network namespace") : Current());

    /// <summary>The inode of a process's network namespace; null if the process is gone or is a zombie.</summary>
    public static ulong? InodeOfProcess(int pid)
    {
        try
        {
            return ParseInode(File.ResolveLinkTarget(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/ns/net"), returnFinalTarget: false)?.Name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What was opened, for messages and for other processes to open, while this is not disposed.</summary>
    public string Path { get; }

    /// <summary>Equal inodes: the same namespace (as long as both are open).</summary>
    public ulong Inode { get; }

    /// <summary>For attributes that carry it, as IFLA_NET_NS_FD; valid while this is not disposed.</summary>
    internal SafeFileHandle Handle => _handle;

    /// <summary>
    /// Runs <paramref name="create"/> inside, on a thread of its own that ends afterwards. Only for making sockets and other things that
    /// stay in their namespace: nothing asynchronous, no Process.Start, no logging, as threads begun inside would stay inside.
    /// </summary>
    public T Run<T>(Func<T> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        return OnThread("in " + Path, () => Libc.SetNs(_handle, Libc.CLONE_NEWNET) < 0 ? throw Libc.Failed($"entering network namespace {Path}") : create());
    }

    public void Dispose() => _handle.Dispose();

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Path} (net:[{Inode}])");

    /// <remarks>setns and unshare change one thread. A pool thread that missed its way back would poison all work it is given later, so this one ends instead.</remarks>
    private static T OnThread<T>(string name, Func<T> act)
    {
        T? result = default;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = act();
            }
#pragma warning disable CA1031 // handed to the caller's thread whole
            catch (Exception e)
#pragma warning restore CA1031
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        {
            IsBackground = true,
            Name = name,
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result!;
    }

    private static unsafe ulong InodeOf(string path, SafeFileHandle handle)
    {
        if (Libc.Ioctl(handle, Libc.NS_GET_NSTYPE, 0) != Libc.CLONE_NEWNET) throw new IOException($"{path} is not a network namespace");
        byte empty = 0;
        Libc.StatxInode found;
        return Libc.Statx(handle, &empty, Libc.AT_EMPTY_PATH, Libc.STATX_INO, &found) == 0 ? found.Inode : throw Libc.Failed($"reading the inode of {path}");
    }

    private static ulong? ParseInode(string? name) =>
        name is not null && name.StartsWith("net:[", StringComparison.Ordinal) && name.EndsWith(']')
        && ulong.TryParse(name.AsSpan(5, name.Length - 6), NumberStyles.None, CultureInfo.InvariantCulture, out var inode) ? inode : null;
}
