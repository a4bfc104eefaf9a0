using FlannelFlow.Durability.Tests.Disks;

namespace FlannelFlow.EngineBench;

/// <summary>A disk whose syncs take so much longer.</summary>
internal sealed class SlowDisk(TimeSpan more) : Disk
{
    public override int Sync(string file, Func<int> really)
    {
        int result = really();
        Thread.Sleep(more);
        return result;
    }
}
