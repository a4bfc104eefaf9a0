namespace FlannelFlow.Host.Installation;

/// <param name="Wrapper">The runtime wrapper becomes Docker's default runtime.</param>
/// <param name="Options">For flannelflow.env: NAME to value.</param>
public sealed record InstallOptions(bool Wrapper, IReadOnlyDictionary<string, string> Options);

/// <summary>What is to be done to a host, from what it is: pure, and nothing twice. The same again is an empty plan.</summary>
public static class InstallPlan
{
    public const string Home = "/usr/lib/flannelflow";
    public const string Current = Home + "/current";
    public const string Link = "/usr/bin/flannelflow";

    /// <summary>In place of a version, what an uninstall leaves of it: the runtime wrapper, as long as Docker has containers that were started with it.</summary>
    public const string Left = "left";

    /// <summary>In place of a version, what dpkg brought: it is copied to the folder of its version, and stays dpkg's.</summary>
    public const string Package = "package";
    public const string EnvironmentFile = "/etc/flannelflow/flannelflow.env";
    public const string UnitFile = "/etc/systemd/system/flannelflow.service";
    public const string ModulesFile = "/etc/modules-load.d/flannelflow.conf";
    public const string DaemonJson = "/etc/docker/daemon.json";
    public const string DaemonJsonBackup = DaemonJson + ".before-flannelflow";
    public const string State = "/var/lib/flannelflow";
    public const string Runtime = "/run/flannelflow";
    public const string PluginRecord = State + "/plugin.installed";
    public const string Plugin = "flannelflow:latest";
    private const string Wrapper = Current + "/flannelflow-runc";
    private const string StopAllFile = "/run/systemd/system/flannelflow.service.d/stop-all.conf";
    private const UnixFileMode Public = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Of those that a kernel may have as modules. Not all kernels have all.</summary>
    internal static readonly string[] ModuleNames =
        ["vxlan", "veth", "bridge", "br_netfilter", "dummy", "nf_tables", "nf_conntrack", "ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_lc", "ip_vs_wlc", "ip_vs_sh"];

    internal static readonly string Modules = "# FlannelFlow's; those that this kernel has not are passed over.\n" + string.Join('\n', ModuleNames) + "\n";

    /// <summary>Installs, upgrades, or goes back to another version: each makes the host as the program that runs wants it.</summary>
    /// <param name="unit">The unit that goes with the program.</param>
    /// <exception cref="InvalidDataException">A file of the user's cannot be changed; which, and why.</exception>
    public static IReadOnlyList<InstallStep> Install(HostFacts facts, InstallOptions options, string unit)
    {
        ArgumentNullException.ThrowIfNull(facts);
        var steps = new List<InstallStep>();
        var target = $"{Home}/{facts.Version}";
        if (!facts.IsCopied) steps.Add(new InstallStep.Copy(facts.Program, target));
        if (facts.CurrentVersion != facts.Version)
        {
            // rename(2) over the old link: there is a current version at every moment.
            steps.Add(InstallStep.Running("ln", "-sfn", facts.Version, Current + ".new"));
            steps.Add(InstallStep.Running("mv", "-T", Current + ".new", Current));
        }

        if (!facts.IsLinked) steps.Add(InstallStep.Running("ln", "-sfn", Current + "/flannelflow", Link));
        var environment = EnvironmentText.With(facts.Environment, options.Options);
        if (environment != facts.Environment) steps.Add(new InstallStep.Write(EnvironmentFile, environment, Private));
        if (facts.Unit != unit)
        {
            steps.Add(new InstallStep.Write(UnitFile, unit, Public));
            steps.Add(InstallStep.Running("systemctl", "daemon-reload"));
        }

        if (facts.Modules != Modules)
        {
            steps.Add(new InstallStep.Write(ModulesFile, Modules, Public));
            steps.Add(new InstallStep.Run(["modprobe", "-a", "-q", .. ModuleNames], MayFail: true));
        }

        var isChanged = steps.Count > 0 || !facts.IsServiceCurrent;
        if (!facts.IsServiceEnabled) steps.Add(InstallStep.Running("systemctl", "enable", "flannelflow"));
        if (!facts.IsServiceActive) steps.Add(InstallStep.Running("systemctl", "start", "flannelflow"));
        else if (isChanged) steps.Add(InstallStep.Running("systemctl", "restart", "flannelflow"));
        steps.AddRange(PluginSteps(facts, target));
        if (options.Wrapper) steps.AddRange(WrapperIn(facts));
        return steps;
    }

