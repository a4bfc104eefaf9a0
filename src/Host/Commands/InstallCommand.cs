using System.CommandLine;
using System.CommandLine.Parsing;
using FlannelFlow.Host.Installation;
using FlannelFlow.Linux.Firewall;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow install</c>, <c>upgrade</c> and <c>uninstall</c>: this host as FlannelFlow wants it, and as it was.</summary>
internal static class InstallCommand
{
    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Shows all that would be done, whole files included, and does nothing." };

    public static Command CreateInstall()
    {
        var set = new Option<string[]>("--set")
        {
            Description = "An option of the daemon (docs/configuration.md), NAME=VALUE, kept in /etc/flannelflow/flannelflow.env. May be repeated.",
        };
        set.Validators.Add(RefuseWhatIsNoOption);
        var wrapper = new Option<bool>("--runtime-wrapper")
        {
            Description = "Makes flannelflow-runc Docker's default runtime (daemon.json is merged and backed up), so that docker stop of a plain container drains it first.",
        };
        var command = new Command("install", "Installs this program on this host: systemd unit, Docker plugin, options. The same again changes nothing.") { set, wrapper, DryRun };
        command.SetAction((parsed, ct) => ApplyAsync(parsed, Options(parsed.GetValue(set)), parsed.GetValue(wrapper), mustBeInstalled: false, ct));
        return command;
    }

    public static Command CreateUpgrade()
    {
        var to = new Option<string?>("--to") { Description = "Another version, as installed under /usr/lib/flannelflow: goes back to it." };
        var command = new Command("upgrade", "Replaces the installed version by this program's. Options stay, traffic goes on; the version before stays on the disk.") { to, DryRun };
        command.SetAction((parsed, ct) => ApplyAsync(parsed, Options(null), wrapper: false, mustBeInstalled: true, ct, parsed.GetValue(to)));
        return command;
    }

    public static Command CreateUninstall()
    {
        var purge = new Option<bool>("--purge") { Description = "Deletes options, journal and embedded etcd as well." };
        var force = new Option<bool>("--force") { Description = "Takes the runtime wrapper away although containers were created with it." };
        var command = new Command("uninstall", "Takes FlannelFlow off this host, and leaves Docker working. Its networks must be gone.") { purge, force, DryRun };
        command.SetAction(async (parsed, ct) =>
        {
            var console = parsed.InvocationConfiguration;
            var installer = NewInstaller();
            try
            {
                if (Environment.UserName != "root") return await RefuseAsync(console, ["not run as root (sudo flannelflow …)"]);
                var facts = await installer.FactsAsync(AppContext.BaseDirectory, ct);
                var (steps, refusals) = InstallPlan.Uninstall(facts, parsed.GetValue(purge), parsed.GetValue(force));
                if (refusals.Count > 0) return await RefuseAsync(console, refusals);
                return await MakeAsync(console, installer, steps, parsed.GetValue(DryRun), $"FlannelFlow is gone from this host; what it leaves: the kernel modules that are loaded{WrapperLeft(facts)}.", ct);
            }
            catch (Exception e) when (e is InvalidDataException or CommandException or IOException or UnauthorizedAccessException)
            {
                return await RefuseAsync(console, [e.Message]);
            }
        });
        return command;
    }

    private static string WrapperLeft(HostFacts facts) => facts.WrappedServices.Concat(facts.WrappedContainers).ToList() is { Count: > 0 } names
        ? $", and in {InstallPlan.Home} the runtime wrapper, which only passes on, as Docker needs it to stop what was started with it: {string.Join(", ", names)} (docker service update --force makes tasks anew; then delete its folders {InstallPlan.Left} and current)"
        : "";

