using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FlannelFlow.Workflows;

/// <summary>What an operator does to an open instance.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Retry), "retry")]
[JsonDerivedType(typeof(Skip), "skip")]
[JsonDerivedType(typeof(Compensate), "compensate")]
[JsonDerivedType(typeof(Cancel), "cancel")]
[JsonDerivedType(typeof(Terminate), "terminate")]
[JsonDerivedType(typeof(ModifyVariable), "modifyVariable")]
[JsonDerivedType(typeof(Migrate), "migrate")]
public abstract record Alteration
{
    /// <summary>
    /// Runs the faulted step (or its undoing) again now, its failures forgotten. If its input resolves to something else by now (a
    /// variable was modified) that is a new execution; the old one stays in doubt, and compensation covers both.
    /// </summary>
    /// <param name="Activity">Null is all that stand.</param>
    public sealed record Retry(string? Activity = null) : Alteration;

    /// <summary>Takes the faulted step as done with these outputs, or its undoing as done, and goes on.</summary>
    /// <param name="Outputs">By property; all that the definition binds. Not for an undoing.</param>
    /// <param name="Activity">Needed where several stand, in branches.</param>
    public sealed record Skip(JsonObject? Outputs = null, string? Activity = null) : Alteration;

    /// <summary>Gives up: undoes in reverse what completed or is in doubt, and ends Compensated.</summary>
    public sealed record Compensate : Alteration;

    /// <summary>Undoes like <see cref="Compensate"/> but ends Cancelled; one that still waits for its lanes ends at once.</summary>
    public sealed record Cancel : Alteration;

    /// <summary>Ends at once as Cancelled, and undoes nothing.</summary>
    public sealed record Terminate : Alteration;

    /// <param name="Value">Of the variable's type; null clears it. Holds for the steps that begin from now on.</param>
    public sealed record ModifyVariable(string Variable, JsonElement? Value) : Alteration;

    /// <summary>
    /// Goes on with the definition of its id that is loaded now instead of the one it began with. Not while a step is under way, and only
    /// if the instance fits: where it stands, what may have to be undone, its inputs, its lanes.
    /// </summary>
    public sealed record Migrate : Alteration;

    [JsonIgnore]
    public string Name => GetType().Name;
}

/// <summary>The alteration does not fit the state the instance is in. Nothing changed.</summary>
public sealed class AlterationRefusedException(string message) : Exception(message);

/// <summary>The alteration itself is wrong: an unknown variable, an output of another type, no reason given. Nothing changed.</summary>
public sealed class InvalidAlterationException(string message) : Exception(message);

/// <summary>An alteration that was done; committed together with its effect.</summary>
/// <param name="ActivityId">The step it was about, if it was about one.</param>
/// <param name="Detail">JSON object: what was given with it.</param>
public sealed record AuditRow(
    long Id, InstanceId Instance, DateTimeOffset At, string Alteration, string? ActivityId, string Detail, string Who, string Why);
