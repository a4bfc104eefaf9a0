using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Ipsec;
using FlannelFlow.Linux.LoadBalancing;

namespace FlannelFlow.Host.Installation;

/// <summary>Finds the facts on a host, and makes the steps of a plan.</summary>
public sealed class Installer(CommandRunner runner, TimeProvider time)
{
    private static readonly TimeSpan ReloadPatience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ReloadPause = TimeSpan.FromMilliseconds(100);

    private const string DriverFilter = "driver=" + InstallPlan.Plugin;

    /// <summary>Of a whole program.</summary>
    private static readonly string[] Parts = ["VERSION", "flannelflow", "flanneld", "flannelflow-runc", "workflows", "plugin/config.json", "flannelflow.service"];

    /// <summary>Why nothing can be installed on this host; empty: it can.</summary>
    public async Task<IReadOnlyList<string>> ObstaclesAsync(CancellationToken ct)
    {
        var obstacles = new List<string>();
        if (Environment.UserName != "root") obstacles.Add("not run as root (sudo flannelflow …)");
        if (!Directory.Exists("/run/systemd/system")) obstacles.Add("this machine was not started by systemd, which keeps the daemon running (flannelflow run is the daemon in the foreground)");
        foreach (var (program, package) in new[] { ("iptables", "iptables"), ("nsenter", "util-linux") })
        {
            if (Find(program) is null) obstacles.Add($"there is no program {program} (Debian package {package})");
        }

        if (Find("docker") is null)
        {
            obstacles.Add("there is no Docker here (Debian package docker.io, or docker-ce)");
            return obstacles;
        }

        var info = await runner.RunAsync("docker", ["info", "--format", "{{json .Swarm.LocalNodeState}} {{json .ServerErrors}}"], null, ct);
        if (info.ExitCode != 0 || info.Output.Contains("Cannot connect", StringComparison.Ordinal))
            obstacles.Add($"Docker does not answer: {(info.Error.Trim() is { Length: > 0 } error ? error : info.Output.Trim())}");
        else if (!info.Output.Contains("\"active\"", StringComparison.Ordinal))
            obstacles.Add("this Docker Engine is in no swarm: docker swarm init makes one, docker swarm join enters one");
        return obstacles;
    }

