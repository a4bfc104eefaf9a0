using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Cluster.Encryption;

/// <summary>
/// <c>encryption/&lt;host&gt;</c>: what the others need to exchange encrypted packets with a host, which alone writes it. Not on a lease: the kernels go
/// on while a daemon is away.
/// </summary>
/// <param name="Address">Of its VXLAN devices on the network between the hosts.</param>
/// <param name="Epochs">One; while keys are being rotated, more. The newest last.</param>
/// <param name="Peers">By host: how far this host is with each of the others.</param>
public sealed record EncryptionRecord(string Host, IPv4Address Address, ImmutableArray<Epoch> Epochs, ImmutableSortedDictionary<string, PeerProgress> Peers)
{
    public string ToJson() => JsonSerializer.Serialize(this, EncryptionJson.Default.EncryptionRecord);

    /// <returns>Null: no record of this version.</returns>
    public static EncryptionRecord? Read(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, EncryptionJson.Default.EncryptionRecord) is { Epochs.IsDefaultOrEmpty: false, Peers: not null } record
                && record.Epochs.All(epoch => epoch is { IsValid: true }) && record.Peers.Values.All(progress => progress is { Installed.IsDefault: false }) ? record : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>A time in which a host's keys are made from one secret. Which one it is, is told by the secret.</summary>
/// <param name="Secret">32 bytes in base64, from the system's random source.</param>
public sealed record Epoch(string Secret, DateTimeOffset Since)
{
    public const int SecretSize = 32;

    [JsonIgnore]
    public bool IsValid => Secret is not null && Convert.TryFromBase64String(Secret, new byte[SecretSize], out var written) && written == SecretSize;

    /// <summary>Whatever prints an epoch does not print its secret.</summary>
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Since = ").Append(Since.ToString("O", System.Globalization.CultureInfo.InvariantCulture));
        return true;
    }
}

/// <param name="Installed">SPIs of the associations by which the peer may send to this host, ascending: they are in this host's kernel.</param>
/// <param name="Sending">SPI of the association by which this host sends to the peer; null: none yet, it drops.</param>
public sealed record PeerProgress(ImmutableArray<uint> Installed, uint? Sending = null);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [typeof(IPv4AddressJsonConverter)])]
[JsonSerializable(typeof(EncryptionRecord))]
internal sealed partial class EncryptionJson : JsonSerializerContext;
