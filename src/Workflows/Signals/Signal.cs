using System.Text.Json;

namespace FlannelFlow.Workflows;

/// <summary>What an Elsa.Event waits for.</summary>
/// <param name="Name">The Event's eventName.</param>
/// <param name="Correlation">The Event's correlationId, by default its instance's idempotency key; an instance's id serves as well.</param>
/// <param name="Payload">The Event's result.</param>
/// <param name="Id">A second signal with the same id is the same signal: give one to send again what may have been sent. Null makes one.</param>
public sealed record Signal(string Name, string Correlation, JsonElement? Payload = null, string? Id = null);

/// <param name="Instance">That it was matched to; null if it is kept for one to come.</param>
/// <param name="IsKnown">A signal with this id was sent before; this one changed nothing.</param>
public sealed record SignalReceipt(string Id, InstanceId? Instance, bool IsKnown);

/// <summary>A signal that is kept.</summary>
/// <param name="Payload">JSON.</param>
public sealed record SignalRow(string Id, string Name, string Correlation, string? Payload, DateTimeOffset SentAt);

/// <summary>A signal that makes no sense. Nothing was kept.</summary>
public sealed class InvalidSignalException(string message) : Exception(message);

/// <summary>A signal's being matched to an execution's bookmark; made in one transaction with either.</summary>
/// <param name="Attempt">A bookmark of another attempt is another bookmark.</param>
internal sealed record SignalMatch(InstanceId Instance, int Seq, int Attempt, string? Payload);

/// <param name="Match">Null if nobody waits.</param>
internal readonly record struct SignalResult(SignalMatch? Match, bool IsKnown);
