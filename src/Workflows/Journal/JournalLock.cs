using System.Globalization;

namespace FlannelFlow.Workflows;

/// <summary>Keeps a second process (or runtime) away from a journal: flock(2) on a file beside it, which the kernel drops with the holder.</summary>
internal sealed class JournalLock : IDisposable
{
    private readonly FileStream _locked;

    private JournalLock(FileStream locked) => _locked = locked;

    public static JournalLock Take(string journal)
    {
        // FileShare.None is flock(LOCK_EX | LOCK_NB), and keeps readers out too: the holder's pid stands in a file of its own.
        string holder = journal + ".holder";
        try
        {
            var locked = new FileStream(journal + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.WriteAllText(holder, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return new JournalLock(locked);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            string pid = File.Exists(holder) ? File.ReadAllText(holder) : "unknown";
            throw new JournalUnusableException($"journal {journal} is in use by process {pid}", e);
        }
    }

    public void Dispose() => _locked.Dispose();
}
