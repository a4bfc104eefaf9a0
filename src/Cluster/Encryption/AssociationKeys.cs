using System.Buffers.Binary;
using System.Security.Cryptography;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Encryption;

/// <summary>SPI and key of the association from one host to another, in one epoch of each: both hosts come to the same.</summary>
/// <remarks>
/// HKDF (RFC 5869) of both secrets, so that whichever host begins a new epoch, no key is used again: AES-GCM must never run twice with one key and
/// counters from 0, and a receiver that has forgotten what it received must not take it again.
/// </remarks>
public static class AssociationKeys
{
    /// <summary>For AES-256 and the salt of RFC 4106.</summary>
    public const int KeySize = 36;

    private const int SpiSize = 4;

    /// <summary>SPIs below 256 are reserved (RFC 4303, section 2.1); of ours, the highest bit is set.</summary>
    private const uint SpiBit = 0x8000_0000;

    public static (uint Spi, byte[] Key) Derive(Epoch sender, IPv4Address from, Epoch receiver, IPv4Address to)
    {
        ArgumentNullException.ThrowIfNull(sender);
        ArgumentNullException.ThrowIfNull(receiver);
        byte[] secrets = [.. Convert.FromBase64String(sender.Secret), .. Convert.FromBase64String(receiver.Secret)];
        var purpose = System.Text.Encoding.ASCII.GetBytes($"flannelflow esp 1 {from} {to}");
        var material = HKDF.DeriveKey(HashAlgorithmName.SHA256, secrets, SpiSize + KeySize, salt: [], info: purpose);
        return (BinaryPrimitives.ReadUInt32BigEndian(material) | SpiBit, material[SpiSize..]);
    }
}