    /// <summary>Refusals first: with one, nothing is to be done.</summary>
    /// <param name="purge">Options, journal, embedded etcd and all state go, too.</param>
    public static (IReadOnlyList<InstallStep> Steps, IReadOnlyList<string> Refusals) Uninstall(HostFacts facts, bool purge, bool force)
    {
        ArgumentNullException.ThrowIfNull(facts);
        var refusals = new List<string>();
        if (facts.Networks.Count > 0)
            refusals.Add($"Docker has networks of FlannelFlow: {string.Join(", ", facts.Networks)}. Remove them first (docker service rm, docker rm, docker network rm)");
        var wrapper = WrapperOut(facts).ToList();
        if (!force && wrapper.Count > 0 && facts.WrappedContainers.Count > 0)
        {
            refusals.Add(
                $"containers were created with the runtime wrapper, and Docker cannot start them without it: {string.Join(", ", facts.WrappedContainers)}. " +
                "Create them anew with --runtime runc, or say --force");
        }

        if (refusals.Count > 0) return ([], refusals);
        var steps = wrapper.ToList();
        if (facts.Plugin == PluginState.Enabled) steps.Add(InstallStep.Running("docker", "plugin", "disable", "-f", Plugin));
        if (facts.Plugin != PluginState.Missing) steps.Add(InstallStep.Running("docker", "plugin", "rm", "-f", Plugin));
        if (facts.Unit is not null)
        {
            // A stop leaves flannelds and the embedded etcd running; this one must not.
            steps.Add(new InstallStep.Write(StopAllFile, "[Service]\nKillMode=mixed\n", Public));
            steps.Add(InstallStep.Running("systemctl", "daemon-reload"));
            steps.Add(InstallStep.Running("systemctl", "disable", "--now", "flannelflow"));
            steps.Add(new InstallStep.Delete(Path.GetDirectoryName(StopAllFile)!));
            steps.Add(new InstallStep.Delete(UnitFile));
            steps.Add(new InstallStep.Delete(Runtime));
            steps.Add(InstallStep.Running("systemctl", "daemon-reload"));
        }

        steps.Add(new InstallStep.ClearKernel());
        if (facts.Modules is not null) steps.Add(new InstallStep.Delete(ModulesFile));
        if (facts.HasDaemonJsonBackup) steps.Add(new InstallStep.Delete(DaemonJsonBackup));
        if (facts.WrappedServices.Count > 0 || (wrapper.Count > 0 && facts.WrappedContainers.Count > 0))
        {
            steps.AddRange(WrapperLeft(facts));
        }
        else if (facts.IsPackage)
        {
            steps.Add(Emptied());
        }
        else
        {
            if (facts.IsLinked) steps.Add(new InstallStep.Delete(Link));
            if (facts.CurrentVersion is not null) steps.Add(new InstallStep.Delete(Home));
        }

        steps.Add(new InstallStep.Delete(purge ? State : PluginRecord));
        if (purge) steps.Add(new InstallStep.Delete(Path.GetDirectoryName(EnvironmentFile)!));
        return (steps, []);
    }

    /// <summary>The plugin only passes calls on: it is replaced only when it is another one, since Docker has none of it for that moment.</summary>
    private static IEnumerable<InstallStep> PluginSteps(HostFacts facts, string target)
    {
        var isNew = facts.Plugin == PluginState.Missing || facts.InstalledPlugin != facts.ProgramsPlugin;
        if (isNew)
        {
            if (facts.Plugin == PluginState.Enabled) yield return InstallStep.Running("docker", "plugin", "disable", "-f", Plugin);
            if (facts.Plugin != PluginState.Missing) yield return InstallStep.Running("docker", "plugin", "rm", "-f", Plugin);
            yield return InstallStep.Running("docker", "plugin", "create", Plugin, target + "/plugin");
        }

        if (isNew || facts.Plugin == PluginState.Disabled) yield return InstallStep.Running("docker", "plugin", "enable", Plugin);
        if (isNew) yield return new InstallStep.Write(PluginRecord, facts.ProgramsPlugin + "\n", Private);
    }

    private static IEnumerable<InstallStep> WrapperIn(HostFacts facts)
    {
        if (Changed(facts, json => DockerSettings.WithWrapper(json, Wrapper)) is not { } with) yield break;
        if (facts is { DaemonJson: { } before, HasDaemonJsonBackup: false }) yield return new InstallStep.Write(DaemonJsonBackup, before, Public);
        yield return new InstallStep.Write(DaemonJson, with, Public);
        yield return new InstallStep.ReloadDocker(DockerSettings.Runtime);
    }

    private static IEnumerable<InstallStep> WrapperOut(HostFacts facts)
    {
        if (Changed(facts, DockerSettings.WithoutWrapper) is not { } without) yield break;
        yield return new InstallStep.Write(DaemonJson, DockerSettings.WithDockersRuntime(facts.DaemonJson), Public);
        yield return new InstallStep.ReloadDocker(DockerSettings.DockersRuntime);
        yield return without.Length == 0 ? new InstallStep.Delete(DaemonJson) : new InstallStep.Write(DaemonJson, without, Public);
    }

    /// <summary>Docker stops a container, and runs commands in it, with the runtime that started it: without it, it could only kill its process.</summary>
    private static IEnumerable<InstallStep> WrapperLeft(HostFacts facts)
    {
        if (facts.CurrentVersion is null or Left) yield break;
        yield return InstallStep.Running("install", "-D", Wrapper, $"{Home}/{Left}/{Path.GetFileName(Wrapper)}");
        yield return InstallStep.Running("ln", "-sfn", Left, Current + ".new");
        yield return InstallStep.Running("mv", "-T", Current + ".new", Current);
        if (facts is { IsLinked: true, IsPackage: false }) yield return new InstallStep.Delete(Link);
        yield return Emptied(Left, Path.GetFileName(Current));
    }

    /// <summary>Of all versions; what dpkg brought is not ours to delete.</summary>
    private static InstallStep.Run Emptied(params string[] but) =>
        InstallStep.Running(["find", Home, "-mindepth", "1", "-maxdepth", "1", .. but.Append(Package).SelectMany(name => new[] { "!", "-name", name }), "-exec", "rm", "-r", "{}", "+"]);

    private static string? Changed(HostFacts facts, Func<string?, string?> change)
    {
        try
        {
            return change(facts.DaemonJson);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{DaemonJson}: {e.Message}", e);
        }
    }
}
