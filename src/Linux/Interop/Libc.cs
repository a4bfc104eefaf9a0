using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace FlannelFlow.Linux.Interop;

/// <summary>The C library's calls that .NET has no face for. Each sets the last P/Invoke error to errno.</summary>
internal static unsafe partial class Libc
{
    private const string Library = "libc";

    public const int AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1, SO_RCVBUFFORCE = 33;
    public const int CLONE_NEWNET = 0x40000000;
    public const int AT_EMPTY_PATH = 0x1000;
    public const uint STATX_INO = 0x100;
    public const nuint NS_GET_NSTYPE = 0xb703;   // linux/nsfs.h
    public const int SIGKILL = 9, SIGTERM = 15;
    public const int P_PIDFD = 3, WEXITED = 4, WNOHANG = 1;
    public const int CLD_EXITED = 1;
    public const short POLLIN = 1;
    public const int LOCK_EX = 2, LOCK_NB = 4;
    public const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CLOEXEC = 0x80000, O_CREAT = 0x40, O_APPEND = 0x400;
    public const short POSIX_SPAWN_SETSIGDEF = 0x04, POSIX_SPAWN_SETSIGMASK = 0x08, POSIX_SPAWN_SETSID = 0x80;
    public const int EFD_CLOEXEC = 0x80000;

    // System call numbers of the asm-generic table, which x86-64 shares from pidfd_send_signal on.
    public const nint SYS_pidfd_send_signal = 424, SYS_pidfd_open = 434, SYS_close_range = 436;
    public const nint CLOSE_RANGE_CLOEXEC = 4;

    /// <summary>sockaddr_nl of linux/netlink.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct SockaddrNetlink
    {
        public ushort Family;
        public ushort Pad;
        public uint PortId;
        public uint Groups;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }

    /// <summary>The part of siginfo_t that waitid fills (64-bit layout).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct ChildSignalInfo
    {
        public int Signal;
        public int Error;
        public int Code;
        private readonly int _pad;
        public int Pid;
        public uint Uid;
        public int Status;
    }

    /// <summary>struct statx of linux/stat.h, which is the same on all machines; only the inode is looked at.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatxInode
    {
        [FieldOffset(32)]
        public ulong Inode;
    }

    [LibraryImport(Library, EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int domain, int type, int protocol);

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int fd, SockaddrNetlink* address, uint length);

    [LibraryImport(Library, EntryPoint = "getsockname", SetLastError = true)]
    public static partial int GetSockName(int fd, SockaddrNetlink* address, uint* length);

    [LibraryImport(Library, EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetSockOpt(int fd, int level, int option, int* value, uint length);

    [LibraryImport(Library, EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int fd);

    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNs(SafeFileHandle fd, int kind);

    [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int kinds);

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(SafeFileHandle fd, nuint request, nint argument);

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(SafeFileHandle fd, byte* path, int flags, uint mask, StatxInode* result);

    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    public static partial int Flock(SafeFileHandle fd, int operation);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint PidfdOpen(nint number, nint pid, nint flags);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint PidfdSendSignal(nint number, SafeFileHandle pidfd, nint signal, nint info, nint flags);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    public static partial nint CloseRange(nint number, nint first, nint last, nint flags);

    [LibraryImport(Library, EntryPoint = "waitid", SetLastError = true)]
    public static partial int WaitId(int kind, uint id, ChildSignalInfo* info, int options);

    [LibraryImport(Library, EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollFd* fds, nuint count, int timeoutMilliseconds);

    [LibraryImport(Library, EntryPoint = "eventfd", SetLastError = true)]
    public static partial int EventFd(uint initial, int flags);

    [LibraryImport(Library, EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int fd, void* bytes, nuint count);

    // The posix_spawn family returns the error instead of setting errno.
    [LibraryImport(Library, EntryPoint = "posix_spawn")]
    public static partial int PosixSpawn(int* pid, byte* path, void* actions, void* attributes, byte** argv, byte** environment);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int SpawnActionsInit(void* actions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int SpawnActionsDestroy(void* actions);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_addopen")]
    public static partial int SpawnActionsAddOpen(void* actions, int fd, byte* path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int SpawnActionsAddDup2(void* actions, int fd, int newFd);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_init")]
    public static partial int SpawnAttributesInit(void* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_destroy")]
    public static partial int SpawnAttributesDestroy(void* attributes);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SpawnAttributesSetFlags(void* attributes, short flags);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setsigdefault")]
    public static partial int SpawnAttributesSetDefaultSignals(void* attributes, void* signals);

    [LibraryImport(Library, EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SpawnAttributesSetSignalMask(void* attributes, void* signals);

    [LibraryImport(Library, EntryPoint = "sigfillset")]
    public static partial int SignalSetFill(void* signals);

    [LibraryImport(Library, EntryPoint = "sigemptyset")]
    public static partial int SignalSetEmpty(void* signals);

    /// <summary>An IOException "act: ERRNO" from the last call's errno.</summary>
    public static IOException Failed(string act) => Failed(act, Marshal.GetLastPInvokeError());

    public static IOException Failed(string act, int errno) => new($"{act}: {Errno.Name(errno)}");
}
