using System.Security.Cryptography;
using System.Text.Json;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Cluster.Access;

/// <summary>A token that was just made: the only time that its text is known.</summary>
public sealed record NewToken(TokenRecord Record, string Text);

/// <summary>The tokens of the cluster, in etcd. A token is <c>ff_ID_SECRET</c>; of the secret only a hash is stored.</summary>
public sealed class TokenStore(IEtcd etcd, ClusterKeys keys, TimeProvider time)
{
    private const string Prefix = "ff";
    private const int SecretBytes = 32;

    public async Task<NewToken> CreateAsync(string name, Role role, TimeSpan? life, CancellationToken ct)
    {
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
        var secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes));
        var now = time.GetUtcNow();
        var record = new TokenRecord(id, name, role, HashOf(secret), now, now + life);
        await etcd.PutAsync(keys.Token(id), JsonSerializer.Serialize(record, ClusterJson.Default.TokenRecord), EtcdLeaseId.None, ct);
        return new NewToken(record, $"{Prefix}_{id}_{secret}");
    }

    /// <summary>By name. What is no record of this version is left out.</summary>
    public async Task<IReadOnlyList<TokenRecord>> ListAsync(CancellationToken ct) =>
        [.. (await etcd.RangeAsync(EtcdKeys.Under(keys.Tokens), ct)).Entries.Select(entry => Read(entry.Value)).OfType<TokenRecord>().OrderBy(token => token.Name, StringComparer.Ordinal)];

    /// <returns>False: there was none.</returns>
    public async Task<bool> RevokeAsync(string id, CancellationToken ct)
    {
        if ((await etcd.RangeAsync(EtcdKeys.One(keys.Token(id)), ct)).Entries.Count == 0) return false;
        await etcd.DeleteAsync(EtcdKeys.One(keys.Token(id)), ct);
        return true;
    }

    /// <summary>The token of this text among those that are known; null: none, or it has expired. Takes as long for a wrong secret as for the right one.</summary>
    public TokenRecord? Find(IReadOnlyList<TokenRecord> known, string text)
    {
        ArgumentNullException.ThrowIfNull(known);
        ArgumentNullException.ThrowIfNull(text);
        if (text.Trim().Split('_') is not [Prefix, var id, var secret]) return null;
        var given = Convert.FromHexString(HashOf(secret));
        return known.FirstOrDefault(token =>
            token.Id == id && IsValid(token) && CryptographicOperations.FixedTimeEquals(given, Convert.FromHexString(token.Hash)));
    }

    public bool IsValid(TokenRecord token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return token.ExpiresAt is not { } end || time.GetUtcNow() < end;
    }

    private static string HashOf(string secret) => Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(secret)));

    private static TokenRecord? Read(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, ClusterJson.Default.TokenRecord) is { Hash.Length: 64 } token ? token : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
