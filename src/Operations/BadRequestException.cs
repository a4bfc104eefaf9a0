namespace FlannelFlow.Operations;

/// <summary>What was asked makes no sense; the message says why.</summary>
public sealed class BadRequestException(string message) : Exception(message);
