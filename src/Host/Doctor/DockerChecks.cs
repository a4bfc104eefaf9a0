using FlannelFlow.Host.Installation;

namespace FlannelFlow.Host.Doctor;

/// <param name="SwarmState">active, inactive, pending, error, locked.</param>
/// <param name="Firewall">iptables, nftables, iptables+firewalld; null: the engine is older than the choice (29), and uses iptables.</param>
public sealed record DockerEngine(string Version, string SwarmState, string SwarmError, bool IsManager, bool IsLiveRestore, string? Firewall);

/// <param name="DaemonFolder">Where the plugin looks for the daemon's socket.</param>
/// <param name="Passed">What came back of a call that was given to the plugin's socket as dockerd would: null is an answer; null while it is disabled.</param>
public sealed record DockerPlugin(PluginState State, string DaemonFolder, string? Passed);

/// <param name="PluginFolder">The folder of PLUGIN_SOCKET.</param>
public sealed record DockerFacts(string Endpoint, Asked<DockerEngine> Engine, Asked<DockerPlugin> Plugin, string PluginFolder);

/// <summary>The Docker Engine of this host, and our plugin in it. Pure.</summary>
public static class DockerChecks
{
    private static readonly Version Oldest = new(20, 10);

    public static IEnumerable<Finding> Of(DockerFacts facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        if (facts.Engine.Answer is not { } engine)
        {
            yield return Finding.Problem("Docker", $"{facts.Endpoint} does not answer: {facts.Engine.Trouble}", "systemctl start docker; another socket: DOCKER_HOST. What runs goes on meanwhile");
            yield break;
        }

        yield return Version.TryParse(engine.Version.Split('-', '+')[0], out var version) && version < Oldest
            ? Finding.Warning("Docker", $"version {engine.Version}: older than what FlannelFlow has been run with ({Oldest})", "upgrade Docker")
            : Finding.Ok("Docker", $"version {engine.Version}");
        yield return engine.SwarmState == "active" && engine.SwarmError.Length == 0
            ? Finding.Ok("swarm", engine.IsManager ? "active, a manager" : "active, a worker")
            : Finding.Problem(
                "swarm",
                engine.SwarmState == "active" ? engine.SwarmError : $"{engine.SwarmState}{(engine.SwarmError.Length > 0 ? ": " + engine.SwarmError : "")}",
                engine.SwarmState switch
                {
                    "inactive" => "docker swarm init makes a swarm, docker swarm join enters one",
                    "locked" => "docker swarm unlock",
                    _ => "see dockerd's log; managers must reach each other on TCP 2377 and 7946, and a majority must run",
                });
        if (engine.IsLiveRestore)
        {
            yield return Finding.Warning(
                "Docker", "live-restore is on, which Docker does not have together with a swarm", "take live-restore out of daemon.json: dockerd refuses to be in a swarm with it");
        }

        yield return engine.Firewall?.StartsWith("nftables", StringComparison.Ordinal) == true
            ? Finding.Warning("Docker", "its firewall backend is nftables, with which FlannelFlow has not been run", "\"firewall-backend\": \"iptables\" in daemon.json")
            : Finding.Ok("Docker", $"firewall backend {engine.Firewall ?? "iptables"}");

        foreach (var finding in OfPlugin(facts)) yield return finding;
    }

    private static IEnumerable<Finding> OfPlugin(DockerFacts facts)
    {
        if (facts.Plugin.Answer is not { } plugin)
        {
            yield return Finding.Problem("plugin", $"Docker does not tell of it: {facts.Plugin.Trouble}", "see dockerd's log");
            yield break;
        }

        switch (plugin.State)
        {
            case PluginState.Missing:
                yield return Finding.Problem("plugin", $"Docker has no {InstallPlan.Plugin}", "flannelflow install");
                break;
            case PluginState.Disabled:
                yield return Finding.Problem("plugin", $"{InstallPlan.Plugin} is disabled", $"docker plugin enable {InstallPlan.Plugin}");
                break;
            case PluginState.Enabled when plugin.DaemonFolder != facts.PluginFolder:
                yield return Finding.Problem(
                    "plugin", $"it looks for the daemon in {plugin.DaemonFolder}, and the daemon's PLUGIN_SOCKET is in {facts.PluginFolder}",
                    $"PLUGIN_SOCKET={plugin.DaemonFolder}/daemon.sock, and systemctl restart flannelflow");
                break;
            case PluginState.Enabled when plugin.Passed is { } trouble:
                yield return Finding.Problem(
                    "plugin", $"it is enabled, and passes no call to the daemon: {trouble}", "systemctl start flannelflow; if it runs, docker plugin disable -f, then docker plugin enable");
                break;
            case PluginState.Enabled:
                yield return Finding.Ok("plugin", $"{InstallPlan.Plugin} is enabled, and passes calls to the daemon");
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(facts), plugin.State, "no such state");
        }
    }
}
