using FlannelFlow.Cluster.Access;
using FlannelFlow.Operations;

namespace FlannelFlow.Host.Api;

/// <param name="Text">The token; it is told only now.</param>
public sealed record TokenCreated(string Id, string Name, Role Role, DateTimeOffset? ExpiresAt, string Text);

/// <param name="Days">For how long it holds; null: until it is revoked.</param>
public sealed record TokenBody(string? Name, Role? Role, double? Days = null);

public sealed record TokenView(string Id, string Name, Role Role, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt);

/// <summary>The cluster's tokens over HTTP, on the daemon's own socket only: whoever may use that is root already.</summary>
public static class TokenApi
{
    public const string TokensPath = "/api/v1/tokens";

    private const int LongestName = 64;

    public static void MapTokens(this IEndpointRouteBuilder routes)
    {
        var store = routes.ServiceProvider.GetRequiredService<TokenStore>();
        Map("GET", TokensPath, async http => (await store.ListAsync(http.RequestAborted))
            .Select(token => new TokenView(token.Id, token.Name, token.Role, token.CreatedAt, token.ExpiresAt)).ToList());
        Map("POST", TokensPath, async http =>
        {
            var body = await http.BodyAsync<TokenBody>();
            if (string.IsNullOrWhiteSpace(body.Name) || body.Name.Length > LongestName || body.Name.Any(char.IsControl))
                throw new BadRequestException($"name: 1 to {LongestName} characters; it stands in the audit");
            if (body.Days is not null and not (> 0 and <= 36_500)) throw new BadRequestException("days: more than 0, at most 36500");
            var role = body.Role ?? throw new BadRequestException("role: viewer or operator");
            var made = await store.CreateAsync(body.Name.Trim(), role, body.Days is { } days ? TimeSpan.FromDays(days) : null, http.RequestAborted);
            return new TokenCreated(made.Record.Id, made.Record.Name, made.Record.Role, made.Record.ExpiresAt, made.Text);
        });
        Map("DELETE", TokensPath + "/{id}", async http =>
            await store.RevokeAsync(http.RouteWord("id"), http.RequestAborted)
                ? new TokenRevoked(http.RouteWord("id"))
                : throw new KeyNotFoundException($"there is no token {http.RouteWord("id")}"));

        void Map(string method, string path, Func<HttpContext, Task<object>> answer) => routes.MapApi(method, path, answer).WithMetadata(new OwnSocketOnly());
    }
}

public sealed record TokenRevoked(string Id);

/// <summary>The operation is not there over the network.</summary>
internal sealed record OwnSocketOnly;
