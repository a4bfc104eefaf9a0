namespace FlannelFlow.Durability.Tests.Disks;

/// <summary>Remembers what was written and synced, in order, and makes what a power loss at any moment may leave.</summary>
internal sealed class RecordingDisk : Disk
{
    private readonly Lock _gate = new();
    private readonly List<Op> _ops = [];

    /// <summary>Writes, truncations and syncs so far.</summary>
    public int Moment
    {
        get
        {
            lock (_gate) return _ops.Count;
        }
    }

    public override int Write(string file, long offset, ReadOnlySpan<byte> data)
    {
        Add(new Op.Write(file, offset, data.ToArray()));
        return 0;
    }

    public override int Truncate(string file, long size)
    {
        Add(new Op.Truncate(file, size));
        return 0;
    }

    public override void Delete(string file) => Add(new Op.Delete(file));

    public override int Sync(string file, Func<int> really)
    {
        // Recorded before it is done: what is told after it is told after the record.
        Add(new Op.Sync(file));
        return really();
    }

    /// <summary>
    /// The files after a power loss at a moment: of each file what was written before its last sync; of what was written since, in order,
    /// what <paramref name="survives"/> lets: all, nothing, or a part (in sectors of 512 bytes) of each. A deletion, which SQLite syncs with
    /// its folder, is durable.
    /// </summary>
    public void WriteImage(string folder, int moment, Func<int, int> survives)
    {
        Op[] ops;
        lock (_gate) ops = [.. _ops.Take(moment)];
        foreach (string file in ops.Select(op => op.File).Distinct())
        {
            int deleted = Array.FindLastIndex(ops, op => op is Op.Delete && op.File == file);
            int synced = Array.FindLastIndex(ops, op => op is Op.Sync && op.File == file);
            if (deleted >= 0 && !ops.Skip(deleted + 1).Any(op => op.File == file)) continue;
            using FileStream image = File.Create(Path.Combine(folder, file));
            for (int i = deleted + 1; i < ops.Length; i++)
            {
                if (ops[i].File == file) Apply(image, ops[i], i <= synced ? sectors => sectors : survives);
            }
        }
    }

    private static void Apply(FileStream image, Op op, Func<int, int> survives)
    {
        const int sector = 512;
        switch (op)
        {
            case Op.Write write:
                int sectors = (write.Data.Length + sector - 1) / sector;
                int length = Math.Min(write.Data.Length, survives(sectors) * sector);
                if (length == 0) break;
                image.Position = write.Offset;
                image.Write(write.Data.AsSpan(0, length));
                break;
            case Op.Truncate truncate:
                if (survives(1) > 0) image.SetLength(truncate.Size);
                break;
        }
    }

    private void Add(Op op)
    {
        lock (_gate) _ops.Add(op);
    }

    private abstract record Op(string File)
    {
        public sealed record Write(string File, long Offset, byte[] Data) : Op(File);

        public sealed record Truncate(string File, long Size) : Op(File);

        public sealed record Sync(string File) : Op(File);

        public sealed record Delete(string File) : Op(File);
    }
}
