using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace FlannelFlow.RuntimeWrapper.Tests;

/// <summary>The program itself, before a runtime that is a shell script and writes down what it was given.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The native build if there is one (build/publish.sh), else that of the tests.</summary>
    private static readonly string Wrapper = FindWrapper();

    private readonly string _folder = Directory.CreateTempSubdirectory("ffrunc").FullName;
    private readonly string _socket;
    private readonly string _probe;

    public ProcessTests()
    {
        _socket = Path.Combine(_folder, "stop.sock");
        _probe = Script("probe", "for a; do printf '[%s]' \"$a\"; done; echo; grep -E 'Sig(Blk|Ign)|Seccomp' /proc/self/status; cat /proc/self/limits; pwd; umask; env | grep -vE '^(_|DOTNET_.*)=' | sort; ls /proc/self/fd; cat");
    }

    private CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Of the native build only: under the JIT, .NET's host raises the limit of open files before any code of ours runs.</summary>
    [Fact]
    [Trait("Needs", "published")]
    public async Task AnyCall_IsWhatADirectCallWouldBe()
    {
        // An argument that is no UTF-8, an empty one, one with blanks; an open file; a lowered limit; something to read.
        const string Call = " --root /r $(printf 'a\\377b') '' 'c d' create 7</dev/null";

        var direct = await ShellAsync($"ulimit -S -n 700; printf input | {_probe}{Call}");
        var wrapped = await ShellAsync($"ulimit -S -n 700; printf input | {Wrapper} --flannelflow-runtime={_probe} --flannelflow-socket={_socket}{Call}");

        Assert.Contains("input", direct, StringComparison.Ordinal);
        Assert.Contains("[c d]", direct, StringComparison.Ordinal);
        Assert.Equal(direct, wrapped);
    }

    [Fact]
    public async Task AnyCall_EndsAsTheRuntimeEnds()
    {
        var seven = Script("seven", "echo out; echo err >&2; exit 7");

        Assert.Equal("out\nerr\n7\n", await ShellAsync($"{Wrapper} --flannelflow-runtime={seven} state x 2>&1; echo $?"));
    }

    [Fact]
    public async Task Runtime_ThatIsNotThere_IsSaid()
    {
        var said = await ShellAsync($"{Wrapper} --flannelflow-runtime=/nowhere/runc state x 2>&1; echo $?");

        Assert.Equal("flannelflow-runc: executing /nowhere/runc: errno 2\n126\n", said);
    }

    [Fact]
    public async Task StopSignal_WaitsForTheAnswer()
    {
        using var listener = Listen();
        var ran = Path.Combine(_folder, "ran");
        var runtime = Script("runtime", $"echo \"$*\" >{ran}");
        var call = ShellAsync($"{Wrapper} --flannelflow-runtime={runtime} --flannelflow-socket={_socket} --flannelflow-hold=10 --root /r kill abc 15");

        using var connection = await listener.AcceptAsync(Ct);
        Assert.Equal("stopping abc 15\n", await ReadLineAsync(connection));
        Assert.False(File.Exists(ran), "the runtime ran before the answer");
        await connection.SendAsync("k"u8.ToArray(), Ct);
        await call;

        Assert.Equal("--root /r kill abc 15\n", await File.ReadAllTextAsync(ran, Ct));
    }

    [Fact]
    public async Task StopSignal_TheDaemonDiesMeanwhile_GoesOn()
    {
        using var listener = Listen();
        var watch = Stopwatch.StartNew();
        var call = ShellAsync($"{Wrapper} --flannelflow-runtime=/bin/echo --flannelflow-socket={_socket} --flannelflow-hold=10 kill abc TERM");

        using (var connection = await listener.AcceptAsync(Ct))
            await ReadLineAsync(connection);

        Assert.Equal("kill abc TERM\n", await call);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(9), "the bound was waited for although the connection had ended");
    }

    [Fact]
    public async Task StopSignal_NoAnswer_GoesOnAtTheBound()
    {
        using var listener = Listen();
        var watch = Stopwatch.StartNew();

        var said = await ShellAsync($"{Wrapper} --flannelflow-runtime=/bin/echo --flannelflow-socket={_socket} --flannelflow-hold=0.7 kill abc 15");

        Assert.Equal("kill abc 15\n", said);
        Assert.True(watch.Elapsed >= TimeSpan.FromSeconds(0.7), $"it waited only {watch.Elapsed}");
    }

    [Theory]
    [InlineData("no socket")]
    [InlineData("nobody listens")]
    public async Task StopSignal_NoDaemon_GoesOnAtOnce(string how)
    {
        if (how == "nobody listens")
            Listen().Dispose();
        var watch = Stopwatch.StartNew();

        Assert.Equal("kill abc 15\n", await ShellAsync($"{Wrapper} --flannelflow-runtime=/bin/echo --flannelflow-socket={_socket} --flannelflow-hold=10 kill abc 15"));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(9), "the bound was waited for although nobody listens");
    }

    [Theory]
    [InlineData("kill abc 9")]
    [InlineData("kill --all abc SIGKILL")]
    [InlineData("kill abc HUP")]
    [InlineData("kill abc 0")]
    [InlineData("state abc")]
    [InlineData("delete --force abc")]
    public async Task AnythingButTheStopSignal_TellsNobody(string call)
    {
        using var listener = Listen();

        Assert.Equal(call + "\n", await ShellAsync($"{Wrapper} --flannelflow-runtime=/bin/echo --flannelflow-socket={_socket} --flannelflow-hold=10 {call}"));

        Assert.False(listener.Poll(0, SelectMode.SelectRead), "the daemon was called");
    }

    [Fact]
    public async Task StopSignal_OfTheImage_IsTheOneThatWaits()
    {
        using var listener = Listen();
        var bundle = Directory.CreateDirectory(Path.Combine(_folder, "shim/abc")).FullName;
        var docker = Directory.CreateDirectory(Path.Combine(_folder, "docker/containers/abc")).FullName;
        await File.WriteAllTextAsync(bundle + "/config.json", $"{{\"mounts\":[{{\"source\":\"{docker}/hosts\"}}]}}", Ct);
        await File.WriteAllTextAsync(docker + "/config.v2.json", "{\"Config\":{\"StopSignal\":\"SIGQUIT\"}}", Ct);
        var wrapper = $"cd {bundle}; {Wrapper} --flannelflow-runtime=/bin/echo --flannelflow-socket={_socket} --flannelflow-hold=10";

        Assert.Equal("kill abc 15\n", await ShellAsync($"{wrapper} kill abc 15"));
        Assert.False(listener.Poll(0, SelectMode.SelectRead), "SIGTERM is not this container's stop signal");
        var call = ShellAsync($"{wrapper} kill abc 3");
        using (var connection = await listener.AcceptAsync(Ct))
            Assert.Equal("stopping abc 3\n", await ReadLineAsync(connection));

        Assert.Equal("kill abc 3\n", await call);
    }

    private Socket Listen()
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_socket));
        listener.Listen();
        return listener;
    }

    private async Task<string> ReadLineAsync(Socket connection)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bound.CancelAfter(Patience);
        var buffer = new byte[256];
        var length = 0;
        while (length == 0 || buffer[length - 1] != '\n')
        {
            var read = await connection.ReceiveAsync(buffer.AsMemory(length), bound.Token);
            if (read == 0)
                break;
            length += read;
        }
        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    private string Script(string name, string body)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>SIGPIPE as containerd's shim leaves it; .NET, this process, ignores it.</summary>
    private async Task<string> ShellAsync(string script)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        bound.CancelAfter(Patience);
        using var shell = Process.Start(new ProcessStartInfo("/usr/bin/env", ["--default-signal=PIPE", "/bin/sh", "-c", script]) { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.Latin1 })!;
        var said = await shell.StandardOutput.ReadToEndAsync(bound.Token);
        await shell.WaitForExitAsync(bound.Token);
        return said;
    }

    private static string FindWrapper()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var native = Path.Combine(folder.FullName, "artifacts/flannelflow/flannelflow-runc");
            if (File.Exists(native))
                return native;
        }
        return Path.Combine(AppContext.BaseDirectory, "flannelflow-runc");
    }
}
