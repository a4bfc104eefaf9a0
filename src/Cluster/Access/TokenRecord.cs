namespace FlannelFlow.Cluster.Access;

public enum Role
{
    /// <summary>Sees everything, changes nothing.</summary>
    Viewer,

    /// <summary>Also alters workflows and drains.</summary>
    Operator,
}

/// <summary><c>access/tokens/&lt;id&gt;</c>: who may sign in, on every host.</summary>
/// <param name="Id">Part of the token, and no secret.</param>
/// <param name="Name">Stands in the audit.</param>
/// <param name="Hash">SHA-256 of the secret, 64 hexadecimal digits. A secret is 32 random bytes: nothing slower is needed against guessing.</param>
/// <param name="ExpiresAt">Null: never.</param>
public sealed record TokenRecord(string Id, string Name, Role Role, string Hash, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt = null);
