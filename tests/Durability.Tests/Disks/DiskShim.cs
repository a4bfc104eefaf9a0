using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FlannelFlow.Durability.Tests.Disks;

/// <summary>A disk as SQLite sees it. What is not overridden is the real one's.</summary>
internal abstract class Disk
{
    /// <summary>SQLITE_IOERR_FSYNC and SQLITE_FULL; sqlite3.h.</summary>
    public const int SyncFailed = 10 | (4 << 8), Full = 13;

    /// <summary>Before a write; 0, or SQLite's code of the error that it is.</summary>
    public virtual int Write(string file, long offset, ReadOnlySpan<byte> data) => 0;

    /// <summary>Before a truncation.</summary>
    public virtual int Truncate(string file, long size) => 0;

    /// <summary>After a file was deleted.</summary>
    public virtual void Delete(string file)
    {
    }

    /// <summary>A sync, which <paramref name="really"/> does.</summary>
    public virtual int Sync(string file, Func<int> really) => really();
}

/// <summary>Puts disks between SQLite and the folders they stand for: a VFS around the default one, and the default from then on.</summary>
/// <remarks>
/// https://sqlite.org/vfs.html. The struct of the unix VFS is copied with another xOpen and xDelete; of a file below a watched folder the table of
/// methods is replaced by a copy whose xWrite, xTruncate, xSync and xClose are those below, which go on to the file's own.
/// </remarks>
internal static unsafe class DiskShim
{
    private static readonly ConcurrentDictionary<string, Disk> Disks = new(StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<nint, OpenFile> Files = new();
    private static readonly ConcurrentDictionary<nint, nint> Patched = new();
    private static readonly Vfs* Original = Register();

    /// <summary>What SQLite opens below the folder (an absolute path) from now on goes through the disk.</summary>
    public static void Watch(string folder, Disk disk)
    {
        if (Original is null) throw new InvalidOperationException("SQLite has no default VFS");
        Disks[folder + "/"] = disk;
    }

    public static void Forget(string folder) => Disks.TryRemove(folder + "/", out _);

    private static Vfs* Register()
    {
        SQLitePCL.Batteries_V2.Init();
        Vfs* original = Find(null);
        if (original is null) return null;
        var copy = (Vfs*)NativeMemory.AllocZeroed((nuint)sizeof(Vfs));
        *copy = *original;
        copy->Next = null;
        copy->Name = (byte*)Marshal.StringToCoTaskMemUTF8("flannelflow-test-disk");
        copy->Open = &Open;
        copy->Delete = &Delete;
        return Register(copy, makeDefault: 1) == 0 ? original : null;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Open(Vfs* vfs, byte* name, File* file, int flags, int* outFlags)
    {
        int result = Original->Open(Original, name, file, flags, outFlags);
        if (result != 0 || name is null || file->Methods is null) return result;
        string path = Marshal.PtrToStringUTF8((nint)name)!;
        foreach ((string folder, Disk disk) in Disks)
        {
            if (!path.StartsWith(folder, StringComparison.Ordinal)) continue;
            Files[(nint)file] = new OpenFile(path[folder.Length..], disk, (nint)file->Methods);
            file->Methods = (Methods*)Patched.GetOrAdd((nint)file->Methods, Patch);
        }
        return result;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Delete(Vfs* vfs, byte* name, int syncFolder)
    {
        int result = Original->Delete(Original, name, syncFolder);
        string path = Marshal.PtrToStringUTF8((nint)name)!;
        foreach ((string folder, Disk disk) in Disks)
        {
            if (path.StartsWith(folder, StringComparison.Ordinal)) disk.Delete(path[folder.Length..]);
        }
        return result;
    }

    private static nint Patch(nint original)
    {
        var copy = (Methods*)NativeMemory.Alloc((nuint)sizeof(Methods));
        *copy = *(Methods*)original;
        copy->Close = &Close;
        copy->Write = &Write;
        copy->Truncate = &Truncate;
        copy->Sync = &Sync;
        return (nint)copy;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(File* file)
    {
        Files.TryRemove((nint)file, out OpenFile? open);
        return ((Methods*)open!.Methods)->Close(file);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(File* file, void* data, int length, long offset)
    {
        OpenFile open = Files[(nint)file];
        int refused = open.Disk.Write(open.Name, offset, new ReadOnlySpan<byte>(data, length));
        return refused != 0 ? refused : ((Methods*)open.Methods)->Write(file, data, length, offset);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Truncate(File* file, long size)
    {
        OpenFile open = Files[(nint)file];
        int refused = open.Disk.Truncate(open.Name, size);
        return refused != 0 ? refused : ((Methods*)open.Methods)->Truncate(file, size);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(File* file, int flags)
    {
        OpenFile open = Files[(nint)file];
        return open.Disk.Sync(open.Name, () => ((Methods*)open.Methods)->Sync(file, flags));
    }

    [DllImport("e_sqlite3", EntryPoint = "sqlite3_vfs_find")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories)]
    private static extern Vfs* Find(byte* name);

    [DllImport("e_sqlite3", EntryPoint = "sqlite3_vfs_register")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories)]
    private static extern int Register(Vfs* vfs, int makeDefault);

    private sealed record OpenFile(string Name, Disk Disk, nint Methods);

    /// <summary>sqlite3_file.</summary>
    private struct File
    {
        public Methods* Methods;
    }

    /// <summary>sqlite3_vfs, version 3.</summary>
    private struct Vfs
    {
        public fixed int VersionAndSizes[4];
        public Vfs* Next;
        public byte* Name;
        public fixed long Data[1];
        public delegate* unmanaged[Cdecl]<Vfs*, byte*, File*, int, int*, int> Open;
        public delegate* unmanaged[Cdecl]<Vfs*, byte*, int, int> Delete;
        public fixed long Rest[14];
    }

    /// <summary>sqlite3_io_methods, version 3.</summary>
    private struct Methods
    {
        public fixed int Version[2];
        public delegate* unmanaged[Cdecl]<File*, int> Close;
        public fixed long Read[1];
        public delegate* unmanaged[Cdecl]<File*, void*, int, long, int> Write;
        public delegate* unmanaged[Cdecl]<File*, long, int> Truncate;
        public delegate* unmanaged[Cdecl]<File*, int, int> Sync;
        public fixed long Rest[13];
    }
}
