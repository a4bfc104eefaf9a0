using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Workflows.Tests;

public sealed class RunTests
{
    [Fact]
    public async Task Sequence_ThreeSteps_FourCommits()
    {
        await using var engine = new Engine();
        engine.Definitions.Add(Definition.Of("three", "", Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")));
        WorkflowRuntime runtime = await engine.RunAsync();

        long before = runtime.Commits;
        WorkflowAnswer answer = await engine.RunAsync("three", "k");
        var events = await engine.EventsUntil(e => e.Kind == JournalEventKind.Finished);

        Assert.Equal(WorkflowOutcome.Finished, answer.Outcome);
        Assert.Equal("""{"Handle":"h-c"}""", answer.Output!.ToJsonString());
        Assert.Equal("a b c", engine.Kernel.Text);
        Assert.Equal(4, runtime.Commits - before);
        Assert.Equal(
            """
            Accepted
            StepStarted a#1
            StepCompleted a#1
            StepStarted b#1
            StepCompleted b#1
            StepStarted c#1
            StepCompleted c#1
            Finished
            """,
            Engine.Print(events));
    }
}
