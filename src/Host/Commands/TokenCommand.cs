using System.CommandLine;
using System.Globalization;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Host.Api;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow token</c>: who may sign in to the dashboard and the API, on every host.</summary>
public static class TokenCommand
{
    public static Command Create() => new("token", "Makes, lists and revokes the tokens with which people and programs sign in, on every host.")
    {
        CreateCreate(), CreateList(), CreateRevoke(),
    };

    private static Command CreateCreate()
    {
        var name = new Argument<string>("NAME") { Description = "Of the person or program; it stands in the audit." };
        var role = new Option<string>("--role") { Description = "viewer sees everything; operator also alters workflows and drains.", DefaultValueFactory = _ => "viewer" };
        role.AcceptOnlyFromAmong("viewer", "operator");
        var days = new Option<double?>("--days") { Description = "For how long it holds. Default: until it is revoked." };
        var command = new Command("create", "Makes a token and prints it, this once.") { name, role, days, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            var body = new TokenBody(parsed.GetValue(name), Enum.Parse<Role>(parsed.GetValue(role)!, ignoreCase: true), parsed.GetValue(days));
            return await call.RunAsync<TokenCreated>(HttpMethod.Post, TokenApi.TokensPath, DaemonCall.Json(body), made => call.Line(made.Text), ct);
        });
        return command;
    }

    private static Command CreateList()
    {
        var command = new Command("list", "Lists the tokens, without their secrets.") { DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<List<TokenView>>(HttpMethod.Get, TokenApi.TokensPath, null, tokens => call.Table(
                ["id", "name", "role", "created", "expires"],
                tokens.Select(token => new[] { token.Id, token.Name, token.Role.ToString().ToLowerInvariant(), Time(token.CreatedAt), token.ExpiresAt is { } end ? Time(end) : "" })), ct);
        });
        return command;
    }

    private static Command CreateRevoke()
    {
        var id = new Argument<string>("ID") { Description = "The token's id: the part between the underscores, as list shows it." };
        var command = new Command("revoke", "Ends a token: within seconds no host takes it any more.") { id, DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<TokenRevoked>(
                HttpMethod.Delete, $"{TokenApi.TokensPath}/{Uri.EscapeDataString(parsed.GetValue(id)!)}", null, revoked => call.Line($"revoked {revoked.Id}"), ct);
        });
        return command;
    }

    private static string Time(DateTimeOffset at) => at.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