    /// <param name="program">The folder of the program that is to be installed.</param>
    /// <exception cref="InvalidDataException">It is no whole program.</exception>
    public async Task<HostFacts> FactsAsync(string program, CancellationToken ct)
    {
        program = Path.TrimEndingDirectorySeparator(program);
        var version = Read(Path.Combine(program, "VERSION"))?.Trim();
        var missing = Parts.Where(part => !Path.Exists(Path.Combine(program, part))).ToList();
        if (missing.Count > 0 || version is null)
            throw new InvalidDataException($"{program} is not a whole program to install: it has no {string.Join(", ", missing)} (the tarball has all; build/package.sh makes one)");
        if (version.Length == 0 || version.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '+' or '~')) || version[0] == '.')
            throw new InvalidDataException($"{Path.Combine(program, "VERSION")}: \"{version}\" is no version");
        var target = $"{InstallPlan.Home}/{version}";
        var unitState = await ShowUnitAsync(ct);
        var hasDocker = Find("docker") is not null;
        var isPackage = File.Exists("/var/lib/dpkg/info/flannelflow.list");
        var (wrappedContainers, wrappedServices) = hasDocker ? await WrappedAsync(ct) : ([], []);
        return new HostFacts
        {
            Program = program,
            Version = version,
            IsCopied = program == target || (Directory.Exists(target) && DigestOf(program) == DigestOf(target)),
            CurrentVersion = LinkTarget(InstallPlan.Current),
            IsPackage = isPackage,
            IsLinked = isPackage || (LinkTarget(InstallPlan.Link) is { } link && Path.GetFullPath(link, "/usr/bin") is var full
                && (full == InstallPlan.Current + "/flannelflow" || full == target + "/flannelflow")),
            Environment = Read(InstallPlan.EnvironmentFile),
            Unit = Read(InstallPlan.UnitFile),
            Modules = Read(InstallPlan.ModulesFile),
            DaemonJson = Read(InstallPlan.DaemonJson),
            HasDaemonJsonBackup = File.Exists(InstallPlan.DaemonJsonBackup),
            IsServiceActive = unitState.GetValueOrDefault("ActiveState") is "active" or "activating" or "reloading",
            IsServiceEnabled = unitState.GetValueOrDefault("UnitFileState") == "enabled",
            IsServiceCurrent = IsCurrent(unitState.GetValueOrDefault("MainPID"), target),
            Plugin = hasDocker ? await PluginAsync(ct) : PluginState.Missing,
            InstalledPlugin = Read(InstallPlan.PluginRecord)?.Trim(),
            ProgramsPlugin = DigestOf(Path.Combine(program, "plugin")),
            Networks = hasDocker ? await LinesAsync(["network", "ls", "--filter", DriverFilter, "--format", "{{.Name}}"], ct) : [],
            WrappedContainers = wrappedContainers,
            WrappedServices = wrappedServices,
        };
    }

    /// <exception cref="CommandException">A command failed; the steps before it are done, and the same plan can be made again from what is.</exception>
    /// <exception cref="IOException">A file could not be written.</exception>
    public async Task ApplyAsync(InstallStep step, Action<string> warn, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(warn);
        switch (step)
        {
            case InstallStep.Copy copy:
                CopyTree(copy.From, copy.To);
                break;
            case InstallStep.Write write:
                WriteWhole(write);
                break;
            case InstallStep.Delete delete:
                if (Directory.Exists(delete.Path) && LinkTarget(delete.Path) is null) Directory.Delete(delete.Path, recursive: true);
                else File.Delete(delete.Path);
                break;
            case InstallStep.ReloadDocker reload:
                await ReloadDockerAsync(reload.Runtime, ct);
                break;
            case InstallStep.ClearKernel:
                await LoadBalancers.ClearAsync(runner, ct);
                await XfrmNetlink.ClearHostAsync(ct);
                break;
            case InstallStep.Run { MayFail: true } run:
                if (await runner.RunAsync(run.Command[0], [.. run.Command.Skip(1)], null, ct) is { ExitCode: not 0 } result)
                    warn(string.Create(CultureInfo.InvariantCulture, $"exit code {result.ExitCode}, as some are not to be had or built in {result.Error.Trim()}").TrimEnd());
                break;
            case InstallStep.Run run:
                await runner.RunCheckedAsync(run.Command[0], [.. run.Command.Skip(1)], null, ct);
                break;
        }
    }

    private async Task ReloadDockerAsync(string runtime, CancellationToken ct)
    {
        await runner.RunCheckedAsync("systemctl", ["reload", "docker"], null, ct);
        for (var began = time.GetTimestamp(); await LinesAsync(["info", "--format", "{{.DefaultRuntime}}"], ct) is var found && !found.Contains(runtime); await Task.Delay(ReloadPause, time, ct))
        {
            if (time.GetElapsedTime(began) > ReloadPatience)
                throw new IOException($"Docker's default runtime is {string.Join(' ', found)}, not {runtime}, {ReloadPatience.TotalSeconds} s after systemctl reload docker; its log says why");
        }
    }

    private async Task<Dictionary<string, string>> ShowUnitAsync(CancellationToken ct)
    {
        if (Find("systemctl") is null) return [];
        var shown = await runner.RunAsync("systemctl", ["show", "flannelflow", "--property=ActiveState,UnitFileState,MainPID"], null, ct);
        return shown.Output.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);
    }

    private static bool IsCurrent(string? pid, string target)
    {
        if (pid is null or "0" or "" || LinkTarget($"/proc/{pid}/exe") != target + "/flannelflow") return false;
        try
        {
            // Not the times of /proc/PID, which are those of somebody's first look at it. The kernel counts in hundredths of a second.
            using var daemon = Process.GetProcessById(int.Parse(pid, NumberStyles.None, CultureInfo.InvariantCulture));
            var started = daemon.StartTime.ToUniversalTime() + TimeSpan.FromSeconds(1);
            return new[] { InstallPlan.EnvironmentFile, InstallPlan.UnitFile }.All(file => !File.Exists(file) || File.GetLastWriteTimeUtc(file) <= started);
        }
        catch (ArgumentException)
        {
            return false;   // it has ended meanwhile
        }
    }

    private async Task<PluginState> PluginAsync(CancellationToken ct)
    {
        var plugins = await LinesAsync(["plugin", "ls", "--format", "{{.Name}} {{.Enabled}}"], ct);
        return plugins.Contains($"{InstallPlan.Plugin} true") ? PluginState.Enabled
            : plugins.Contains($"{InstallPlan.Plugin} false") ? PluginState.Disabled
            : PluginState.Missing;
    }

    private async Task<(IReadOnlyList<string> Containers, IReadOnlyList<string> Services)> WrappedAsync(CancellationToken ct)
    {
        while (true)
        {
            var all = await ContainersAsync(ct);
            if (all.Count == 0) return ([], []);
            try
            {
                var runtimes = await LinesAsync(["inspect", "--format", "{{json .HostConfig.Runtime}} {{.State.Running}} {{.Name}} {{index .Config.Labels \"com.docker.swarm.service.name\"}}", .. all], ct);
                var wrapped = runtimes.Select(line => line.Split(' ', 4)).Where(fields => fields[0] == $"\"{DockerSettings.Runtime}\"").ToList();
                return (
                    [.. wrapped.Where(fields => fields[3].Length == 0).Select(fields => fields[2].TrimStart('/'))],
                    [.. wrapped.Where(fields => fields[3].Length > 0 && fields[1] == "true").Select(fields => fields[3]).Distinct()]);
            }
            catch (CommandException)
            {
                // A container that was removed since it was listed is an error to inspect.
                if (all.All((await ContainersAsync(ct)).Contains)) throw;
            }
        }
    }

    private Task<IReadOnlyList<string>> ContainersAsync(CancellationToken ct) => LinesAsync(["ps", "-aq"], ct);

    private async Task<IReadOnlyList<string>> LinesAsync(IReadOnlyList<string> arguments, CancellationToken ct) =>
        (await runner.RunCheckedAsync("docker", arguments, null, ct)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static string? Read(string path) => File.Exists(path) ? File.ReadAllText(path) : null;

    /// <summary>What a symbolic link says; null if there is none.</summary>
    private static string? LinkTarget(string path) => new FileInfo(path).LinkTarget;

    /// <summary>SHA-256 over the names and contents of all files below, in hexadecimal.</summary>
    private static string DigestOf(string folder)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            using var content = File.OpenRead(file);
            digest.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(folder, file) + "\0"));
            digest.AppendData(SHA256.HashData(content));
        }

        return Convert.ToHexStringLower(digest.GetHashAndReset());
    }

    private static void CopyTree(string from, string to)
    {
        var partial = to + ".new";
        if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        foreach (var folder in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories).Prepend(from))
            Directory.CreateDirectory(Path.Combine(partial, Path.GetRelativePath(from, folder)), File.GetUnixFileMode(folder));
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(partial, Path.GetRelativePath(from, file)));
        if (Directory.Exists(to))
        {
            var old = to + ".old";
            if (Directory.Exists(old)) Directory.Delete(old, recursive: true);
            Directory.Move(to, old);
            Directory.Move(partial, to);
            Directory.Delete(old, recursive: true);
            return;
        }

        Directory.Move(partial, to);
    }

    private static void WriteWhole(InstallStep.Write write)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(write.Path)!);
        var mode = File.Exists(write.Path) ? File.GetUnixFileMode(write.Path) : write.Mode;
        var partial = write.Path + ".new";
        File.Delete(partial);
        using (var file = new FileStream(partial, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode }))
        {
            file.Write(Encoding.UTF8.GetBytes(write.Content));
            file.Flush(flushToDisk: true);
        }

        File.SetUnixFileMode(partial, mode);
        File.Move(partial, write.Path, overwrite: true);
    }
}
