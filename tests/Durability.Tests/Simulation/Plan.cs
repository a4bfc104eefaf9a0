using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Durability.Tests.Crashes;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;
using static FlannelFlow.Workflows.Tests.Kit.Definition;

namespace FlannelFlow.Durability.Tests.Simulation;

/// <summary>What a seed means: a definition of any shape, some instances of it in lanes they contend for, faults, and ends of the process.</summary>
internal sealed class Plan
{
    private readonly Random _random;
    private readonly List<string> _steps = [];
    private int _nodes;

    public Plan(int seed)
    {
        _random = new Random(seed);
        Seed = seed;
        string root = Sequence("all", [.. Enumerable.Range(0, _random.Next(2, 5)).Select(_ => Node(depth: 0))]);
        string policy = _random.Next(4) == 0 ? "Suspend" : "Compensate";
        IsExclusive = _random.Next(3) > 0;
        string mode = IsExclusive ? "Exclusive" : "Shared";
        Definition = Tree("crash", root, $$""" "onFault": "{{policy}}", "lanes": [ {"key": "net/{Net}", "mode": "{{mode}}"}, {"key": "all", "mode": "Shared"} ] """)
            .Replace("""{"name": "Net", "type": "String", "isRequired": false}""", """{"name": "Net", "type": "String"}""", StringComparison.Ordinal);
        Chances = new Chances(seed) { Refused = _steps.Count > 0 && _random.Next(3) == 0 ? _steps[_random.Next(_steps.Count)] : null };
        Starts =
        [
            .. Enumerable.Range(0, _random.Next(1, 4)).Select(n => new StartWorkflow(
                "crash", string.Create(CultureInfo.InvariantCulture, $"k{n}"),
                new JsonObject { ["Net"] = n % 2 == 0 ? "even" : "odd", ["Items"] = new JsonArray([.. Enumerable.Range(0, _random.Next(0, 4)).Select(i => JsonValue.Create($"i{i}"))]) })),
        ];
        Ends = [.. Enumerable.Range(0, _random.Next(0, 4)).Select(_ => (_random.Next(1, 60), _random.Next(4) == 0))];
    }

    public int Seed { get; }
    public bool IsExclusive { get; }
    public string Definition { get; }
    public Chances Chances { get; }
    public IReadOnlyList<StartWorkflow> Starts { get; }

    /// <summary>Of each life but the last: after so many points, and whether as a commit that SQLite calls failed.</summary>
    public IReadOnlyList<(int Points, bool Ambiguous)> Ends { get; }

    public Scenario Scenario(Func<FakeKernel, ActivityCatalog> catalog) =>
        new($"seed {Seed}", [new DefinitionFile("crash.json", Definition)], catalog, Starts[0])
        {
            More = [.. Starts.Skip(1)],
            React = SignalAsync,
            Judge = Judge,
            Check = CheckKernel,
        };

    private string Node(int depth)
    {
        string id = string.Create(CultureInfo.InvariantCulture, $"n{++_nodes}");
        string[] Children() => [.. Enumerable.Range(0, _random.Next(1, 4)).Select(_ => Node(depth + 1))];
        return (depth >= 3 ? 0 : _random.Next(12)) switch
        {
            0 or 1 or 2 or 3 or 4 => Step(id),
            5 => Sequence(id, Children()),
            6 or 7 => Parallel(id, Children()),
            8 => If(id, _random.Next(2) == 0 ? "Yes" : "No", Node(depth + 1), _random.Next(2) == 0 ? Node(depth + 1) : null),
            9 => ForEach(id, Sequence(id + "-body", Item(id + "-each"), Node(depth + 1))),
            10 => Delay(id, string.Create(CultureInfo.InvariantCulture, $"00:00:{_random.Next(1, 60):00}")),
            _ => Event(id, "signal-" + id),
        };
    }

    private string Step(string id)
    {
        _steps.Add(id);
        return $$$"""{ "id": "{{{id}}}", "type": "Test.Simulated", "customProperties": { {{{Custom()}}} }, {{{Net}}} }""";
    }

    private string Item(string id)
    {
        _steps.Add(id);
        return $$$"""
            { "id": "{{{id}}}", "type": "Test.Simulated", "customProperties": { {{{Custom()}}} }, {{{Net}}},
              "item": {"typeName": "String", "expression": {"type": "Variable", "value": "Item"}} }
            """;
    }

    private const string Net = """ "net": {"typeName": "String", "expression": {"type": "Input", "value": "Net"}} """;

    private string Custom()
    {
        string compensate = _random.Next(5) == 0 ? "false" : "true";
        return $$""" "compensate": {{compensate}}, "retry": {"initialInterval": "00:00:0{{_random.Next(1, 9)}}", "attempts": {{_random.Next(1, 5)}}, "jitter": 0.5} """;
    }

    /// <summary>Whoever waits for a signal gets it, in every life again, with the same id.</summary>
    private static async Task SignalAsync(WorkflowRuntime runtime, JournalEvent happened)
    {
        if (happened is not { Kind: JournalEventKind.StepWaits, Detail: { } detail } || detail.Split('\'') is not ["for signal ", var name, ..]) return;
        string id = $"{happened.Instance}/{happened.ActivityId}/{happened.Seq}";
        await runtime.SignalAsync(new Signal(name, happened.Instance.Value, JsonSerializer.SerializeToElement("x"), id), CancellationToken.None);
    }

    /// <summary>An operator who has an undoing that failed tried again, and else lets the whole be undone.</summary>
    private Alteration Judge(WorkflowRuntime runtime, InstanceRow waiting)
    {
        var undoing = runtime.Executions(waiting.Id).FirstOrDefault(e => e.Status == ExecutionStatus.CompensationFaulted);
        if (undoing is not null) return new Alteration.Retry(undoing.ActivityId);
        return Seed % 2 == 0 ? new Alteration.Compensate() : new Alteration.Cancel();
    }

    /// <summary>The kernel is what the journal says: all that completed, nothing that was undone; of what was given up, either.</summary>
    private static void CheckKernel(WorkflowRuntime runtime, FakeKernel kernel)
    {
        var there = kernel.Things.ToHashSet(StringComparer.Ordinal);
        foreach (InstanceRow instance in runtime.Instances(new InstanceFilter(null, null, Limit: 1000)))
        {
            foreach (ExecutionRow e in runtime.Executions(instance.Id).Where(e => e.ActivityType == "Test.Simulated"))
            {
                bool isThere = there.Remove(SimulatedActivity.Thing(instance.Id, e.Seq, e.ActivityId));
                bool fits = e.Status switch
                {
                    ExecutionStatus.Completed => isThere,
                    ExecutionStatus.Compensated => !isThere,
                    _ => true,
                };
                if (!fits) throw new BrokenInvariantException($"{e.ActivityId} of {instance.IdempotencyKey} is {e.Status}, and {(isThere ? "there" : "not there")}");
            }
        }
        if (there.Count > 0) throw new BrokenInvariantException($"nobody made {string.Join(' ', there)}");
    }
}
