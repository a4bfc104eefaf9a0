using System.Text;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>What this process was called with, octet by octet: an argument need not be UTF-8.</summary>
internal sealed class Arguments(byte[] block)
{
    private readonly List<Range> _ranges = Split(block);

    public int Count => _ranges.Count;

    public string this[int index] => Encoding.UTF8.GetString(block.AsSpan(_ranges[index]));

    /// <summary>Where an argument begins in <see cref="Block"/>; it ends with a NUL there.</summary>
    public int OffsetOf(int index) => _ranges[index].Start.Value;

    public byte[] Block => block;

    private static List<Range> Split(byte[] block)
    {
        var ranges = new List<Range>();
        for (var start = 0; start < block.Length;)
        {
            var length = block.AsSpan(start).IndexOf((byte)0);
            var end = length < 0 ? block.Length : start + length;
            ranges.Add(start..end);
            start = end + 1;
        }
        return ranges;
    }
}
