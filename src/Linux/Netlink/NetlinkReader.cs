using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace FlannelFlow.Linux.Netlink;

/// <summary>One received message, a view of the receive buffer.</summary>
internal readonly ref struct NetlinkMessage(ushort type, ushort flags, uint sequence, uint portId, ReadOnlySpan<byte> payload)
{
    public ushort Type { get; } = type;
    public ushort Flags { get; } = flags;
    public uint Sequence { get; } = sequence;
    public uint PortId { get; } = portId;
    public ReadOnlySpan<byte> Payload { get; } = payload;
}

/// <summary>Walks the messages of one datagram. All that is not well formed is a <see cref="NetlinkException"/> with EPROTO.</summary>
internal ref struct NetlinkReader(ReadOnlySpan<byte> datagram)
{
    private ReadOnlySpan<byte> _rest = datagram;

    public bool TryRead(out NetlinkMessage message)
    {
        message = default;
        if (_rest.IsEmpty) return false;
        if (_rest.Length < NetlinkRequest.HeaderSize) throw Malformed($"{_rest.Length} bytes are too few for a message");
        var length = MemoryMarshal.Read<uint>(_rest);
        if (length < NetlinkRequest.HeaderSize || length > _rest.Length) throw Malformed($"a message of {length} bytes in {_rest.Length}");
        message = new NetlinkMessage(
            MemoryMarshal.Read<ushort>(_rest[4..]), MemoryMarshal.Read<ushort>(_rest[6..]),
            MemoryMarshal.Read<uint>(_rest[8..]), MemoryMarshal.Read<uint>(_rest[12..]),
            _rest[NetlinkRequest.HeaderSize..(int)length]);
        _rest = _rest[(int)Math.Min((length + 3) & ~3u, (uint)_rest.Length)..];
        return true;
    }

    public static NetlinkException Malformed(string what) => new("reading netlink", Interop.Errno.EPROTO, what);
}

/// <summary>One attribute; the accessors check its length.</summary>
internal readonly ref struct NetlinkAttribute(ushort type, ReadOnlySpan<byte> value)
{
    /// <summary>Without the flag bits NLA_F_NESTED and NLA_F_NET_BYTEORDER.</summary>
    public ushort Type { get; } = type;
    public ReadOnlySpan<byte> Value { get; } = value;

    public byte UInt8 => Sized(1)[0];
    public ushort UInt16 => MemoryMarshal.Read<ushort>(Sized(2));
    public ulong UInt64 => MemoryMarshal.Read<ulong>(Sized(8));
    public uint UInt32 => MemoryMarshal.Read<uint>(Sized(4));
    public int Int32 => MemoryMarshal.Read<int>(Sized(4));
    public ushort UInt16BigEndian => BinaryPrimitives.ReadUInt16BigEndian(Sized(2));
    public IPAddress IPv4 => new(Sized(4)[..4]);

    /// <summary>Null for what is not an Ethernet address: tunnels carry their IP address there.</summary>
    public MacAddress? Mac => Value.Length == MacAddress.Size ? new MacAddress(Value) : null;

    /// <summary>UTF-8 up to the first zero byte; bytes that are not UTF-8 become U+FFFD.</summary>
    public string Text
    {
        get
        {
            var end = Value.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? Value : Value[..end]);
        }
    }

    public NetlinkAttributes Nested => new(Value);

    private ReadOnlySpan<byte> Sized(int size) =>
        Value.Length >= size ? Value : throw NetlinkReader.Malformed($"attribute {Type} has {Value.Length} bytes, not {size}");
}

/// <summary>Walks attributes.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private const int TypeMask = 0x3fff;   // NLA_TYPE_MASK

    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>The attributes after a family header; a body that is too short is malformed.</summary>
    public static NetlinkAttributes After(int headerSize, ReadOnlySpan<byte> payload) => payload.Length >= headerSize
        ? new NetlinkAttributes(payload[Math.Min((headerSize + 3) & ~3, payload.Length)..])
        : throw NetlinkReader.Malformed($"a body of {payload.Length} bytes, not {headerSize}");

    public bool TryRead(out NetlinkAttribute attribute)
    {
        attribute = default;
        if (_rest.IsEmpty) return false;
        if (_rest.Length < 4) throw NetlinkReader.Malformed($"{_rest.Length} bytes are too few for an attribute");
        var length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length) throw NetlinkReader.Malformed($"an attribute of {length} bytes in {_rest.Length}");
        attribute = new NetlinkAttribute((ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & TypeMask), _rest[4..length]);
        _rest = _rest[Math.Min((length + 3) & ~3, _rest.Length)..];
        return true;
    }
}
