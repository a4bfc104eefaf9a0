using System.CommandLine;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using FlannelFlow.Host.Api;
using FlannelFlow.Operations;
using Spectre.Console;

namespace FlannelFlow.Host.Commands;

/// <summary>One call of a command to the daemon, and how its answer is printed.</summary>
internal sealed class DaemonCall : IDisposable
{
    private readonly HttpClient _client;
    private readonly string _socket;
    private readonly bool _asJson;
    private readonly TextWriter _out;
    private readonly TextWriter _errors;
    private int _code;

    public DaemonCall(ParseResult parsed)
    {
        _socket = parsed.GetValue(Socket)!;
        _asJson = parsed.GetValue(AsJson);
        _client = ApiClient.Over(_socket);
        _out = parsed.InvocationConfiguration.Output;
        _errors = parsed.InvocationConfiguration.Error;
        IsTerminal = ReferenceEquals(_out, Console.Out) && !Console.IsOutputRedirected;
    }

    public static Option<string> Socket { get; } = new("--socket")
    {
        Description = "The daemon's own socket: api.sock in its RUNTIME_DIRECTORY.",
        DefaultValueFactory = _ => "/run/flannelflow/api.sock",
    };

    public static Option<bool> AsJson { get; } = new("--json") { Description = "JSON, as the daemon answers it." };

    public static string NotForThisUser(string socket) => $"flannelflow: {socket} is root's alone (sudo flannelflow …)";

    public bool IsTerminal { get; }

    /// <summary>Sends, prints the answer as it is with --json, else as given; the exit code.</summary>
    public async Task<int> RunAsync<T>(HttpMethod method, string path, HttpContent? body, Action<T> print, CancellationToken ct)
    {
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative)) { Content = body };
            using var response = await _client.SendAsync(request, ct);
            var text = await response.Content.ReadAsStringAsync(ct);
            if (!response.IsSuccessStatusCode)
                return await FailAsync(response, text);
            if (_asJson)
                await _out.WriteLineAsync(text);
            // Also with --json: what it finds decides the exit code.
            print(JsonSerializer.Deserialize<T>(text, OperationsJson.Options)!);
            return _code;
        }
        catch (Exception gone) when (gone is HttpRequestException or IOException)
        {
            await _errors.WriteLineAsync(ApiClient.IsForbidden(gone) ? NotForThisUser(_socket) : $"flannelflow: the daemon does not answer on {_socket}: {gone.Message}");
            return CommandTree.Failed;
        }
    }

    private async Task<int> FailAsync(HttpResponseMessage response, string text)
    {
        var problem = response.Content.Headers.ContentType?.MediaType == "application/problem+json"
            ? JsonSerializer.Deserialize<Problem>(text, OperationsJson.Options)
            : null;
        if (_asJson && problem is not null)
            await _out.WriteLineAsync(text);
        await _errors.WriteLineAsync($"flannelflow: {problem?.Detail ?? $"the daemon answered {(int)response.StatusCode}"}");
        return response.StatusCode == HttpStatusCode.BadRequest ? CommandTree.Usage : CommandTree.Failed;
    }

    /// <summary>The lines of a stream of server-sent events that carry data. Ends with the stream; throws HttpRequestException or IOException.</summary>
    public async IAsyncEnumerable<string> EventsAsync(string path, Action opened, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        using var stream = await _client.GetStreamAsync(new Uri(path, UriKind.Relative), ct);
        opened();
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync(ct) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal))
                yield return line[6..];
        }
    }

    public void FailWith(int code) => _code = code;

    public static HttpContent Json<T>(T body) => JsonContent.Create(body, options: OperationsJson.Options);

    public void Line(string text)
    {
        if (!_asJson)
            _out.WriteLine(text);
    }

    /// <summary>A table in a terminal; else a line per row, without head, fields separated by tabs.</summary>
    public void Table(string[] columns, IEnumerable<string[]> rows)
    {
        if (_asJson)
            return;
        if (!IsTerminal)
        {
            foreach (var row in rows)
                _out.WriteLine(string.Join('\t', row.Select(OneLine)));
            return;
        }
        var table = new Table().Border(TableBorder.Rounded).BorderColor(Color.Grey);
        foreach (var column in columns)
            table.AddColumn(new TableColumn($"[grey]{Markup.Escape(column)}[/]"));
        foreach (var row in rows)
            table.AddRow(row.Select((cell, i) => new Markup(Coloured(columns[i], cell))).ToArray<Spectre.Console.Rendering.IRenderable>());
        AnsiConsole.Write(table);
    }

    private static string OneLine(string cell) => cell.ReplaceLineEndings(" ").Replace('\t', ' ');

    private static string Coloured(string column, string cell)
    {
        var escaped = Markup.Escape(cell);
        var colour = column != "status" ? null : cell switch
        {
            "finished" or "completed" or "ok" => "green",
            "running" or "waiting" => "blue",
            "suspended" or "faulted" or "compensationFaulted" or "open" => "red",
            _ => "yellow",
        };
        return colour is null ? escaped : $"[{colour}]{escaped}[/]";
    }

    public void Dispose() => _client.Dispose();
}
