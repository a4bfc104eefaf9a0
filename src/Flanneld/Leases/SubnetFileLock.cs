using FlannelFlow.Flanneld.CommandLine;

namespace FlannelFlow.Flanneld.Leases;

/// <summary>
/// At most one flanneld per subnet file: an flock(2) on SUBNET-FILE.lock, which the kernel lets go of when the process ends, however it
/// ends. The lock file itself stays: to delete it would let two processes lock two files of one name.
/// </summary>
internal sealed class SubnetFileLock : IDisposable
{
    private readonly FileStream _file;

    private SubnetFileLock(FileStream file) => _file = file;

    /// <exception cref="FlanneldException">Another one runs, or the file cannot be made.</exception>
    public static SubnetFileLock Take(string subnetFile)
    {
        var path = subnetFile + ".lock";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(subnetFile)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FlanneldException(ExitCodes.Failed, $"making the directory of {subnetFile}: {e.Message}");
        }
        try
        {
            // .NET carries FileShare.None out as flock(LOCK_EX | LOCK_NB) (runtime, SafeFileHandle.Unix.cs).
            return new SubnetFileLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new FlanneldException(ExitCodes.Failed, $"locking {path}: {e.Message}");
        }
        catch (IOException e)
        {
            throw new FlanneldException(ExitCodes.AlreadyRunning, $"another flanneld runs with the subnet file {subnetFile}: locking {path}: {e.Message}");
        }
    }

    public void Dispose() => _file.Dispose();
}
