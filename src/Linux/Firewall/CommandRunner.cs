using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Firewall;

/// <summary>What a program that ended by itself said.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>A program could not be started, failed, or did not end in time. Message: command, exit code, what it said.</summary>
public sealed class CommandException(string message, int? exitCode, string error) : Exception(message)
{
    /// <summary>Null: not started, or killed after its time.</summary>
    public int? ExitCode { get; } = exitCode;

    /// <summary>What it wrote to stderr.</summary>
    public string Error { get; } = error;

    /// <summary>The kernel lacks what was asked of it (EOPNOTSUPP in the C locale's words): nft says so where there is no nf_tables.</summary>
    public bool IsUnsupported => Error.Contains("Operation not supported", StringComparison.Ordinal);
}

/// <summary>Runs short-lived programs: arguments as a list (no shell), all output captured, a bound on the time.</summary>
public sealed class CommandRunner(TimeProvider time)
{
    /// <summary>Runs them inside this namespace, by nsenter(1): a thread that changed its namespace must not start processes.</summary>
    public NetworkNamespace? NetworkNamespace { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Runs to the end, whatever the exit code.</summary>
    /// <exception cref="CommandException">Could not be started, or was killed after <see cref="Timeout"/>.</exception>
    public async Task<CommandResult> RunAsync(string file, IReadOnlyList<string> arguments, string? input, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        ArgumentNullException.ThrowIfNull(arguments);
        var text = Text(file, arguments);
        IEnumerable<string> command = NetworkNamespace is null ? [file, .. arguments] : ["nsenter", "--net=" + NetworkNamespace.Path, "--", file, .. arguments];
        var start = new ProcessStartInfo(command.First(), command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        using var process = StartProcess(start, text);
        using var bound = new CancellationTokenSource(Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, bound.Token);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(either.Token);
            var error = process.StandardError.ReadToEndAsync(either.Token);
            await WriteInputAsync(process, input, either.Token);
            await Task.WhenAll(output, error, process.WaitForExitAsync(either.Token));
            return new CommandResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            ct.ThrowIfCancellationRequested();
            throw new CommandException(string.Create(CultureInfo.InvariantCulture, $"{text}: killed, as it did not end within {Timeout.TotalSeconds} s"), null, "");
        }
    }

    /// <summary>Runs to the end.</summary>
    /// <returns>What it wrote to stdout.</returns>
    /// <exception cref="CommandException">Any exit code but 0.</exception>
    public async Task<string> RunCheckedAsync(string file, IReadOnlyList<string> arguments, string? input, CancellationToken ct)
    {
        var result = await RunAsync(file, arguments, input, ct);
        return result.ExitCode == 0 ? result.Output : throw Failed(file, arguments, result);
    }

    internal static CommandException Failed(string file, IReadOnlyList<string> arguments, CommandResult result) => new(
        string.Create(CultureInfo.InvariantCulture, $"{Text(file, arguments)}: exit code {result.ExitCode}: {result.Error.Trim()}"),
        result.ExitCode, result.Error);

    private static string Text(string file, IReadOnlyList<string> arguments) => string.Join(' ', arguments.Prepend(file));

    private static Process StartProcess(ProcessStartInfo start, string text)
    {
        try
        {
            return Process.Start(start) ?? throw new CommandException($"{text}: not started", null, "");
        }
        catch (Win32Exception e)
        {
            throw new CommandException($"{text}: {e.Message}", null, "");
        }
    }

    private static async Task WriteInputAsync(Process process, string? input, CancellationToken ct)
    {
        try
        {
            if (input is not null) await process.StandardInput.WriteAsync(input.AsMemory(), ct);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading its input (EPIPE): its exit code says why.
        }
    }
}
