namespace FlannelFlow.Linux.LoadBalancing;

/// <summary>
/// The two firewall marks of one service in one network: TCP and UDP are two services to IPVS, so that a drained backend's UDP flows, which
/// have no end, can be cut while its TCP connections live on (dataplane-facts.md, 3.6).
/// </summary>
/// <remarks>
/// An index, allocated once for the whole cluster, gives both. Marks are <c>0x1000?xxx</c> to <c>0x1007?xxx</c> with bits 14 and 15 clear: those
/// are Kubernetes' and flannel's "masquerade" and "drop" bits, which their rules test with a mask. What lies outside is not ours; the range is no
/// larger than it has to be, for others' marks may be hashes of anything, and an IPVS service with one of ours is taken for what we left.
/// </remarks>
public readonly record struct FwMarkPair
{
    private const uint Ours = 0x1000_0000, OursMask = 0xFFF8_C000;

    /// <summary>Value and mask by which packet filters know a mark of ours: <c>mark &amp; mask == value</c>.</summary>
    internal const string OursText = "0x10000000", OursMaskText = "0xfff8c000";

    /// <summary>The one after it is the load balancer's own, to try out what the kernel has.</summary>
    public const int LastIndex = (1 << 16) - 2;

    internal static readonly FwMarkPair Trial = new(LastIndex + 1);

    private FwMarkPair(int index) => Index = index;

    /// <summary>0 to <see cref="LastIndex"/>.</summary>
    public int Index { get; }

    public uint Tcp => Encode(2 * (uint)Index);

    public uint Udp => Encode((2 * (uint)Index) + 1);

    public static FwMarkPair Of(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, LastIndex);
        return new FwMarkPair(index);
    }

    /// <summary>The pair that a mark is of; null if it is not one of ours.</summary>
    public static FwMarkPair? From(uint mark) =>
        (mark & OursMask) == Ours ? new FwMarkPair((int)(Decode(mark) >> 1)) : null;

    public uint Of(TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => Tcp,
        TransportProtocol.Udp => Udp,
    };

    public override string ToString() => $"0x{Tcp:x}/0x{Udp:x}";

    private static uint Encode(uint number) => Ours | ((number & ~0x3FFFu) << 2) | (number & 0x3FFF);

    private static uint Decode(uint mark) => ((mark & 0x0007_0000) >> 2) | (mark & 0x3FFF);
}

/// <summary>With the numbers of the IP header.</summary>
public enum TransportProtocol
{
    Tcp = 6,
    Udp = 17,
}
