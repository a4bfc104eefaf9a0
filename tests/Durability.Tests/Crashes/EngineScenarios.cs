using System.Text.Json;
using System.Text.Json.Nodes;
using FlannelFlow.Workflows;
using FlannelFlow.Workflows.Tests.Kit;

namespace FlannelFlow.Durability.Tests.Crashes;

/// <summary>Definitions for the engine's sake: what it can do and no shipped definition does (yet).</summary>
internal static class EngineScenarios
{
    private const string Retry = """ "compensate": true, "retry": {"initialInterval": "00:00:00.1", "attempts": 3} """;

    public static IReadOnlyList<Scenario> All { get; } =
    [
        Of("succeeds", "", Definition.Ensure("a"), Definition.Respond, Definition.Ensure("b"), Definition.Ensure("c")),
        Of("retries", "", Definition.Ensure("a"), Definition.Ensure("b", Retry), Definition.Respond, Definition.Ensure("c")) with
        {
            Faults = [("+b", new IOException("1")), ("+b", new IOException("2"))],
        },
        Of("compensates", "", Definition.Ensure("a"), Definition.Ensure("b", Retry), Definition.Ensure("keep", ""), Definition.Ensure("c")) with
        {
            Faults = [("+c", new RefusalException("no")), ("-b", new IOException("1"))],
        },
        Of("continues", "", Definition.Ensure("a"), Definition.Ensure("b", """ "onFault": "Continue" """), Definition.Ensure("c")) with
        {
            Broken = ["+b"],
        },
        Of("probes", "", Definition.Ensure("a"), Definition.Ensure("b", Retry).Replace("Test.Ensure", "Test.Probed", StringComparison.Ordinal), Definition.Ensure("c")),
        Altered("altered-retry", "+b", new Alteration.Retry()),
        Altered("altered-skip", "+b", new Alteration.Skip(new JsonObject { ["handle"] = "h" })),
        Altered("altered-compensate", "+b", new Alteration.Compensate()),
        Altered("altered-cancel", "+c", new Alteration.Cancel()),
        Altered("altered-terminate", "+b", new Alteration.Terminate()),
        Altered("altered-variable", "+b", new Alteration.ModifyVariable("Handle", JsonSerializer.SerializeToElement("h")), new Alteration.Retry()),
        Of("altered-undoing", "", Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")) with
        {
            Faults = [("+c", new RefusalException("no"))],
            Broken = ["-b"],
            Operator = [new Alteration.Retry()],
        },
    ];

    private static Scenario Of(string name, string custom, params string[] steps) => new(
        $"engine/{name}", [new DefinitionFile($"{name}.json", Definition.Of("crash", custom, steps))], Catalog,
        new StartWorkflow("crash", "key", new JsonObject()));

    private static Scenario Altered(string name, string broken, params Alteration[] alterations) =>
        Of(name, """ "onFault": "Suspend" """, Definition.Ensure("a"), Definition.Ensure("b"), Definition.Ensure("c")) with
        {
            Broken = [broken],
            Operator = alterations,
        };

    private static ActivityCatalog Catalog(FakeKernel kernel) => new ActivityCatalog().Add(new EnsureActivity(kernel)).Add(new ProbedActivity(kernel));

    /// <summary>Looks into the kernel whether it has done its work.</summary>
    private sealed class ProbedActivity(FakeKernel kernel) : Activity<EnsureInput, EnsureOutput>
    {
        public override string Type => "Test.Probed";
        public override RecoveryMode Recovery => RecoveryMode.Probe;
        public override bool CanCompensate => true;
        public override bool CanProbe => true;

        public override Task<EnsureOutput> ExecuteAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct)
        {
            kernel.Ensure(input.Thing, execution);
            return Task.FromResult(new EnsureOutput("h-" + input.Thing, input.Size));
        }

        public override Task<ProbeResult<EnsureOutput>> ProbeAsync(EnsureInput input, ActivityExecution execution, CancellationToken ct) =>
            Task.FromResult(kernel.Has(input.Thing)
                ? new ProbeResult<EnsureOutput>(ProbeOutcome.Done, new EnsureOutput("h-" + input.Thing, input.Size))
                : new ProbeResult<EnsureOutput>(ProbeOutcome.NotDone));

        public override Task CompensateAsync(EnsureInput input, EnsureOutput? output, ActivityExecution execution, CancellationToken ct)
        {
            kernel.EnsureNot(input.Thing, execution);
            return Task.CompletedTask;
        }
    }
}
