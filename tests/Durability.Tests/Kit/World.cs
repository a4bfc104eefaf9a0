using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Kit;

/// <summary>What outlives a process: the journal's folder, the kernel, the clock, and who was in doubt at its ends.</summary>
internal sealed class World : IDisposable
{
    private World(FakeKernel kernel) => Kernel = kernel;

    public string Folder { get; } = Directory.CreateDirectory(Path.Combine(Root, $"fft-durability-{Guid.NewGuid():N}")).FullName;
    public FakeKernel Kernel { get; }
    public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Whether the journal is older than the kernel, which then does not know of all its effects.</summary>
    public bool HasPast { get; set; }

    public string JournalPath => Path.Combine(Folder, "journal.db");

    /// <summary>By idempotency key: at how many ends of a process the execution was under way.</summary>
    public Dictionary<string, int> InDoubt { get; private init; } = new(StringComparer.Ordinal);

    /// <summary>In memory where there is a memory file system: what is simulated here are ends of the process, not of the disk.</summary>
    private static string Root { get; } = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();

    public static World Fresh(FakeKernel kernel) => new(kernel);

    public World Copy()
    {
        var copy = new World(Kernel.Copy()) { Now = Now, InDoubt = new Dictionary<string, int>(InDoubt, StringComparer.Ordinal) };
        foreach (string suffix in (string[])["", "-wal"])
        {
            if (File.Exists(JournalPath + suffix)) File.Copy(JournalPath + suffix, copy.JournalPath + suffix);
        }
        return copy;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
