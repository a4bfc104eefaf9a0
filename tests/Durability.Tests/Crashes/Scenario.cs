using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>A story that is told again and again, with the process dying at another place each time.</summary>
/// <param name="Definitions">The texts that the runtime loads.</param>
/// <param name="Catalog">The activities, playing in a kernel.</param>
/// <param name="Start">What a caller asks, in each life; null if it only goes on with what is there.</param>
internal sealed record Scenario(string Name, IReadOnlyList<DefinitionFile> Definitions, Func<FakeKernel, ActivityCatalog> Catalog, StartWorkflow? Start)
{
    /// <summary>What other callers ask at the same time.</summary>
    public IReadOnlyList<StartWorkflow> More { get; init; } = [];

    /// <summary>Things that are there before.</summary>
    public IReadOnlyList<string> Have { get; init; } = [];

    /// <summary>Per call, the faults to come; a refusal stands.</summary>
    public IReadOnlyList<(string Call, Exception Fault)> Faults { get; init; } = [];

    /// <summary>Calls that fail until the operator acts.</summary>
    public IReadOnlyList<string> Broken { get; init; } = [];

    /// <summary>What an operator does, in order, when the instance is suspended.</summary>
    public IReadOnlyList<Alteration> Operator { get; init; } = [];

    /// <summary>What an operator does, in place of <see cref="Operator"/>, each time an instance is suspended.</summary>
    public Func<WorkflowRuntime, InstanceRow, Alteration>? Judge { get; init; }

    /// <summary>What must hold at the end beside what always must.</summary>
    public Action<WorkflowRuntime, FakeKernel>? Check { get; init; }

    /// <summary>What the world does about an event, such as sending a signal. Told of all events in every life: must hold when done before.</summary>
    public Func<WorkflowRuntime, JournalEvent, Task>? React { get; init; }

    /// <summary>What is added to what the runtime is given.</summary>
    public Func<WorkflowRuntimeOptions, WorkflowRuntimeOptions> Options { get; init; } = options => options;

    public FakeKernel Kernel()
    {
        var kernel = new FakeKernel();
        foreach (string thing in Have) kernel.Have(thing);
        foreach (var call in Faults.GroupBy(f => f.Call)) kernel.FailNext(call.Key, [.. call.Select(f => f.Fault)]);
        // More often than any life asks: only the operator ends it.
        foreach (string call in Broken) kernel.FailNext(call, [.. Enumerable.Repeat(new IOException("broken"), 100)]);
        return kernel;
    }
}
