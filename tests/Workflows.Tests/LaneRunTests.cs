using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Workflows.Tests;

public sealed class LaneRunTests
{
    [Fact]
    public async Task SharedRunTogether_ExclusiveWaits_AndAnotherNetworkDoesNot_AlsoAfterARestart()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.InLane("join", "Shared", Definition.Gate("g")));
        engine.Definitions.Add(Definition.InLane("remove", "Exclusive", Definition.Ensure("removed")));
        engine.Definitions.Add(Definition.InLane("other", "Shared", Definition.Ensure("joined-later")));
        await engine.RunAsync();
        const string n1 = """{"Net":"1"}""", n2 = """{"Net":"2"}""";

        InstanceId join1 = await engine.Runtime.StartAsync(Engine.Start("join", "1", n1), Engine.Token);
        InstanceId join2 = await engine.Runtime.StartAsync(Engine.Start("join", "2", n1), Engine.Token);
        InstanceId remove = await engine.Runtime.StartAsync(Engine.Start("remove", "3", n1), Engine.Token);
        InstanceId late = await engine.Runtime.StartAsync(Engine.Start("other", "4", n1), Engine.Token);
        await engine.RunAsync("other", "5", n2);

        await engine.RestartAsync();

        Assert.Equal((4, 2, 2), (engine.Runtime.Recovery.Open, engine.Runtime.Recovery.InDoubt, engine.Runtime.Recovery.Waiting));
        Assert.Equal([InstanceStatus.Running, InstanceStatus.Running, InstanceStatus.Waiting, InstanceStatus.Waiting],
            new[] { join1, join2, remove, late }.Select(id => engine.Runtime.Instance(id)!.Status));

        engine.Gate.Open("g");
        await engine.Runtime.AnswerAsync(late, Engine.Token).WaitAsync(Engine.Patience);
        // The later shared claim did not overtake the exclusive one.
        Assert.Equal(["+joined-later#1", "+removed#1", "+joined-later#1"], engine.Kernel.Calls);
    }

    [Fact]
    public async Task Terminal_IsAnsweredOnceTheLanesAreFree_WhichTheAttemptUnderWayHolds()
    {
        await using var engine = new Engine();
        var stubborn = new StubbornActivity();
        engine.Catalog.Add(stubborn);
        engine.Definitions.Add(Definition.InLane("stubborn", "Exclusive", """{ "id": "s", "type": "Test.Stubborn" }"""));
        await engine.RunAsync();
        InstanceId id = await engine.Runtime.StartAsync(Engine.Start("stubborn", "1", """{"Net":"1"}"""), Engine.Token);
        await stubborn.Arrived.Task.WaitAsync(Engine.Patience, Engine.Token);
        Task<int> heldAtAnswer = HeldAtAnswerAsync();

        await engine.Runtime.AlterAsync(id, new Alteration.Terminate(), "alice", "it hangs", Engine.Token);
        Assert.Equal([id], Assert.Single(engine.Runtime.Lanes(id)).Holders);
        stubborn.Release.SetResult();

        Assert.Equal(0, await heldAtAnswer.WaitAsync(Engine.Patience, Engine.Token));

        async Task<int> HeldAtAnswerAsync()
        {
            await engine.Runtime.AnswerAsync(id, Engine.Token);
            return engine.Runtime.Lanes(id).Count;
        }
    }

    private sealed record StubbornInput;

    /// <summary>Does not honour its token.</summary>
    private sealed class StubbornActivity : Activity<StubbornInput, Nothing>
    {
        public override string Type => "Test.Stubborn";

        public TaskCompletionSource Arrived { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async Task<Nothing> ExecuteAsync(StubbornInput input, ActivityExecution execution, CancellationToken ct)
        {
            Arrived.TrySetResult();
            await Release.Task;
            return Nothing.Instance;
        }
    }
}
