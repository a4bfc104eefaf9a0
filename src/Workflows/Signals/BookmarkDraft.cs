using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>What an execution of Elsa.Event waits for, or that it does not wait any more.</summary>
/// <param name="Consumes">It has ended by its signal.</param>
internal sealed record BookmarkDraft(int Seq, int Attempt, string Name, string Correlation, bool Waits, bool Consumes)
{
    public static BookmarkDraft Of(InstanceState state, ExecutionState execution) => new(
        execution.Seq, execution.Attempt, NameOf(execution), Property(execution, "correlationId") ?? state.IdempotencyKey,
        execution.Status == ExecutionStatus.Waiting, execution.Status == ExecutionStatus.Completed);

    public static string NameOf(ExecutionState execution) => Property(execution, "eventName") ?? "";

    private static string? Property(ExecutionState execution, string name)
    {
        using JsonDocument input = JsonDocument.Parse(execution.Input);
        return input.RootElement.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
    }
}
