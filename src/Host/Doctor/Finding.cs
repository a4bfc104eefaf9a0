namespace FlannelFlow.Host.Doctor;

public enum Severity
{
    Ok,

    /// <summary>Works, and should not stay so.</summary>
    Warning,

    /// <summary>Something does not work, or will not.</summary>
    Problem,
}

/// <summary>What the doctor says of one thing.</summary>
/// <param name="Check">What was looked at: a word or two.</param>
/// <param name="Advice">What to do; null: nothing.</param>
public sealed record Finding(string Check, Severity Severity, string Text, string? Advice = null)
{
    public static Finding Ok(string check, string text) => new(check, Severity.Ok, text);

    public static Finding Warning(string check, string text, string advice) => new(check, Severity.Warning, text, advice);

    public static Finding Problem(string check, string text, string advice) => new(check, Severity.Problem, text, advice);
}

/// <summary>What was asked for: the answer, or why there is none.</summary>
public sealed record Asked<T>(T? Answer, string? Trouble)
    where T : class;

/// <param name="Options">Where the options were read.</param>
public sealed record DoctorReport(string Host, DateTimeOffset At, string Options, IReadOnlyList<Finding> Findings)
{
    public int Problems => Findings.Count(finding => finding.Severity == Severity.Problem);

    public int Warnings => Findings.Count(finding => finding.Severity == Severity.Warning);
}
