using System.Collections.Concurrent;
using System.Globalization;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Simulation;

internal sealed record SimulatedInput(string Net, string Item = "");

/// <summary>Ensures a thing named after its execution; may fail, as the seed says; notes who is at work in which lane.</summary>
internal sealed class SimulatedActivity(FakeKernel kernel, Chances chances) : Activity<SimulatedInput, Nothing>
{
    private readonly ConcurrentDictionary<(string Net, InstanceId Instance), int> _work = new();

    public override string Type => "Test.Simulated";
    public override bool CanCompensate => true;

    /// <summary>Whether an instance has the lane of its net for itself.</summary>
    public required bool IsExclusive { get; init; }

    public ConcurrentQueue<string> Conflicts { get; } = new();

    public static string Thing(InstanceId instance, int seq, string step) => string.Create(CultureInfo.InvariantCulture, $"{instance}/{seq}-{step}");

    public override async Task<Nothing> ExecuteAsync(SimulatedInput input, ActivityExecution execution, CancellationToken ct)
    {
        Enter(input.Net, execution.Instance);
        try
        {
            if (chances.Of(execution, "yields", 2) == 0) await Task.Yield();
            kernel.Ensure(execution.IdempotencyKey, execution);
            // By step, not by instance, whose id is new in each run: the same seed has the same faults.
            if (execution.Attempt < 3 && chances.Of(execution, "fails", 5) == 0) throw Fault(execution, new IOException("passing"));
            if (chances.Refuses(execution.ActivityId)) throw Fault(execution, new RefusalException("no"));
            return Nothing.Instance;
        }
        finally
        {
            Leave(input.Net, execution.Instance);
        }
    }

    public override Task CompensateAsync(SimulatedInput input, Nothing? output, ActivityExecution execution, CancellationToken ct)
    {
        kernel.EnsureNot(execution.IdempotencyKey[..^"/undo".Length], execution);
        if (execution.Attempt < 3 && chances.Of(execution, "undoing", 5) == 0) throw Fault(execution, new IOException("passing"));
        return Task.CompletedTask;
    }

    private Exception Fault(ActivityExecution execution, Exception fault)
    {
        kernel.CountFault(execution);
        return fault;
    }

    private void Enter(string net, InstanceId instance)
    {
        // Branches of one instance may be at work together.
        _work.AddOrUpdate((net, instance), 1, (_, working) => working + 1);
        foreach (((string lane, InstanceId other), int working) in _work)
        {
            if (IsExclusive && working > 0 && lane == net && other != instance) Conflicts.Enqueue($"{instance} and {other} are at work in net/{net} together");
        }
    }

    private void Leave(string net, InstanceId instance) => _work.AddOrUpdate((net, instance), 0, (_, working) => working - 1);
}

/// <summary>Chance by seed and place, whatever the order in which it is asked.</summary>
internal sealed class Chances(int seed)
{

    /// <summary>The step that refuses, if any.</summary>
    public string? Refused { get; set; }

    public bool Refuses(string step) => step == Refused;

    public int Of(ActivityExecution execution, string what, int below) => new Random(Hash($"{seed}/{what}/{execution.ActivityId}/{execution.Attempt}")).Next(below);

    /// <summary>FNV-1a: the same in every process.</summary>
    private static int Hash(string text)
    {
        uint hash = 2166136261;
        foreach (char c in text) hash = unchecked((hash ^ c) * 16777619);
        return unchecked((int)hash);
    }
}
