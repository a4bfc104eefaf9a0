using System.CommandLine;
using System.Globalization;
using FlannelFlow.Host.Api;
using FlannelFlow.Operations.Workflows;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow definitions</c>: the definitions that the daemon on this host runs.</summary>
public static class DefinitionsCommand
{
    public static Command Create() => new("definitions", "Lists and checks workflow definitions.") { CreateList(), CreateCheck() };

    private static Command CreateList()
    {
        var command = new Command("list", "Lists the definitions that the daemon starts workflows with.") { DaemonCall.Socket, DaemonCall.AsJson };
        command.SetAction(async (parsed, ct) =>
        {
            using var call = new DaemonCall(parsed);
            return await call.RunAsync<List<DefinitionView>>(HttpMethod.Get, WorkflowApi.DefinitionsPath, null, definitions => call.Table(
                ["workflow", "version", "steps", "lanes", "on fault", "hash"],
                definitions.Select(d => new[]
                {
                    d.Id, d.Version.ToString(CultureInfo.InvariantCulture), string.Join(", ", d.Steps.Select(s => s.Id)),
                    string.Join(", ", d.Lanes), d.OnFault.ToString(), d.Hash[..12],
                })), ct);
        });
        return command;
    }

    private static Command CreateCheck()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "A definition in Elsa 3's JSON." };
        file.AcceptExistingOnly();
        var command = new Command("check", "Checks a file against the daemon's activities; prints every error, with its place.")
        {
            file, DaemonCall.Socket, DaemonCall.AsJson,
        };
        command.SetAction(async (parsed, ct) =>
        {
            var path = parsed.GetValue(file)!;
            using var call = new DaemonCall(parsed);
            using var text = new StringContent(await File.ReadAllTextAsync(path.FullName, ct));
            return await call.RunAsync<DefinitionCheck>(
                HttpMethod.Post, $"{WorkflowApi.DefinitionsPath}/check?name={Uri.EscapeDataString(path.Name)}", text, check =>
                {
                    foreach (var error in check.Errors)
                        call.Line(error.ToString());
                    if (check.Errors.Count > 0)
                        call.FailWith(CommandTree.Failed);
                    else
                        call.Line($"{path.Name}: no errors");
                }, ct);
        });
        return command;
    }
}
