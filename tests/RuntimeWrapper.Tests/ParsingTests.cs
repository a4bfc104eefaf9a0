using System.Text;

namespace FlannelFlow.RuntimeWrapper.Tests;

public sealed class ParsingTests
{
    private const string Id = "4f5e";

    [Theory]
    // As containerd's go-runc calls it.
    [InlineData("--root /run/runc/moby --log /x/log.json --log-format json kill 4f5e 15", "4f5e 15 /run/runc/moby")]
    [InlineData("--root /run/runc/moby --log /x/log.json --log-format json --systemd-cgroup kill --all 4f5e 9", "4f5e 9 /run/runc/moby")]
    [InlineData("--root=/r -log=/x -debug kill 4f5e TERM", "4f5e TERM /r")]
    [InlineData("kill 4f5e", "4f5e SIGTERM -")]
    [InlineData("kill 4f5e KILL --all", "4f5e KILL -")]
    [InlineData("--log kill kill 4f5e 15", "4f5e 15 -")]
    [InlineData("--cgroup-manager systemd --log-level debug kill 4f5e 15", "4f5e 15 -")]
    [InlineData("--root /r kill", "none /r")]
    [InlineData("--root /r state 4f5e", "none /r")]
    [InlineData("create --bundle /b kill", "none -")]
    [InlineData("--log", "none -")]
    [InlineData("", "none -")]
    public void RuntimeCommand_GlobalFlagsOfEveryForm_FindsTheKill(string line, string expected)
    {
        var command = RuntimeCommand.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal(expected, $"{(command.Kill is { } kill ? $"{kill.Container} {kill.Signal}" : "none")} {command.Root ?? "-"}");
    }

    [Theory]
    [InlineData("15", 15)]
    [InlineData("TERM", 15)]
    [InlineData("SIGTERM", 15)]
    [InlineData("sigterm", 15)]
    [InlineData("SIGKILL", 9)]
    [InlineData("QUIT", 3)]
    [InlineData("SIGWINCH", 28)]
    [InlineData("RTMIN+3", 37)]
    [InlineData("SIGRTMAX-1", 63)]
    [InlineData("RTMIN+99", 0)]
    [InlineData("0", 0)]
    [InlineData("99", 0)]
    [InlineData("-1", 0)]
    [InlineData("NONSENSE", 0)]
    public void Signals_NumbersAndNames_AreThoseOfLinux(string text, int number) => Assert.Equal(number, Signals.Number(text));

    [Fact]
    public void WrapperOptions_AtTheFront_AreTakenAndCounted()
    {
        var warnings = new List<string>();

        var options = WrapperOptions.Parse(
            ["--flannelflow-runtime=/usr/bin/crun", "--flannelflow-socket=/s", "--flannelflow-hold=0.5", "--root", "--flannelflow-hold=1"], warnings.Add);

        Assert.Equal(("/usr/bin/crun", "/s", 0.5, 3), (options.Runtime, options.Socket, options.Hold.TotalSeconds, options.Count));
        Assert.Empty(warnings);
    }

    [Fact]
    public void WrapperOptions_ThatAreWrong_AreNamedAndLeftAtTheirDefaults()
    {
        var warnings = new List<string>();

        var options = WrapperOptions.Parse(
            ["--flannelflow-runtime=runc", "--flannelflow-hold=11", "--flannelflow-hold=two", "--flannelflow-socket=/" + new string('s', 107), "--flannelflow-x", "kill"],
            warnings.Add);

        Assert.Equal(new WrapperOptions { Count = 5 }, options);
        Assert.Equal(5, warnings.Count);
        Assert.Contains("--flannelflow-hold=two", warnings[2], StringComparison.Ordinal);
    }

    [Fact]
    public void StopSignal_OfTheImage_IsFoundByTheBundle()
    {
        var files = Files("/run/shim/4f5e", "\"StopSignal\":\"SIGQUIT\"");

        Assert.Equal(3, StopSignal.Of(Id, root: null, "/run/shim/4f5e", files));
        Assert.Equal(3, StopSignal.Of(Id, "/run/runc/moby", "/", path => path == "/run/runc/moby/4f5e/state.json"
            ? "{\"config\":{\"labels\":[\"bundle=/run/shim/4f5e\",\"x=y\"]}}"u8.ToArray()
            : files(path)));
    }

    [Theory]
    [InlineData("\"Image\":\"busybox\"")]
    [InlineData("\"StopSignal\":\"\"")]
    [InlineData("\"StopSignal\":\"NONSENSE\"")]
    // A label whose value looks like the key: within a JSON text its quotes are escaped.
    [InlineData("\"Labels\":{\"a\":\"\\\"StopSignal\\\":\\\"SIGQUIT\\\"\"}")]
    public void StopSignal_NotSaid_IsSigterm(string settings) =>
        Assert.Equal(15, StopSignal.Of(Id, root: null, "/run/shim/4f5e", Files("/run/shim/4f5e", settings)));

    [Fact]
    public void StopSignal_NothingCanBeRead_IsSigterm()
    {
        Assert.Equal(15, StopSignal.Of(Id, "/r", "/run/shim/4f5e", _ => null));
        Assert.Equal(15, StopSignal.Of(Id, "/r", "/elsewhere", _ => "{}"u8.ToArray()));
    }

    private static Func<string, byte[]?> Files(string bundle, string settings) => path =>
        path == $"{bundle}/config.json" ? Encoding.UTF8.GetBytes($"{{\"mounts\":[{{\"source\":\"/var/lib/docker/containers/{Id}/resolv.conf\"}}]}}")
        : path == $"/var/lib/docker/containers/{Id}/config.v2.json" ? Encoding.UTF8.GetBytes($"{{\"Config\":{{\"Hostname\":\"a\",{settings}}}}}")
        : null;
}
