using System.Text;

namespace FlannelFlow.Flanneld.CommandLine;

/// <param name="Problems">All that is wrong, one sentence each; empty if the options may be used.</param>
internal sealed record ParsedCommandLine(FlanneldOptions Options, IReadOnlyList<string> Problems);

/// <summary>Go's flag grammar: one dash or two, <c>-flag=value</c> or <c>-flag value</c>; a flag given overrides its FLANNELD_ variable.</summary>
internal static class CommandLineParser
{
    /// <param name="variable">Reads an environment variable; null if it is not set.</param>
    public static ParsedCommandLine Parse(IReadOnlyList<string> arguments, Func<string, string?> variable)
    {
        var options = new FlanneldOptions();
        var problems = new List<string>();
        var given = new HashSet<string>(StringComparer.Ordinal);

        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            var dashes = argument.StartsWith("--", StringComparison.Ordinal) ? 2 : argument.StartsWith('-') ? 1 : 0;
            if (dashes == 0 || argument.Length == dashes)
            {
                problems.Add($"unexpected argument '{argument}': everything is a flag here");
                continue;
            }
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? argument[dashes..] : argument[dashes..equals];
            if (name == "h") name = "help";   // Go's flag package takes both
            var flag = Flags.All.FirstOrDefault(f => f.Name == name);
            if (flag is null)
            {
                problems.Add($"unknown flag -{name}");
                // Its value, if it has one of its own, is not a second mistake.
                if (equals < 0 && i + 1 < arguments.Count && !arguments[i + 1].StartsWith('-')) i++;
                continue;
            }
            string value;
            if (equals >= 0) value = argument[(equals + 1)..];
            else if (flag.Kind == FlagKind.Switch) value = "true";
            else if (i + 1 < arguments.Count) value = arguments[++i];
            else
            {
                problems.Add($"-{name} needs a value");
                continue;
            }
            given.Add(name);
            options = Apply(options, flag, value, $"-{name}", problems);
        }

        foreach (var flag in Flags.All)
            if (!given.Contains(flag.Name) && variable(flag.Variable) is { Length: > 0 } value)
                options = Apply(options, flag, value, flag.Variable, problems);

        if (options.EtcdKeyFile is null != options.EtcdCertificateFile is null)
            problems.Add("-etcd-keyfile and -etcd-certfile belong together: one of them is missing");
        if (options.EtcdPassword is not null && options.EtcdUsername is null)
            problems.Add("-etcd-password needs -etcd-username");
        if (options.InterfaceCanReach is not null && options.Interfaces.Count + options.InterfaceRegexes.Count > 0)
            problems.Add("-iface-can-reach excludes -iface and -iface-regex");
        return new ParsedCommandLine(options, problems);
    }

    public static string Usage()
    {
        var text = new StringBuilder("flanneld, FlannelFlow's subnet agent: leases a subnet in etcd and carries it over VXLAN.\n")
            .Append("Usage: flanneld [flags]; each flag can also be given as FLANNELD_ and its name in capitals (FLANNELD_ETCD_PREFIX).\n\n");
        foreach (var flag in Flags.All)
            text.Append("  -").Append(flag.Name).Append(flag.Kind == FlagKind.Value ? " value" : "").Append("\n        ").Append(flag.Help).Append('\n');
        return text.Append('\n').Append(ExitCodes.Explanation).ToString();
    }

    private static FlanneldOptions Apply(FlanneldOptions options, Flag flag, string value, string source, List<string> problems)
    {
        try
        {
            return flag.Apply(options, value);
        }
        catch (FormatException e)
        {
            // A password is not repeated; no other value is secret.
            problems.Add(flag.Name == "etcd-password" ? $"{source}: {e.Message}" : $"{source}={value}: {e.Message}");
            return options;
        }
    }
}
