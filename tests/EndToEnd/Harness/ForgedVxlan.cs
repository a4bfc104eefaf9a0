using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>What a host would send to another one for a ping of a container: VXLAN (RFC 7348), in it Ethernet, IPv4 and ICMP's echo.</summary>
internal static class ForgedVxlan
{
    private const int Port = 8472;

    /// <param name="sender">From whose network namespace it is sent; null: the host's.</param>
    /// <param name="mac">Of the VXLAN device on the host that is to take it.</param>
    public static async Task SendAsync(LabHost from, Container? sender, string to, int vni, string mac, string source, string destination)
    {
        var packet = Echo(vni, mac, source, destination);
        var bytes = string.Concat(packet.Select(each => $"\\x{each:x2}"));
        var enter = sender is null ? "" : $"nsenter -t {await sender.PidAsync()} -n ";
        // printf alone writes line by line, each a datagram of its own.
        await from.ShAsync($"{enter}bash -c \"printf '{bytes}' | dd bs={packet.Length} iflag=fullblock status=none >/dev/udp/{to}/{Port.ToString(CultureInfo.InvariantCulture)}\"");
    }

    private static byte[] Echo(int vni, string mac, string source, string destination)
    {
        var packet = new byte[50];
        packet[0] = 0x08;                                       // the VNI is valid
        BinaryPrimitives.WriteInt32BigEndian(packet.AsSpan(4), vni << 8);
        PhysicalAddress.Parse(mac).GetAddressBytes().CopyTo(packet, 8);
        packet[14] = 0x02;                                      // from a locally administered address
        packet[20] = 0x08;                                      // IPv4
        var ip = packet.AsSpan(22, 20);
        (ip[0], ip[3], ip[8], ip[9]) = (0x45, 28, 64, 1);       // 28 bytes, TTL 64, ICMP
        IPAddress.Parse(source).GetAddressBytes().CopyTo(ip[12..]);
        IPAddress.Parse(destination).GetAddressBytes().CopyTo(ip[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], ChecksumOf(ip));
        var icmp = packet.AsSpan(42);
        icmp[0] = 8;                                            // echo
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], ChecksumOf(icmp));
        return packet;
    }

    /// <summary>RFC 1071, of an even number of bytes.</summary>
    private static ushort ChecksumOf(ReadOnlySpan<byte> bytes)
    {
        var sum = 0;
        for (var at = 0; at < bytes.Length; at += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }
}
