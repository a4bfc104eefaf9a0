using System.Text;

namespace FlannelFlow.Durability.Tests.Kills;

/// <summary>Lines, each on disk before Write returns; one write(2) each, so a kill leaves whole lines.</summary>
internal sealed class Ledger(string path) : IDisposable
{
    private readonly FileStream _file = new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
    private readonly Lock _gate = new();

    public void Write(string line)
    {
        lock (_gate)
        {
            _file.Write(Encoding.ASCII.GetBytes(line + "\n"));
            _file.Flush(flushToDisk: true);
        }
    }

    public void Dispose() => _file.Dispose();
}
