using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows.Tests.Kit;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Workflows.Tests.Kills;

/// <summary>The process that is killed: runs a load of instances against a kernel whose every effect is fsynced to a ledger.</summary>
/// <remarks>Its folder has journal.db, ledger ("+thing key" per effect) and answers ("key outcome" per answer).</remarks>
internal static class Victim
{
    public const int Instances = 120;

    /// <summary>Every fifth instance is refused at its last step, and undone.</summary>
    public static bool IsRefused(int instance) => instance % 5 == 4;

    public static string Definition { get; } = $$"""
        { "definitionId": "load", "version": 1,
          "inputs": [ {"name": "Key", "type": "String"}, {"name": "Lane", "type": "String"} ],
          "customProperties": { "lanes": [ {"key": "lane/{Lane}", "mode": "Exclusive"} ] },
          "root": { "id": "all", "type": "Elsa.Sequence", "activities": [ {{Step("a")}}, {{Step("b")}}, {{Step("c")}} ] } }
        """;

    /// <summary>0: all answered. 3: the journal cannot be used, the reason on standard error.</summary>
    public static async Task<int> RunAsync(string folder, string crashPoint)
    {
        try
        {
            await RunLoadAsync(folder, crashPoint);
            return 0;
        }
        catch (JournalUnusableException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 3;
        }
    }

    private static async Task RunLoadAsync(string folder, string crashPoint)
    {
        using var ledger = new Ledger(Path.Combine(folder, "ledger"));
        using var answers = new Ledger(Path.Combine(folder, "answers"));
        var catalog = new ActivityCatalog().Add(new LedgerActivity(ledger));
        var options = new WorkflowRuntimeOptions { JournalPath = Path.Combine(folder, "journal.db"), CrashPoint = crashPoint };
        await using WorkflowRuntime runtime = await WorkflowRuntime.OpenAsync(
            options, catalog, DefinitionLoader.Load([new DefinitionFile("load.json", Definition)], catalog), TimeProvider.System,
            NullLoggerFactory.Instance, CancellationToken.None);
        runtime.Resume();
        await Parallel.ForEachAsync(Enumerable.Range(0, Instances), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, ct) =>
        {
            string key = string.Create(CultureInfo.InvariantCulture, $"k{i}");
            var input = new JsonObject { ["Key"] = key, ["Lane"] = string.Create(CultureInfo.InvariantCulture, $"{i % 7}") };
            WorkflowAnswer answer = await runtime.RunAsync(new StartWorkflow("load", key, input), ct);
            answers.Write($"{key} {answer.Outcome}");
        });
    }

    private static string Step(string id) => $$$$"""
        { "id": "{{{{id}}}}", "type": "Test.Ledger", "customProperties": { "compensate": true },
          "step": {"typeName": "String", "expression": {"type": "Literal", "value": "{{{{id}}}}"}},
          "key": {"typeName": "String", "expression": {"type": "Input", "value": {"name": "Key"}}} }
        """;

    private sealed record LedgerInput(string Step, string Key);

    private sealed class LedgerActivity(Ledger ledger) : Activity<LedgerInput, Nothing>
    {
        public override string Type => "Test.Ledger";
        public override bool CanCompensate => true;

        public override Task<Nothing> ExecuteAsync(LedgerInput input, ActivityExecution execution, CancellationToken ct)
        {
            ledger.Write($"+{input.Key}/{input.Step} {execution.IdempotencyKey}");
            bool refuses = input.Step == "c" && IsRefused(int.Parse(input.Key.AsSpan(1), CultureInfo.InvariantCulture));
            return refuses ? throw new RefusalException("every fifth") : Task.FromResult(Nothing.Instance);
        }

        public override Task CompensateAsync(LedgerInput input, Nothing? output, ActivityExecution execution, CancellationToken ct)
        {
            ledger.Write($"-{input.Key}/{input.Step} {execution.IdempotencyKey}");
            return Task.CompletedTask;
        }
    }

    /// <summary>Lines, each on disk before Write returns; one write(2) each, so a kill leaves whole lines.</summary>
    private sealed class Ledger(string path) : IDisposable
    {
        private readonly FileStream _file = new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        private readonly Lock _gate = new();

        public void Write(string line)
        {
            lock (_gate)
            {
                _file.Write(Encoding.ASCII.GetBytes(line + "\n"));
                _file.Flush(flushToDisk: true);
            }
        }

        public void Dispose() => _file.Dispose();
    }
}
