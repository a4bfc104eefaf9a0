using System.Net;
using FlannelFlow.Cluster.Access;

namespace FlannelFlow.Operations.Access;

/// <summary>Where people reach the dashboard and the API, and what they may do there without a sign-in.</summary>
/// <param name="Endpoint">Null: nowhere but on the daemon's own socket.</param>
/// <param name="Anonymous">The role of whoever has not signed in; null: none.</param>
/// <param name="CertificateFile">PEM, its chain included; null: plain HTTP, on loopback only.</param>
/// <param name="KeyFile">Of the certificate's key, PEM.</param>
public sealed record AccessOptions(IPEndPoint? Endpoint, Role? Anonymous, string? CertificateFile, string? KeyFile)
{
    public bool IsTls => CertificateFile is not null;
}

/// <summary>Who asks.</summary>
/// <param name="Name">For the audit.</param>
/// <param name="TokenId">Of the token that he signed in with; null: none.</param>
public sealed record Caller(string Name, Role Role, string? TokenId = null)
{
    public bool May(Role role) => Role >= role;
}
