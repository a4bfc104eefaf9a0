using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using FlannelFlow.Host.Tracing;
using FlannelFlow.Workflows;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Host.Tests;

/// <summary>The traces that a collector gets of a real runtime.</summary>
public sealed class TracingTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("fft-trace-").FullName;
    private readonly Steps _steps = new();
    private readonly Collector _collector = new();
    private WorkflowRuntime? _runtime;
    private TraceExport? _export;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _collector.StartAsync();
        await StartAsync();
    }

    [Fact]
    public async Task Trace_OfWorkflowsThatTheProcessDiedIn_GoesOnAfterIt()
    {
        _steps.FailNext("prepare");
        var outer = await _runtime!.StartAsync(new StartWorkflow("outer", "k", []), Token);
        await _steps.Arrived("wait").WaitAsync(Patience, Token);
        await _collector.WhenAsync(spans => spans.Any(s => s.Name == "prepare" && s.Attempt == 2), Token);
        await StopAsync();
        await StartAsync();
        _steps.Open("wait");
        Assert.Equal(WorkflowOutcome.Finished, (await _runtime.AnswerAsync(outer, Token).WaitAsync(Patience, Token)).Outcome);
        var inner = Assert.Single(_runtime.Instances(new InstanceFilter("inner", null))).Id;

        await _collector.WhenAsync(spans => spans.Any(s => s.Name == "outer"), Token);

        Assert.Equal(
            """
            prepare 1 !due: it broke
            prepare 2
            child 1 !the process ended while it ran ->inner
            child 2 ->inner
            outer
            """,
            Told(outer), ignoreLineEndingDifferences: true);
        Assert.Equal(
            """
            wait 1 !the process ended while it ran
            wait 2
            inner ->outer:child
            """,
            Told(inner), ignoreLineEndingDifferences: true);
        var root = Assert.Single(_collector.Spans, s => s.Name == "outer");
        Assert.Equal(("", _runtime.Instance(outer)!.AcceptedAt, _runtime.Instance(outer)!.FinishedAt!.Value), (root.Parent, root.Start, root.End));
        Assert.All(_collector.Of(outer).Where(s => s.Name != "outer"), s => Assert.Equal(root.Id, s.Parent));
        Assert.All(_collector.Spans, s => Assert.True(s.Start <= s.End));
    }

    [Fact]
    public async Task Incident_StandsInTheSpanOfItsStep_AndInTheWhole_WithWhatWasDoneAboutIt()
    {
        _steps.FailNext("break");
        _collector.RefuseNext(503, 429);
        var id = await _runtime!.StartAsync(new StartWorkflow("brittle", "key-1", []), Token);
        await _runtime.AnswerAsync(id, Token).WaitAsync(Patience, Token);
        await _collector.WhenAsync(spans => spans.Count > 0, Token);

        var step = Assert.Single(_collector.Spans);
        Assert.Equal(("break", "it broke"), (step.Name, step.Error));
        Assert.Equal(["exception exception.message=it broke", "incident flannelflow.incident.kind=fault flannelflow.activity=break flannelflow.incident.message=break: it broke"], step.Events);
        Assert.Equal(3, _collector.Requests);
        Assert.Equal("secret word", _collector.Header);
        Assert.Equal(["service.name=flannelflow", "host.name=n1"], _collector.Resource.Where(a => a.StartsWith("service.name", StringComparison.Ordinal) || a.StartsWith("host.", StringComparison.Ordinal)));

        await _runtime.AlterAsync(id, new Alteration.Cancel(), "alice", "not needed", Token);
        await _collector.WhenAsync(spans => spans.Any(s => s.Name == "brittle"), Token);

        var root = Assert.Single(_collector.Spans, s => s.Name == "brittle");
        Assert.Equal(
            [
                "incident flannelflow.incident.kind=fault flannelflow.activity=break flannelflow.incident.message=break: it broke",
                "alteration flannelflow.alteration=Cancel flannelflow.who=alice flannelflow.why=not needed",
            ],
            root.Events);
        Assert.Contains("flannelflow.workflow.key=key-1", root.Attributes);
        Assert.Contains("flannelflow.workflow.status=cancelled", root.Attributes);
        Assert.Single(_collector.Of(id), s => s.Name == "undo break");
    }

    [Fact]
    public async Task StepThatMustNotRunTwice_ItsSpanTellsOfTheIncident_Once()
    {
        var id = await _runtime!.StartAsync(new StartWorkflow("careful", "k", []), Token);
        await _steps.Arrived("once").WaitAsync(Patience, Token);
        await StopAsync();
        await StartAsync();
        await _collector.WhenAsync(spans => spans.Count > 0, Token);
        Assert.StartsWith("incident flannelflow.incident.kind=inDoubt", Assert.Single(_collector.Spans).Events[1], StringComparison.Ordinal);

        await _runtime.AlterAsync(id, new Alteration.Skip(null, null), "alice", "it was done", Token);
        await _collector.WhenAsync(spans => spans.Any(s => s.Name == "careful"), Token);

        Assert.Equal(["once", "careful"], _collector.Of(id).Select(s => s.Name));
    }

    [Fact]
    public async Task WhatTheCollectorRefusesForGood_IsNotSentAgain()
    {
        _collector.RefuseNext(400);
        _steps.Open("wait");
        await _runtime!.RunAsync(new StartWorkflow("inner", "1", []), Token).WaitAsync(Patience, Token);
        await _collector.WhenAsync(_ => _collector.Requests == 1, Token);

        await _runtime.RunAsync(new StartWorkflow("inner", "2", []), Token).WaitAsync(Patience, Token);
        await _collector.WhenAsync(spans => spans.Any(s => s.Name == "inner"), Token);

        Assert.Contains("flannelflow.workflow.key=2", Assert.Single(_collector.Spans, s => s.Name == "inner").Attributes);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _collector.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync()
    {
        var catalog = new ActivityCatalog().Add(_steps).Add(new CarefulSteps(_steps));
        _runtime = await WorkflowRuntime.OpenAsync(
            new WorkflowRuntimeOptions { JournalPath = Path.Combine(_folder, "journal.db"), FailStop = (_, _) => { } },
            catalog, DefinitionLoader.Load([.. Definitions.Select((text, i) => new DefinitionFile($"{i}.json", text))], catalog), TimeProvider.System, NullLoggerFactory.Instance, Token);
        var settings = new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = _collector.Address, ["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=secret%20word" };
        var options = TracingOptions.Read(name => settings.GetValueOrDefault(name, ""), "n1", "0.1.0", [])!;
        _export = new TraceExport(options, _runtime, Path.Combine(_folder, "traces.seq"), TimeProvider.System, NullLogger<TraceExport>.Instance);
        await _export.StartAsync(Token);
        _runtime.Resume();
    }

    private async Task StopAsync()
    {
        if (_export is { } export) await export.StopAsync(CancellationToken.None);
        _export?.Dispose();
        if (_runtime is { } runtime) await runtime.DisposeAsync();
    }

    /// <summary>Name and attempt, "!" the error, "->" what a link leads to; in the order of their ends.</summary>
    private string Told(InstanceId trace) => string.Join('\n', _collector.Of(trace).OrderBy(s => s.End).Select(span =>
        $"{span.Name}{(span.Attempt is { } attempt ? " " + attempt : "")}{(span.Error is { } error ? " !" + Timeless(error) : "")}{string.Concat(span.Links.Select(link => " ->" + Target(link)))}"));

    private static string Timeless(string error) => error.StartsWith("due ", StringComparison.Ordinal) ? "due" + error[error.IndexOf(": ", StringComparison.Ordinal)..] : error;

    private string Target((string Trace, string Span) link)
    {
        var definition = _runtime!.Instance(new InstanceId(link.Trace))!.DefinitionId;
        var span = _collector.Spans.First(s => s.Trace == link.Trace && s.Id == link.Span);
        return span.Name == definition ? definition : $"{definition}:{span.Name}";
    }

    private static string Step(string id, string type = "Test.Steps", string custom = "") =>
        $$"""{ "id": "{{id}}", "type": "{{type}}", "subject": { "typeName": "String", "expression": { "type": "Literal", "value": "{{id}}" } } {{custom}} }""";

    private static string Sequence(string id, string custom, params string[] steps) => $$"""
        { "definitionId": "{{id}}", "version": 1, "customProperties": { {{custom}} }, "root": { "id": "all", "type": "Elsa.Sequence", "activities": [ {{string.Join(',', steps)}} ] } }
        """;

    private static readonly string[] Definitions =
    [
        Sequence(
            "outer", "", Step("prepare", custom: """, "customProperties": {"retry": {"initialInterval": "00:00:00.001", "attempts": 2}}"""),
            """{ "id": "child", "type": "Elsa.DispatchWorkflow", "workflowDefinitionId": {"typeName": "String", "expression": {"type": "Literal", "value": "inner"}}, "waitForCompletion": {"typeName": "Boolean", "expression": {"type": "Literal", "value": true}} }"""),
        Sequence("inner", "", Step("wait")),
        Sequence("brittle", "\"onFault\": \"Suspend\"", Step("break", custom: """, "customProperties": {"retry": {"initialInterval": "00:00:00.001", "attempts": 1}, "compensate": true}""")),
        Sequence("careful", "", Step("once", "Test.CarefulSteps")),
    ];

    private sealed record StepInput(string Subject);

    private sealed record Nothing;

    private sealed class Steps : Activity<StepInput, Nothing>
    {
        private readonly ConcurrentDictionary<string, bool> _fails = new();
        private readonly ConcurrentDictionary<string, TaskCompletionSource> _arrivals = new();
        private readonly ConcurrentDictionary<string, TaskCompletionSource> _gates = new();

        public override string Type => "Test.Steps";

        public override bool CanCompensate => true;

        public void FailNext(string name) => _fails[name] = true;

        public Task Arrived(string name) => Of(_arrivals, name).Task;

        public void Open(string name) => Of(_gates, name).TrySetResult();

        public override async Task<Nothing> ExecuteAsync(StepInput input, ActivityExecution execution, CancellationToken ct)
        {
            if (_fails.TryRemove(input.Subject, out _)) throw new IOException("it broke");
            Of(_arrivals, input.Subject).TrySetResult();
            if (input.Subject is "wait" or "once") await Of(_gates, input.Subject).Task.WaitAsync(ct);
            return new Nothing();
        }

        public override Task CompensateAsync(StepInput input, Nothing? output, ActivityExecution execution, CancellationToken ct) => Task.CompletedTask;

        private static TaskCompletionSource Of(ConcurrentDictionary<string, TaskCompletionSource> all, string name) =>
            all.GetOrAdd(name, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    private sealed class CarefulSteps(Steps steps) : Activity<StepInput, Nothing>
    {
        public override string Type => "Test.CarefulSteps";

        public override RecoveryMode Recovery => RecoveryMode.AtMostOnce;

        public override Task<Nothing> ExecuteAsync(StepInput input, ActivityExecution execution, CancellationToken ct) => steps.ExecuteAsync(input, execution, ct);
    }

    private sealed record Received(string Trace, string Id, string Parent, string Name, DateTimeOffset Start, DateTimeOffset End)
    {
        public required IReadOnlyList<string> Attributes { get; init; }

        public required IReadOnlyList<string> Events { get; init; }

        public required IReadOnlyList<(string Trace, string Span)> Links { get; init; }

        public string? Error { get; init; }

        public int? Attempt => Attributes.FirstOrDefault(a => a.StartsWith("flannelflow.attempt=", StringComparison.Ordinal)) is { } text ? int.Parse(text.Split('=')[1], null) : null;
    }

    /// <summary>A collector: HTTP on loopback, and OTLP's requests taken apart by the numbers of opentelemetry/proto/trace/v1/trace.proto.</summary>
    private sealed class Collector : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly Lock _gate = new();
        private readonly Queue<int> _refusals = new();
        private readonly List<Received> _spans = [];
        private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Collector()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            _app = builder.Build();
            _app.Map("/v1/traces", TakeAsync);
        }

        public string Address => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

        public int Requests { get; private set; }

        public string Header { get; private set; } = "";

        public IReadOnlyList<string> Resource { get; private set; } = [];

        public IReadOnlyList<Received> Spans
        {
            get
            {
                lock (_gate) return [.. _spans];
            }
        }

        public IReadOnlyList<Received> Of(InstanceId trace) => [.. Spans.Where(s => s.Trace == trace.Value)];

        public Task StartAsync() => _app.StartAsync(Token);

        public void RefuseNext(params int[] statuses)
        {
            foreach (var status in statuses) _refusals.Enqueue(status);
        }

        public async Task WhenAsync(Func<IReadOnlyList<Received>, bool> condition, CancellationToken ct)
        {
            var began = System.Diagnostics.Stopwatch.StartNew();
            while (true)
            {
                var changed = Volatile.Read(ref _changed).Task;
                if (condition(Spans)) return;
                await changed.WaitAsync(Patience - began.Elapsed, ct);
            }
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();

        private async Task TakeAsync(HttpContext http)
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            lock (_gate)
            {
                Requests++;
                Header = http.Request.Headers.Authorization.ToString();
                if (http.Request.Method != "POST" || http.Request.ContentType != "application/x-protobuf") http.Response.StatusCode = 415;
                else if (_refusals.TryDequeue(out var refusal)) (http.Response.StatusCode, http.Response.Headers.RetryAfter) = (refusal, "0");
                else ReadLocked(new Message(body.ToArray()));
            }

            Interlocked.Exchange(ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }

        private void ReadLocked(Message request)
        {
            foreach (var resourceSpans in request.Messages(1))
            {
                Resource = resourceSpans.Messages(1).Single().Pairs(1);
                foreach (var span in resourceSpans.Messages(2).SelectMany(scope => scope.Messages(2)))
                {
                    var status = span.Messages(15).SingleOrDefault();
                    var received = new Received(span.Hex(1), span.Hex(2), span.Hex(4), span.Text(5), span.Time(7), span.Time(8))
                    {
                        Attributes = span.Pairs(9),
                        Events = [.. span.Messages(11).Select(e => string.Join(' ', e.Pairs(3).Prepend(e.Text(2))))],
                        Links = [.. span.Messages(13).Select(link => (link.Hex(1), link.Hex(2)))],
                        Error = status?.Number(3) == 2 ? status.Text(2) : null,
                    };
                    // Who died before he had the answer sends it again.
                    if (!_spans.Any(known => (known.Trace, known.Id, known.End) == (received.Trace, received.Id, received.End))) _spans.Add(received);
                }
            }
        }
    }

    /// <summary>A protobuf message whose schema the reader knows (protobuf.dev/programming-guides/encoding).</summary>
    private sealed class Message
    {
        private readonly List<(int Field, object Value)> _fields = [];

        public Message(byte[] bytes)
        {
            using var input = new CodedInputStream(bytes);
            for (uint tag; (tag = input.ReadTag()) != 0;)
            {
                _fields.Add((WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag) switch
                {
                    WireFormat.WireType.Varint => input.ReadUInt64(),
                    WireFormat.WireType.Fixed64 => input.ReadFixed64(),
                    WireFormat.WireType.LengthDelimited => input.ReadBytes().ToByteArray(),
                    var other => throw new InvalidDataException($"{other} in a request of OTLP"),
                }));
            }
        }

        public IEnumerable<Message> Messages(int field) => All<byte[]>(field).Select(bytes => new Message(bytes));

        public string Text(int field) => Encoding.UTF8.GetString(All<byte[]>(field).SingleOrDefault([]));

        public string Hex(int field) => Convert.ToHexStringLower(All<byte[]>(field).SingleOrDefault([]));

        public ulong? Number(int field) => All<ulong>(field).Cast<ulong?>().SingleOrDefault();

        public DateTimeOffset Time(int field) => DateTimeOffset.UnixEpoch + TimeSpan.FromTicks((long)(Number(field)!.Value / 100));

        public IReadOnlyList<string> Pairs(int field) =>
            [.. Messages(field).Select(pair => $"{pair.Text(1)}={(pair.Messages(2).Single() is var any && any.Number(3) is { } number ? number : any.Text(1))}")];

        private IEnumerable<T> All<T>(int field) => _fields.Where(f => f.Field == field).Select(f => (T)f.Value);
    }
}
