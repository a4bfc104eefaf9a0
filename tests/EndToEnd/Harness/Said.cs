using CliWrap;
using CliWrap.Buffered;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>What a program said and how it ended.</summary>
public sealed record Said(string Command, int Code, string Out, string Error)
{
    /// <summary>Of one command, the longest of which runs a whole campaign of containers; it only keeps a hanging one from hiding the rest.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(Run.IsLong ? 20 : 5) * Run.Patience;

    public bool Ok => Code == 0;

    public string All => (Out + Error).Trim();

    public string Checked() => Ok ? Out.TrimEnd('\n') : throw new ProgramFailedException($"{Command}: exit code {Code}\n{All}");

    public override string ToString() => $"{Command}: exit code {Code}\n{All}";

    public static async Task<Said> ByAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, CancellationToken ct)
    {
        var given = arguments.ToList();
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bound.CancelAfter(Limit);
        BufferedCommandResult result;
        try
        {
            result = await Cli.Wrap(program)
                .WithArguments(given)
                .WithEnvironmentVariables(environment)
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(bound.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new ProgramFailedException($"{Path.GetFileName(program)} {string.Join(' ', given)} did not end within {Limit.TotalSeconds} s");
        }

        return new Said($"{Path.GetFileName(program)} {string.Join(' ', given)}", result.ExitCode, result.StandardOutput, result.StandardError);
    }
}

public sealed class ProgramFailedException(string message) : Exception(message);
