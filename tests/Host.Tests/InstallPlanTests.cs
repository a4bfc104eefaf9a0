using FlannelFlow.Host.Installation;

namespace FlannelFlow.Host.Tests;

public sealed class InstallPlanTests
{
    private const string Unit = "[Unit]\n";

    private static readonly HostFacts Fresh = new() { Program = "/tmp/unpacked", Version = "0.2.0", IsCopied = false, ProgramsPlugin = "p2" };

    private static readonly HostFacts Installed = Fresh with
    {
        IsCopied = true,
        CurrentVersion = "0.2.0",
        IsLinked = true,
        Environment = EnvironmentText.With(null, new Dictionary<string, string>()),
        Unit = Unit,
        Modules = InstallPlan.Modules,
        IsServiceActive = true,
        IsServiceEnabled = true,
        IsServiceCurrent = true,
        Plugin = PluginState.Enabled,
        InstalledPlugin = "p2",
    };

    private static readonly InstallOptions Plain = new(Wrapper: false, new Dictionary<string, string>());

    [Fact]
    public void Install_FreshHost_ProgramBeforeUnitBeforeDaemonBeforePlugin()
    {
        var steps = InstallPlan.Install(Fresh, new InstallOptions(Wrapper: true, new Dictionary<string, string> { ["ETCD_ENDPOINTS"] = "http://10.0.0.1:2379" }), Unit);

        var names = steps.Select(step => step.Text.Split('\n')[0]).Where(text => !text.StartsWith("modprobe", StringComparison.Ordinal));
        Assert.Equal(
            [
                "copy /tmp/unpacked to /usr/lib/flannelflow/0.2.0",
                "ln -sfn 0.2.0 /usr/lib/flannelflow/current.new",
                "mv -T /usr/lib/flannelflow/current.new /usr/lib/flannelflow/current",
                "ln -sfn /usr/lib/flannelflow/current/flannelflow /usr/bin/flannelflow",
                "write /etc/flannelflow/flannelflow.env",
                "write /etc/systemd/system/flannelflow.service",
                "systemctl daemon-reload",
                "write /etc/modules-load.d/flannelflow.conf",
                "systemctl enable flannelflow",
                "systemctl start flannelflow",
                "docker plugin create flannelflow:latest /usr/lib/flannelflow/0.2.0/plugin",
                "docker plugin enable flannelflow:latest",
                "write /var/lib/flannelflow/plugin.installed",
                "write /etc/docker/daemon.json",
                new InstallStep.ReloadDocker("flannelflow").Text,
            ],
            names);
        Assert.Contains("ETCD_ENDPOINTS=http://10.0.0.1:2379", steps.OfType<InstallStep.Write>().First().Content, StringComparison.Ordinal);
    }

    [Fact]
    public void Install_TheSameAgain_NothingIsToBeDone() => Assert.Empty(InstallPlan.Install(Installed, Plain, Unit));

    [Fact]
    public void Install_OptionChanged_OnlyThatAndARestart()
    {
        var steps = InstallPlan.Install(Installed, Plain with { Options = new Dictionary<string, string> { ["DNS_TTL"] = "3" } }, Unit);
        Assert.Equal(["write /etc/flannelflow/flannelflow.env", "systemctl restart flannelflow"], steps.Select(step => step.Text.Split('\n')[0]));
    }

    [Fact]
    public void Install_StoppedBetweenTheFilesAndTheRestart_Restarts() =>
        Assert.Equal(["systemctl restart flannelflow"], InstallPlan.Install(Installed with { IsServiceCurrent = false }, Plain, Unit).Select(step => step.Text));

