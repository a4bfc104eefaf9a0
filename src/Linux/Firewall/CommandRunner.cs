namespace FlannelFlow.Linux.Firewall;

/// <summary>A program ran and ended by itself.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>A program could not be started, failed, or did not end in time. Message: command, exit code, what it said.</summary>
public sealed class CommandException(string message, int? exitCode, string error) : Exception(message)
{
    /// <summary>Null: not started, or killed after its time.</summary>
    public int? ExitCode { get; } = exitCode;
    public string Error { get; } = error;
}
