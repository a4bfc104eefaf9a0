using System.Runtime.InteropServices;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>The few calls of the C library that this program consists of. Nothing of .NET's own files or sockets: they cost start-up time.</summary>
internal static unsafe partial class Libc
{
    private const string Library = "libc";

    // asm-generic/fcntl.h, asm-generic/socket.h and bits/socket_type.h
    public const int O_RDONLY = 0, O_CLOEXEC = 0x80000;
    public const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int SIGPIPE = 13, SIG_DFL = 0;

    public const int PathMax = 107; // sun_path of sys/un.h, without its final NUL

    /// <summary>sockaddr_un.</summary>
    public struct UnixAddress
    {
        public ushort Family;
        public fixed byte Path[PathMax + 1];
    }

    /// <summary>struct timeval of 64-bit machines.</summary>
    public struct TimeValue
    {
        public nint Seconds;
        public nint Microseconds;
    }

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    public static partial int Open(byte* path, int flags);

    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int fd, byte* buffer, nint count);

    [LibraryImport(Library, EntryPoint = "write")]
    public static partial nint Write(int fd, byte* buffer, nint count);

    [LibraryImport(Library, EntryPoint = "close")]
    public static partial int Close(int fd);

    [LibraryImport(Library, EntryPoint = "socket")]
    public static partial int Socket(int domain, int type, int protocol);

    [LibraryImport(Library, EntryPoint = "connect")]
    public static partial int Connect(int fd, UnixAddress* address, int length);

    [LibraryImport(Library, EntryPoint = "setsockopt")]
    public static partial int SetSockOpt(int fd, int level, int option, TimeValue* value, int length);

    [LibraryImport(Library, EntryPoint = "send")]
    public static partial nint Send(int fd, byte* bytes, nint count, int flags);

    [LibraryImport(Library, EntryPoint = "recv")]
    public static partial nint Receive(int fd, byte* bytes, nint count, int flags);

    [LibraryImport(Library, EntryPoint = "signal")]
    public static partial nint Signal(int number, nint handler);

    /// <summary>With the environment of this process as it is.</summary>
    [LibraryImport(Library, EntryPoint = "execv", SetLastError = true)]
    public static partial int Execute(byte* path, byte** arguments);
}
