using System.Globalization;

namespace FlannelFlow.RuntimeWrapper;

/// <summary>Signal numbers of x86-64 and arm64 (asm-generic/signal.h), from a number or a name with or without SIG, as runc and Docker take them.</summary>
internal static class Signals
{
    public const int Kill = 9, Terminate = 15;

    /// <summary>The highest real-time signal.</summary>
    private const int Highest = 64;

    private static readonly string[] Names =
    [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD",
        "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];

    /// <summary>0 for what is no signal.</summary>
    public static int Number(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return number <= Highest ? number : 0;
        var name = text.ToUpperInvariant();
        if (name.StartsWith("SIG", StringComparison.Ordinal))
            name = name[3..];
        if (name.StartsWith("RTMIN+", StringComparison.Ordinal) && int.TryParse(name.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out var above))
            return RealTime(34 + above); // glibc keeps 32 and 33 for itself
        if (name.StartsWith("RTMAX-", StringComparison.Ordinal) && int.TryParse(name.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture, out var below))
            return RealTime(Highest - below);
        return name switch
        {
            "RTMIN" => 34,
            "RTMAX" => Highest,
            "POLL" => 29,
            _ => Math.Max(0, Array.IndexOf(Names, name)),
        };
    }

    private static int RealTime(int number) => number is >= 34 and <= Highest ? number : 0;
}
