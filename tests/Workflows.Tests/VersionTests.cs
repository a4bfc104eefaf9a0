using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Workflows.Tests;

public sealed class VersionTests
{
    private const string Suspends = "\"onFault\": \"Suspend\"";

    [Fact]
    public async Task Instance_GoesOnWithTheDefinitionItBeganWith_AndNewOnesBeginWithTheNew()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("d", "", Definition.Gate("g"), Definition.Ensure("a")));
        await engine.RunAsync();
        InstanceId old = await engine.Runtime.StartAsync(Engine.Start("d", "old"), Engine.Token);
        await engine.Runtime.DisposeAsync();
        engine.Definitions[0] = Definition.Of("d", "", Definition.Gate("g"), Definition.Ensure("b"));
        await engine.RunAsync();
        // The layout of a file makes no version.
        await engine.Runtime.DisposeAsync();
        engine.Definitions[0] = engine.Definitions[0].Replace(" ", "  ", StringComparison.Ordinal);
        await engine.RunAsync();

        var versions = engine.Runtime.Versions();
        Assert.Equal([(1, 1, 1, false), (1, 2, 0, true)], versions.Select(v => (v.Version, v.Revision, v.Open, v.IsReused)));
        Assert.Equal(engine.Runtime.Instance(old)!.DefinitionHash, versions[0].Hash);
        engine.Gate.Open("g");
        await engine.Runtime.AnswerAsync(old, Engine.Token).WaitAsync(Engine.Patience);
        Assert.Equal("a", engine.Kernel.Text);
        await engine.RunAsync("d", "new");
        Assert.Equal("a b", engine.Kernel.Text);
    }

    [Fact]
    public async Task Migrate_OfOneThatStands_GoesOnInTheNew_AndIsAudited()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine, [Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")]);
        await LoadAsync(engine, [Definition.Ensure("a"), Definition.Ensure("new"), Definition.Ensure("b"), Definition.Ensure("after"), Definition.Ensure("c")]);

        await AlterAsync(engine, id, new Alteration.Migrate());
        Assert.Equal(InstanceStatus.Suspended, engine.Runtime.Instance(id)!.Status);
        Assert.Single(engine.Runtime.Incidents(new IncidentFilter(OpenOnly: true)));
        // Pinned to the new one from now on.
        await engine.RestartAsync();
        await AlterAsync(engine, id, new Alteration.Retry());

        Assert.Equal(WorkflowOutcome.Finished, (await engine.Runtime.AnswerAsync(id, Engine.Token).WaitAsync(Engine.Patience)).Outcome);
        Assert.Equal("a after b c", engine.Kernel.Text);
        Assert.Equal(["Migrate", "Retry"], engine.Runtime.Audit(id).Select(a => a.Alteration));
        Assert.Equal(engine.Runtime.Definitions.Single().Hash, engine.Runtime.Instance(id)!.DefinitionHash);
    }

    [Fact]
    public async Task Migrate_ThatDoesNotFit_IsRefusedWithAllReasons()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine, [Definition.Ensure("a"), Definition.Ensure("b")]);
        await LoadAsync(
            engine, [Definition.Ensure("x"), Definition.If("if", "Yes", Definition.Ensure("b"))],
            text => text.Replace("\"variables\": [", "\"variables\": [ {\"name\": \"Yes\", \"typeName\": \"Boolean\", \"value\": true},", StringComparison.Ordinal)
                .Replace("\"onFault\"", "\"lanes\": [ {\"key\": \"all\", \"mode\": \"Shared\"} ], \"onFault\"", StringComparison.Ordinal)
                .Replace("\"isRequired\": false", "\"isRequired\": true", StringComparison.Ordinal));
        string hash = engine.Runtime.Definitions.Single().Hash[..12];

        var e = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Migrate()));

        Assert.Equal(
            $"Migrate of d {id} to {hash}: b is in another container; a (Test.Ensure) has run, and is not there to be undone; input 'Net' was not given; it claims other lanes",
            e.Message);
        Assert.Empty(engine.Runtime.Audit(id));
    }

    [Fact]
    public async Task Migrate_WhileAStepRuns_OrToTheSame_IsRefused()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("d", "", Definition.Gate("g")));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("d", "k"), Engine.Token);
        var same = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Migrate()));
        Assert.EndsWith("it has the definition that is loaded already", same.Message, StringComparison.Ordinal);
        await LoadAsync(engine, [Definition.Gate("g"), Definition.Ensure("a")]);
        await engine.Gate.Arrived("g").WaitAsync(Engine.Patience, Engine.Token);

        var running = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Migrate()));
        Assert.EndsWith("a step is under way: it is Running, at gate-g (Running)", running.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DefinitionWhoseTypeIsGone_IsAnIncident_UntilItIsMigrated()
    {
        await using var engine = new Engine();
        InstanceId id = await SuspendedAsync(engine, [Definition.Ensure("a"), Definition.Gate("g"), Definition.Ensure("b")]);
        await engine.Runtime.DisposeAsync();
        engine.Catalog = new ActivityCatalog().Add(new EnsureActivity(engine.Kernel));
        engine.Definitions[0] = Definition.Of("d", Suspends, Definition.Ensure("a"), Definition.Ensure("b"));
        await engine.RunAsync();
        var refused = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Retry()));
        Assert.EndsWith("the definition it began with does not load; it can be migrated or terminated", refused.Message, StringComparison.Ordinal);
        var lost = await Assert.ThrowsAsync<AlterationRefusedException>(() => AlterAsync(engine, id, new Alteration.Migrate()));
        Assert.EndsWith("gate-g (Test.Gate) has run, and is not there to be undone", lost.Message, StringComparison.Ordinal);
    }

    /// <summary>At b, or whatever comes last.</summary>
    private static async Task<InstanceId> SuspendedAsync(Engine engine, string[] steps)
    {
        engine.Gate.Open("g");
        engine.Kernel.FailNext("+b", new IOException("on fire"));
        engine.Definitions.Add(Definition.Of("d", Suspends, steps));
        await engine.RunAsync();
        return (await engine.RunAsync("d", "k")).Instance;
    }

    private static async Task LoadAsync(Engine engine, string[] steps, Func<string, string>? more = null)
    {
        await engine.Runtime.DisposeAsync();
        engine.Definitions[0] = (more ?? (t => t))(Definition.Of("d", Suspends, steps));
        await engine.RunAsync();
    }

    private static Task AlterAsync(Engine engine, InstanceId id, Alteration alteration) =>
        engine.Runtime.AlterAsync(id, alteration, "alice", "mended", Engine.Token).WaitAsync(Engine.Patience);
}
