using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace FlannelFlow.Linux.Netlink;

/// <summary>
/// One or more netlink messages under construction (linux/netlink.h): 16-byte headers, bodies and attributes, each aligned to 4.
/// Numbers are in host order unless a method says otherwise.
/// </summary>
internal sealed class NetlinkRequest
{
    public const int HeaderSize = 16;

    private byte[] _buffer = new byte[1024];
    private int _length;
    private readonly List<int> _messages = [];

    public int Count => _messages.Count;

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>Starts the next message with a zeroed family header of <paramref name="bodySize"/> bytes, and returns that header to be filled.</summary>
    public Span<byte> Begin(ushort type, ushort flags, int bodySize)
    {
        CloseMessage();
        _messages.Add(_length);
        var header = Append(HeaderSize);
        MemoryMarshal.Write(header[4..], type);
        MemoryMarshal.Write(header[6..], flags);
        return Append(bodySize);
    }

    public NetlinkRequest Blob(ushort type, ReadOnlySpan<byte> value)
    {
        Attribute(type, value.Length, out var payload);
        value.CopyTo(payload);
        return this;
    }

    /// <summary>An attribute that says something by being there.</summary>
    public NetlinkRequest Flag(ushort type) => Blob(type, []);

    public NetlinkRequest UInt8(ushort type, byte value) => Blob(type, [value]);

    public NetlinkRequest UInt16(ushort type, ushort value)
    {
        Attribute(type, 2, out var payload);
        MemoryMarshal.Write(payload, value);
        return this;
    }

    public NetlinkRequest UInt32(ushort type, uint value)
    {
        Attribute(type, 4, out var payload);
        MemoryMarshal.Write(payload, value);
        return this;
    }

    public NetlinkRequest Int32(ushort type, int value) => UInt32(type, unchecked((uint)value));

    public NetlinkRequest UInt16BigEndian(ushort type, ushort value)
    {
        Attribute(type, 2, out var payload);
        BinaryPrimitives.WriteUInt16BigEndian(payload, value);
        return this;
    }

    /// <summary>The four bytes of an IPv4 address, in network order.</summary>
    public NetlinkRequest Address(ushort type, IPAddress value)
    {
        var bytes = value.GetAddressBytes();
        if (bytes.Length != 4) throw new ArgumentException($"{value} is not an IPv4 address", nameof(value));
        return Blob(type, bytes);
    }

    public NetlinkRequest Mac(ushort type, MacAddress value)
    {
        Attribute(type, MacAddress.Size, out var payload);
        value.CopyTo(payload);
        return this;
    }

    /// <summary>UTF-8 with a closing zero byte.</summary>
    public NetlinkRequest Text(ushort type, string value)
    {
        Attribute(type, Encoding.UTF8.GetByteCount(value) + 1, out var payload);
        Encoding.UTF8.GetBytes(value, payload);
        return this;
    }

    /// <summary>Opens a nest; attributes until <see cref="EndNest"/> are in it. A nest may begin with a header of its own (veth's peer).</summary>
    public int BeginNest(ushort type, int headerSize = 0)
    {
        var start = _length;
        var header = Append(4);
        MemoryMarshal.Write(header[2..], type);
        Append(headerSize);
        return start;
    }

    public NetlinkRequest EndNest(int start)
    {
        MemoryMarshal.Write(_buffer.AsSpan(start), checked((ushort)(_length - start)));
        return this;
    }

    /// <summary>Numbers the messages from <paramref name="firstSequence"/> on and closes the last one.</summary>
    public void Stamp(uint firstSequence)
    {
        CloseMessage();
        for (var i = 0; i < _messages.Count; i++)
            MemoryMarshal.Write(_buffer.AsSpan(_messages[i] + 8), unchecked(firstSequence + (uint)i));
    }

    private void CloseMessage()
    {
        if (_messages.Count > 0) MemoryMarshal.Write(_buffer.AsSpan(_messages[^1]), (uint)(_length - _messages[^1]));
    }

    private void Attribute(ushort type, int size, out Span<byte> payload)
    {
        var header = Append(4 + size);
        MemoryMarshal.Write(header, checked((ushort)(4 + size)));
        MemoryMarshal.Write(header[2..], type);
        payload = header[4..];
    }

    /// <summary>Zeroed room, padded to 4.</summary>
    private Span<byte> Append(int size)
    {
        var end = _length + ((size + 3) & ~3);
        if (end > _buffer.Length) Array.Resize(ref _buffer, Math.Max(end, 2 * _buffer.Length));
        var room = _buffer.AsSpan(_length, size);
        _length = end;
        return room;
    }
}
