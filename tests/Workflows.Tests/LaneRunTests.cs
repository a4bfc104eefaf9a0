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
}
