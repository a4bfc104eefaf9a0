namespace FlannelFlow.Workflows;

/// <summary>What kind of fault an activity's exception is.</summary>
public enum FaultKind
{
    /// <summary>The request cannot be granted. Not retried; always compensates; its message is the answer's error.</summary>
    Refusal,

    /// <summary>May pass: retried by the step's policy, then the definition's onFault.</summary>
    Retryable,

    /// <summary>Something that cannot be has happened. Not retried; opens an incident and suspends the instance.</summary>
    BrokenInvariant,
}

/// <summary>Thrown by an activity to refuse: not retried, the instance compensates and answers with this message.</summary>
public sealed class RefusalException(string message) : Exception(message);

/// <summary>A start that names no loaded definition, or whose input does not fit it. Nothing was accepted.</summary>
public sealed class InvalidStartException(string message) : Exception(message);

/// <summary>The runtime stopped before the call was through. What was accepted continues at the next start.</summary>
public sealed class RuntimeStoppedException(string message) : Exception(message);
