using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Commands;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Workflows;
using FlannelFlow.Workflows;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Host.Tests;

/// <summary>The API and the commands against a real runtime on a real unix socket.</summary>
public sealed class WorkflowsTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("fft-api-").FullName;
    private readonly Brittle _brittle = new();
    private WorkflowRuntime _runtime = null!;
    private WebApplication _app = null!;
    private HttpClient _client = null!;

    private string SocketPath => Path.Combine(_folder, "api.sock");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var catalog = new ActivityCatalog().Add(_brittle);
        _runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(_folder, "journal.db"), FailStop = (_, _) => { } },
            catalog, DefinitionLoader.Load([new DefinitionFile("mend.json", Definition), new DefinitionFile("waits.json", Waits)], catalog), TimeProvider.System, NullLoggerFactory.Instance, Token);
        _runtime.Resume();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(_runtime);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(SocketPath));
        _app = builder.Build();
        _app.MapWorkflows();
        _app.MapJournal();
        await _app.StartAsync(Token);
        _client = ApiClient.Over(SocketPath);
    }

    [Fact]
    public async Task List_FiltersAndPages()
    {
        for (var i = 0; i < 5; i++)
            await RunAsync($"k{i}");
        _brittle.Fails = true;
        var suspended = await RunAsync("bad");

        var first = await GetAsync<WorkflowPage>("?limit=4");
        var second = await GetAsync<WorkflowPage>($"?limit=4&before={first.Next}");

        Assert.Equal(["bad", "k4", "k3", "k2"], first.Items.Select(w => w.Key));
        Assert.Equal(["k1", "k0"], second.Items.Select(w => w.Key));
        Assert.Null(second.Next);
        Assert.Equal(["bad"], (await GetAsync<WorkflowPage>("?status=suspended")).Items.Select(w => w.Key));
        Assert.Equal([suspended.Value], (await GetAsync<WorkflowPage>("?incident=true")).Items.Select(w => w.Id));
        Assert.Equal(["k2"], (await GetAsync<WorkflowPage>("?key=k2&definition=mend")).Items.Select(w => w.Key));
        Assert.Empty((await GetAsync<WorkflowPage>("?definition=other")).Items);
        Assert.Empty((await GetAsync<WorkflowPage>("?until=2020-01-01")).Items);
        Assert.Equal(6, (await GetAsync<WorkflowPage>("?since=2020-01-01")).Items.Count);
    }

    [Theory]
    [InlineData("GET", "?status=fine", null, 400, "status: \"fine\" is no InstanceStatus (Waiting, Running, Compensating, Suspended, Finished, Compensated, Cancelled)")]
    [InlineData("GET", "?limit=501", null, 400, "limit: \"501\" is no Int32")]
    [InlineData("GET", "?colour=red", null, 400, "unknown filter \"colour\" (known: definition, status, key, parent, incident, since, until, text, before, limit)")]
    [InlineData("GET", "/beef", null, 404, "no workflow \"beef\" (an id, or its last 6 or more digits)")]
    [InlineData("GET", "/beefbeef", null, 404, "no workflow whose id ends in beefbeef")]
    [InlineData("POST", "/{id}/alterations", """{"kind":"mend","who":"a","reason":"b"}""", 400, "kind: \"mend\" is none of retry, skip, compensate, cancel, terminate, migrate, modifyVariable")]
    [InlineData("POST", "/{id}/alterations", """{"kind":"retry","who":"a"}""", 400, "Retry of {id}: no reason is given")]
    [InlineData("POST", "/{id}/alterations", """{"kind":"retry","who":"a","reason":"b"}""", 409, "Retry of mend {id}: it is Finished")]
    public async Task Refusals_AreProblems(string method, string path, string? body, int status, string detail)
    {
        var id = (await RunAsync("k")).Value;
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(WorkflowApi.WorkflowsPath + path.Replace("{id}", id, StringComparison.Ordinal), UriKind.Relative));
        if (body is not null)
            request.Content = new StringContent(body);
        using var response = await _client.SendAsync(request, Token);

        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = (await response.Content.ReadFromJsonAsync<Problem>(OperationsJson.Options, Token))!;
        Assert.Equal((status, detail.Replace("{id}", id, StringComparison.Ordinal)), (problem.Status, problem.Detail));
    }

    [Fact]
    public async Task BodyThatIsNoJson_IsABadRequest()
    {
        var id = (await RunAsync("k")).Value;
        using var body = new StringContent("{");
        using var response = await _client.PostAsync(new Uri($"{WorkflowApi.WorkflowsPath}/{id}/alterations", UriKind.Relative), body, Token);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task Commands_SeeAndMend_FromListToRetry()
    {
        _brittle.Fails = true;
        var id = (await RunAsync("bad")).Value;

        var (code, output, _) = await CommandAsync("workflows", "list", "--incident");
        Assert.Equal(0, code);
        var fields = Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Split('\t');
        Assert.Equal((id, "mend", "bad", "suspended", "it broke"), (fields[0], fields[1], fields[2], fields[3], fields[6]));

        (code, output, _) = await CommandAsync("workflows", "show", id[^8..]);
        Assert.Equal(0, code);
        Assert.Contains("1\tbreak\tTest.Brittle\tfaulted\t1\t", output, StringComparison.Ordinal);
        Assert.Contains("open\tbreak\tfault\t1\t", output, StringComparison.Ordinal);
        Assert.Contains($"thing/all\texclusive\t{id}\t\n", output, StringComparison.Ordinal);

        _brittle.Fails = false;
        (code, output, _) = await CommandAsync("workflows", "retry", id, "--reason", "mended it", "--who", "alice");
        Assert.Equal(0, code);
        Assert.StartsWith($"retry: mend {id} is ", output, StringComparison.Ordinal);
        await _runtime.AnswerAsync(new InstanceId(id), Token).WaitAsync(Patience, Token);

        (code, output, _) = await CommandAsync("workflows", "show", id, "--json");
        var detail = JsonSerializer.Deserialize<WorkflowDetail>(output, OperationsJson.Options)!;
        Assert.Equal((0, InstanceStatus.Finished), (code, detail.Workflow.Status));
        Assert.Equal(("Retry", "break", "alice", "mended it"), detail.Audit.Select(a => (a.Alteration, a.Activity, a.Who, a.Why)).Single());
        Assert.NotNull(detail.Incidents.Single().ClosedAt);
        Assert.Equal("""{"handle":"h"}""", detail.Executions[0].Output!.ToJsonString());
        Assert.Empty(detail.Lanes);

        string errors;
        (code, _, errors) = await CommandAsync("workflows", "cancel", id, "--reason", "too late");
        Assert.Equal((1, $"flannelflow: Cancel of mend {id}: it is Finished\n"), (code, errors));
    }

    [Fact]
    public async Task Commands_SkipWithOutputs_AndSetAVariable()
    {
        _brittle.Fails = true;
        var skipped = (await RunAsync("skipped")).Value;

        var (code, _, errors) = await CommandAsync("workflows", "skip", skipped, "--reason", "r", "--outputs", """{"handle":7}""");
        Assert.Equal((2, "flannelflow: skipping break: output 'handle': 7 is no String\n"), (code, errors));
        (code, _, _) = await CommandAsync("workflows", "set", skipped, "Handle", "\"by hand\"", "--reason", "r");
        Assert.Equal(0, code);
        Assert.Equal("""{"Handle":"by hand"}""", _runtime.Instance(new InstanceId(skipped))!.Variables);
        (code, _, _) = await CommandAsync("workflows", "skip", skipped, "--reason", "r", "--outputs", """{"handle":"x"}""");
        Assert.Equal(0, code);
        Assert.Equal("""{"Handle":"x"}""", (await _runtime.AnswerAsync(new InstanceId(skipped), Token).WaitAsync(Patience, Token)).Output!.ToJsonString());
    }

    [Fact]
    public async Task Commands_SignalAWorkflow_AndWatchItEnd()
    {
        var (code, output, _) = await CommandAsync("workflows", "signal", "go", "early", "--payload", "\"kept\"", "--id", "s1");
        Assert.Equal((0, "s1: kept for the first that waits for it\n"), (code, output));
        Assert.Equal((0, "s1: was sent before\n", ""), await CommandAsync("workflows", "signal", "go", "early", "--id", "s1"));
        var early = await _runtime.RunAsync(new StartWorkflow("waits", "early", []), Token).WaitAsync(Patience, Token);
        Assert.Equal("\"kept\"", early.Output!["Handle"]!.ToJsonString());

        var id = (await _runtime.StartAsync(new StartWorkflow("waits", "late", []), Token)).Value;
        var watch = CommandAsync("workflows", "show", id, "--watch");
        (code, output, _) = await CommandAsync("workflows", "lanes", "--json");
        Assert.Equal((0, $"[\"{id}\"]"), (code, JsonNode.Parse(output)![0]!["holders"]!.ToJsonString()));
        (code, output, _) = await CommandAsync("workflows", "lanes");
        Assert.Equal((0, $"thing/waits\texclusive\t{id}\t\n"), (code, output));
        (code, output, _) = await CommandAsync("workflows", "signal", "go", "late", "--payload", "\"now\"", "--json");
        Assert.Equal((0, id), (code, JsonNode.Parse(output)!["workflow"]!.GetValue<string>()));

        (code, output, _) = await watch.WaitAsync(Patience, Token);
        Assert.Equal(0, code);
        Assert.Contains("finished", output, StringComparison.Ordinal);
        Assert.Equal((1, $"flannelflow: Migrate of waits {id}: it is Finished\n"), await FailureAsync("workflows", "migrate", id, "--reason", "r"));
        Assert.Equal((2, "flannelflow: signal 'go': it is not said whom it is for (a correlation, an idempotency key, or an instance's id)\n"), await FailureAsync("workflows", "signal", "go", " "));
    }

    [Fact]
    public async Task Watch_OfOneThatIsCancelled_Ends1()
    {
        var id = (await _runtime.StartAsync(new StartWorkflow("waits", "k", []), Token)).Value;
        var watch = CommandAsync("workflows", "show", id, "--watch");
        Assert.Equal(0, (await CommandAsync("workflows", "cancel", id, "--reason", "r")).Code);
        var (code, output, errors) = await watch.WaitAsync(Patience, Token);
        Assert.Equal((1, ""), (code, errors));
        Assert.Contains("\tcancelled\t", output, StringComparison.Ordinal);
        Assert.Equal(1, (await CommandAsync("workflows", "show", "beefbeef", "--watch")).Code);
    }

    [Theory]
    [InlineData("workflows", "signal", "go", "k", "--payload", "{")]
    [InlineData("workflows", "retry", "0123456789")]
    [InlineData("workflows", "skip", "0123456789", "--reason", "r", "--outputs", "[]")]
    [InlineData("workflows", "list", "--status", "fine")]
    [InlineData("workflows", "mend")]
    [InlineData("definitions", "check", "/nowhere.json")]
    public async Task Commands_NotUnderstood_End2(params string[] args)
    {
        Assert.Equal(2, (await CommandAsync(args)).Code);
    }

    [Fact]
    public async Task Commands_NoDaemon_End1_AndSayWhere()
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        using var errors = new StringWriter(CultureInfo.InvariantCulture);
        var code = await CommandTree.InvokeAsync(["workflows", "list", "--socket", "/nowhere.sock"], new InvocationConfiguration { Output = output, Error = errors });
        Assert.Equal(1, code);
        Assert.StartsWith("flannelflow: the daemon does not answer on /nowhere.sock: ", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Definitions_AreListed_AndChecked()
    {
        var (code, output, _) = await CommandAsync("definitions", "list");
        Assert.Equal(0, code);
        Assert.StartsWith("mend\t1\tbreak\tthing/all (Exclusive)\tSuspend\t", output, StringComparison.Ordinal);

        var good = Path.Combine(_folder, "good.json");
        var bad = Path.Combine(_folder, "bad.json");
        await File.WriteAllTextAsync(good, Definition, Token);
        await File.WriteAllTextAsync(bad, Definition.Replace("Test.Brittle", "Test.Brittel", StringComparison.Ordinal), Token);
        Assert.Equal((0, "good.json: no errors\n", ""), await CommandAsync("definitions", "check", good));
        (code, output, _) = await CommandAsync("definitions", "check", bad);
        Assert.Equal(1, code);
        Assert.StartsWith("bad.json: $.root.activities[0].type: unknown activity type 'Test.Brittel'", output, StringComparison.Ordinal);
        (code, output, _) = await CommandAsync("definitions", "check", bad, "--json");
        Assert.Equal((1, 1), (code, JsonNode.Parse(output)!["errors"]!.AsArray().Count));
    }

    private async Task<(int Code, string Output, string Errors)> CommandAsync(params string[] args)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        using var errors = new StringWriter(CultureInfo.InvariantCulture);
        var code = await CommandTree.InvokeAsync([.. args, "--socket", SocketPath], new InvocationConfiguration { Output = output, Error = errors });
        return (code, output.ToString(), errors.ToString());
    }

    private async Task<(int Code, string Errors)> FailureAsync(params string[] args)
    {
        var (code, _, errors) = await CommandAsync(args);
        return (code, errors);
    }

    private async Task<InstanceId> RunAsync(string key) =>
        (await _runtime.RunAsync(new StartWorkflow("mend", key, []), Token).WaitAsync(Patience, Token)).Instance;

    private async Task<T> GetAsync<T>(string query) =>
        (await _client.GetFromJsonAsync<T>(new Uri(WorkflowApi.WorkflowsPath + query, UriKind.Relative), OperationsJson.Options, Token))!;

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
        await _runtime.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private const string Definition = """
        { "definitionId": "mend", "version": 1, "name": "mend",
          "variables": [ {"id": "Handle", "name": "Handle", "typeName": "String"} ],
          "outputs": [ {"name": "Handle", "type": "String"} ],
          "customProperties": { "onFault": "Suspend", "lanes": [ {"key": "thing/all", "mode": "Exclusive"} ] },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [
            { "id": "break", "type": "Test.Brittle", "handle": {"typeName": "String", "memoryReference": {"id": "Handle"}} } ] } }
        """;

    private const string Waits = """
        { "definitionId": "waits", "version": 1,
          "variables": [ {"name": "Handle", "typeName": "Object"} ], "outputs": [ {"name": "Handle", "type": "Object"} ],
          "customProperties": { "lanes": [ {"key": "thing/waits", "mode": "Exclusive"} ] },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [
            { "id": "wait", "type": "Elsa.Event", "eventName": {"typeName": "String", "expression": {"type": "Literal", "value": "go"}},
              "result": {"typeName": "Object", "memoryReference": {"id": "Handle"}} } ] } }
        """;

    private sealed record BrittleInput;

    private sealed record BrittleOutput(string Handle);

    private sealed class Brittle : Activity<BrittleInput, BrittleOutput>
    {
        private volatile bool _fails;

        public bool Fails
        {
            set => _fails = value;
        }

        public override string Type => "Test.Brittle";

        public override Task<BrittleOutput> ExecuteAsync(BrittleInput input, ActivityExecution execution, CancellationToken ct) =>
            _fails ? throw new IOException("it broke") : Task.FromResult(new BrittleOutput("h"));
    }
}