    private static async Task<int> ApplyAsync(
        ParseResult parsed, IReadOnlyDictionary<string, string> options, bool wrapper, bool mustBeInstalled, CancellationToken ct, string? to = null)
    {
        var console = parsed.InvocationConfiguration;
        var installer = NewInstaller();
        try
        {
            var obstacles = await installer.ObstaclesAsync(ct);
            if (obstacles.Count > 0) return await RefuseAsync(console, obstacles);
            var program = to is null ? AppContext.BaseDirectory : Path.Combine(InstallPlan.Home, to);
            if (!Directory.Exists(program)) return await RefuseAsync(console, [$"version {to} is not on this host; here are: {string.Join(", ", Versions())}"]);
            var facts = await installer.FactsAsync(program, ct);
            if (mustBeInstalled && facts.CurrentVersion is null or InstallPlan.Left) return await RefuseAsync(console, ["FlannelFlow is not installed on this host; flannelflow install does that"]);
            if (ProblemsOf(facts, options) is { Count: > 0 } problems) return await RefuseAsync(console, problems);
            var unit = await File.ReadAllTextAsync(Path.Combine(program, "flannelflow.service"), ct);
            var steps = InstallPlan.Install(facts, new InstallOptions(wrapper, options), unit);
            return await MakeAsync(console, installer, steps, parsed.GetValue(DryRun), $"FlannelFlow {facts.Version} runs. Next: docker network create -d {InstallPlan.Plugin} --ipam-driver {InstallPlan.Plugin} --attachable net1", ct);
        }
        catch (Exception e) when (e is InvalidDataException or CommandException or IOException or UnauthorizedAccessException)
        {
            return await RefuseAsync(console, [e.Message]);
        }
    }

    private static async Task<int> MakeAsync(InvocationConfiguration console, Installer installer, IReadOnlyList<InstallStep> steps, bool isDry, string done, CancellationToken ct)
    {
        foreach (var step in steps)
        {
            await console.Output.WriteLineAsync(isDry ? $"would {(step is InstallStep.Run ? "run " : "")}{step.Text}" : $"  {step.Text.Split('\n')[0]}");
            if (!isDry) await installer.ApplyAsync(step, warning => console.Output.WriteLine($"    {warning}"), ct);
        }

        await console.Output.WriteLineAsync(steps.Count == 0 ? "Nothing is to be done." : isDry ? "Nothing was done (--dry-run)." : done);
        return 0;
    }

    private static async Task<int> RefuseAsync(InvocationConfiguration console, IReadOnlyList<string> reasons)
    {
        foreach (var reason in reasons) await console.Error.WriteLineAsync($"flannelflow: {reason}");
        return CommandTree.Failed;
    }

    /// <summary>What the daemon would say to these options, before it is started with them.</summary>
    private static IReadOnlyList<string> ProblemsOf(HostFacts facts, IReadOnlyDictionary<string, string> options)
    {
        var values = EnvironmentText.Parse(EnvironmentText.With(facts.Environment, options))
            .ToDictionary(option => option.Key.Replace("__", ":", StringComparison.Ordinal), option => (string?)option.Value);
        try
        {
            _ = new ConfigurationReader(new ConfigurationBuilder().AddInMemoryCollection(values).Build()).Read();
            return [];
        }
        catch (ConfigurationException e)
        {
            return [.. e.Problems.Select(problem => $"{InstallPlan.EnvironmentFile}: {problem}")];
        }
    }

    private static void RefuseWhatIsNoOption(OptionResult result)
    {
        foreach (var token in result.Tokens.Where(token => token.Value.IndexOf('=', StringComparison.Ordinal) <= 0 || token.Value.Contains('\n', StringComparison.Ordinal)))
            result.AddError($"--set {token.Value}: not of the form NAME=VALUE");
    }

    private static Dictionary<string, string> Options(string[]? given)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in given ?? []) options[pair[..pair.IndexOf('=', StringComparison.Ordinal)]] = pair[(pair.IndexOf('=', StringComparison.Ordinal) + 1)..];
        return options;
    }

    private static IEnumerable<string> Versions() => Directory.Exists(InstallPlan.Home)
        ? Directory.EnumerateDirectories(InstallPlan.Home).Select(folder => Path.GetFileName(folder)).Where(name => name is not ("current" or InstallPlan.Left or InstallPlan.Package)).Order(StringComparer.Ordinal)
        : [];

    /// <summary>A minute and a half: the daemon's start waits for its etcd, and docker plugin create packs a folder.</summary>
    private static Installer NewInstaller() => new(new CommandRunner(TimeProvider.System) { Timeout = TimeSpan.FromSeconds(90) }, TimeProvider.System);
}