    [Fact]
    public void Upgrade_SamePlugin_DockerNotTouched_OtherPlugin_Replaced()
    {
        var old = Installed with { IsCopied = false, CurrentVersion = "0.1.0", IsServiceCurrent = false };
        var steps = InstallPlan.Install(old, Plain, Unit);
        Assert.DoesNotContain(steps, step => step.Text.StartsWith("docker", StringComparison.Ordinal));
        Assert.Equal("systemctl restart flannelflow", steps[^1].Text);

        steps = InstallPlan.Install(old with { InstalledPlugin = "p1" }, Plain, Unit);
        Assert.Equal(
            [
                "systemctl restart flannelflow", "docker plugin disable -f flannelflow:latest", "docker plugin rm -f flannelflow:latest",
                "docker plugin create flannelflow:latest /usr/lib/flannelflow/0.2.0/plugin", "docker plugin enable flannelflow:latest",
            ],
            steps.Skip(3).SkipLast(1).Select(step => step.Text));
    }

    [Fact]
    public void Install_DaemonJson_IsBackedUpOnce_AndOfOthersRefused()
    {
        var wrapper = Plain with { Wrapper = true };
        var steps = InstallPlan.Install(Installed with { DaemonJson = """{"live-restore":true}""" }, wrapper, Unit);
        Assert.Equal(
            ["write /etc/docker/daemon.json.before-flannelflow", "write /etc/docker/daemon.json", new InstallStep.ReloadDocker("flannelflow").Text],
            steps.Select(step => step.Text.Split('\n')[0]));
        Assert.Equal("""{"live-restore":true}""", ((InstallStep.Write)steps[0]).Content);

        steps = InstallPlan.Install(Installed with { DaemonJson = "{}", HasDaemonJsonBackup = true }, wrapper, Unit);
        Assert.Equal(["write /etc/docker/daemon.json", new InstallStep.ReloadDocker("flannelflow").Text], steps.Select(step => step.Text.Split('\n')[0]));

        var refused = Assert.Throws<InvalidDataException>(() => InstallPlan.Install(Installed with { DaemonJson = "{,}" }, wrapper, Unit));
        Assert.StartsWith("/etc/docker/daemon.json: it is not JSON: line 1: ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Uninstall_NetworksOrWrappedContainers_AreNamed_AndNothingIsDone()
    {
        var facts = Installed with
        {
            DaemonJson = DockerSettings.WithWrapper(null, "/x"),
            Networks = ["net1", "net2"],
            WrappedContainers = ["db"],
        };
        var (steps, refusals) = InstallPlan.Uninstall(facts, purge: false, force: false);
        Assert.Empty(steps);
        Assert.Equal(2, refusals.Count);
        Assert.Contains("net1, net2", refusals[0], StringComparison.Ordinal);
        Assert.Contains("db", refusals[1], StringComparison.Ordinal);

        Assert.Empty(InstallPlan.Uninstall(facts with { Networks = [] }, purge: false, force: true).Refusals);
        // Without the wrapper in daemon.json, these containers are not ours to speak of.
        Assert.Empty(InstallPlan.Uninstall(facts with { Networks = [], DaemonJson = null }, purge: false, force: false).Refusals);
    }

    [Fact]
    public void Uninstall_DockerFirst_ThenTheDaemonWithItsChildren_ThenFiles()
    {
        var facts = Installed with { DaemonJson = DockerSettings.WithWrapper(null, "/x"), HasDaemonJsonBackup = true };
        var (steps, _) = InstallPlan.Uninstall(facts, purge: true, force: false);
        Assert.Equal(
            [
                "write /etc/docker/daemon.json", new InstallStep.ReloadDocker("runc").Text, "delete /etc/docker/daemon.json",
                "docker plugin disable -f flannelflow:latest", "docker plugin rm -f flannelflow:latest",
                "write /run/systemd/system/flannelflow.service.d/stop-all.conf", "systemctl daemon-reload",
                "systemctl disable --now flannelflow",
                "delete /run/systemd/system/flannelflow.service.d", "delete /etc/systemd/system/flannelflow.service",
                "delete /run/flannelflow", "systemctl daemon-reload", new InstallStep.ClearKernel().Text,
                "delete /etc/modules-load.d/flannelflow.conf", "delete /etc/docker/daemon.json.before-flannelflow",
                "delete /usr/bin/flannelflow", "delete /usr/lib/flannelflow", "delete /var/lib/flannelflow", "delete /etc/flannelflow",
            ],
            steps.Select(step => step.Text.Split('\n')[0]));

        // What was before us is not kept a second time by what takes us out.
        (steps, _) = InstallPlan.Uninstall(facts with { HasDaemonJsonBackup = false }, purge: false, force: false);
        Assert.DoesNotContain(steps, step => step.Text.Contains("before-flannelflow", StringComparison.Ordinal));

        (steps, _) = InstallPlan.Uninstall(Installed with { IsPackage = true }, purge: false, force: false);
        Assert.Contains(steps, step => step.Text == "find /usr/lib/flannelflow -mindepth 1 -maxdepth 1 ! -name package -exec rm -r {} +");
        Assert.DoesNotContain(steps, step => step.Text is "delete /usr/lib/flannelflow" or "delete /usr/bin/flannelflow" or "delete /var/lib/flannelflow");
    }

    /// <summary>Found by tests/campaigns/moving: without it, Docker could not send a task its stop signal any more, and killed it after ten seconds.</summary>
    [Fact]
    public void Uninstall_TasksThatTheWrapperStarted_KeepIt_UntilTheNextUninstall()
    {
        var facts = Installed with { DaemonJson = DockerSettings.WithWrapper(null, "/x"), WrappedServices = ["web"] };
        var (steps, _) = InstallPlan.Uninstall(facts, purge: false, force: false);
        var texts = steps.Select(step => step.Text).ToList();
        string[] kept =
        [
            "install -D /usr/lib/flannelflow/current/flannelflow-runc /usr/lib/flannelflow/left/flannelflow-runc",
            "ln -sfn left /usr/lib/flannelflow/current.new", "mv -T /usr/lib/flannelflow/current.new /usr/lib/flannelflow/current",
            "delete /usr/bin/flannelflow", "find /usr/lib/flannelflow -mindepth 1 -maxdepth 1 ! -name left ! -name current ! -name package -exec rm -r {} +",
        ];
        Assert.Equal(kept, texts.Skip(texts.IndexOf(kept[0])).Take(kept.Length));
        Assert.DoesNotContain("delete /usr/lib/flannelflow", texts);

        var left = new HostFacts { Program = "/tmp/unpacked", Version = "0.2.0", IsCopied = false, ProgramsPlugin = "p2", CurrentVersion = InstallPlan.Left };
        Assert.DoesNotContain(InstallPlan.Uninstall(left with { WrappedServices = ["web"] }, purge: false, force: false).Steps, step => step.Text.Contains("/usr/lib/flannelflow", StringComparison.Ordinal));
        Assert.Contains(InstallPlan.Uninstall(left, purge: false, force: false).Steps, step => step.Text == "delete /usr/lib/flannelflow");
    }

    [Theory]
    [InlineData("a=1\n# a=2\nb = x\n", "a=7\n# a=2\nb = x\nc=\"two words\"\n")]
    [InlineData("a=0\na=1", "a=0\na=7\nc=\"two words\"\n")]
    public void EnvironmentText_LinesOfOthersStay(string before, string after)
    {
        var text = EnvironmentText.With(before, new Dictionary<string, string> { ["a"] = "7", ["c"] = "two words" });
        Assert.Equal(after, text);
        Assert.Equal(("7", "two words"), (EnvironmentText.Parse(text)["a"], EnvironmentText.Parse(text)["c"]));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("two words")]
    [InlineData("a \"quoted\" \\ 'one'")]
    [InlineData("\\\"")]
    [InlineData("")]
    public void EnvironmentText_ValuesComeBack(string value) =>
        Assert.Equal(value, EnvironmentText.Parse(EnvironmentText.With("x=1\n", new Dictionary<string, string> { ["NAME"] = value }))["NAME"]);
}
