using System.Text;

namespace FlannelFlow.Linux.Processes;

/// <summary>A child's log file, seen from outside.</summary>
internal static class LogFile
{
    private const long RotateAt = 8 << 20;
    private const int TailBytes = 4096;
    private const int TailLines = 10;

    /// <summary>Makes the file and its directory. One that has grown too long is put aside first, as LOG.1.</summary>
    /// <returns>Its length: where the next process's output will begin.</returns>
    public static long Prepare(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        if (new FileInfo(path) is { Exists: true, Length: > RotateAt }) File.Move(path, path + ".1", overwrite: true);
        using var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        return RandomAccess.GetLength(handle);
    }

    /// <summary>The last ten lines after <paramref name="start"/>, of at most 4 KiB; "" if there is nothing.</summary>
    public static string Tail(string path, long start)
    {
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var length = RandomAccess.GetLength(handle);
            if (start > length) start = 0;   // truncated or put aside meanwhile
            var from = Math.Max(start, length - TailBytes);
            var bytes = new byte[length - from];
            var text = Encoding.UTF8.GetString(bytes, 0, RandomAccess.Read(handle, bytes, from));
            var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return string.Join('\n', lines.TakeLast(TailLines));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
