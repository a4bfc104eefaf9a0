using System.Text.Json.Nodes;
using FlannelFlow.Activities;
using FlannelFlow.Durability.Tests.Kit;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>The definitions of workflows/, as shipped, each in four stories. What is added to that folder is found by itself.</summary>
internal static class ShippedScenarios
{
    public static IReadOnlyList<DefinitionFile> Files { get; } =
    [
        .. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "workflows"), "*.json")
            .Where(file => !file.EndsWith(".schema.json", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(file => new DefinitionFile(Path.GetFileName(file), File.ReadAllText(file))),
    ];

    private static ActivityCatalog Types { get; } = AllTypes();

    private static IReadOnlyList<WorkflowDefinition> Definitions { get; } = DefinitionLoader.Load(Files, Types);

    /// <summary>
    /// Of a definition: all goes well; each call fails once, where its step tries again; the last call is refused (and each undoing fails once); the
    /// last call that is given up fails until an operator has mended it.
    /// </summary>
    public static async Task<IReadOnlyList<Scenario>> OfAsync(DefinitionFile file)
    {
        WorkflowDefinition definition = Definitions.Single(d => d.Id + ".json" == file.Name);
        var calm = new Scenario($"{definition.Id}/succeeds", Files, Stage, StartOf(definition)) { React = SignalAsync };
        (IReadOnlyList<string> calls, var callers) = await CallsAsync(calm);
        // What it makes absent is there, else that could not be seen.
        calm = calm with { Have = [.. calls.Where(call => call[0] == '-').Select(call => call[1..])] };
        if (calls.Count == 0) return [calm];
        string last = calls[^1];
        // A step of a child is one of another definition.
        int? Attempts(string call) => Definitions.Select(d => d.Step(callers[call])).First(step => step is not null)!.Retry.Attempts;
        bool Retries(string call) => Attempts(call) is not 1;
        var undoings = calls.SkipLast(1).Where(Retries).Select(call => (Call: call[0] == '+' ? '-' + call[1..] : '+' + call[1..], Fault: (Exception)new IOException("undoing")));
        string? givenUp = calls.LastOrDefault(call => Attempts(call) < 10);
        Scenario[] broken = givenUp is null ? [] : [calm with { Name = $"{definition.Id}/broken", Broken = [givenUp], Operator = [new Alteration.Retry()] }];
        return
        [
            calm,
            calm with { Name = $"{definition.Id}/retries", Faults = [.. calls.Where(Retries).Select(call => (call, (Exception)new IOException("passing")))] },
            calm with { Name = $"{definition.Id}/refused", Faults = [(last, new RefusalException("no")), .. undoings.Where(u => !calls.Contains(u.Call))] },
            .. broken,
        ];
    }

    /// <summary>The product's activities, playing in a kernel.</summary>
    public static ActivityCatalog Stage(FakeKernel kernel) => StagedActivity.Stage(Types, kernel);

    /// <summary>Whoever waits for a signal gets it, once.</summary>
    private static async Task SignalAsync(WorkflowRuntime runtime, JournalEvent happened)
    {
        if (happened is not { Kind: JournalEventKind.StepWaits, Detail: { } detail } || detail.Split('\'') is not ["for signal ", var name, ..]) return;
        string id = $"{happened.Instance}/{happened.ActivityId}/{happened.Seq}";
        await runtime.SignalAsync(new Signal(name, happened.Instance.Value, Id: id), CancellationToken.None);
    }

    private static StartWorkflow StartOf(WorkflowDefinition definition)
    {
        var input = new JsonObject();
        foreach (WorkflowInput declared in definition.Inputs) input[declared.Name] = StagedActivity.Value(declared.TypeName, declared.Name);
        return new StartWorkflow(definition.Id, "key", input);
    }

    private static async Task<(IReadOnlyList<string> Calls, IReadOnlyDictionary<string, string> Callers)> CallsAsync(Scenario scenario)
    {
        using World world = World.Fresh(scenario.Kernel());
        await Life.LiveAsync(scenario, world, crash: null);
        return ([.. world.Kernel.Calls.Select(call => call[..call.LastIndexOf('#')]).Distinct()], world.Kernel.Callers);
    }

    /// <summary>Of the product's composition root; their names and shapes only, so what they act on is left out.</summary>
    private static ActivityCatalog AllTypes()
    {
        var constructor = typeof(ActivitySet).GetConstructors().Single();
        return ((ActivitySet)constructor.Invoke(new object?[constructor.GetParameters().Length])).Catalog();
    }
}
