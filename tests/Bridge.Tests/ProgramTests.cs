using System.Diagnostics;

namespace FlannelFlow.Bridge.Tests;

/// <summary>The process itself: environment, log on stderr, signals, exit codes.</summary>
public sealed class ProgramTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("fft-bridge-");

    [Fact]
    public async Task Process_ListensOverAStaleSocket_EndsWithZeroOnSigterm()
    {
        var socket = Path.Join(_folder.FullName, "bridge.sock");
        await File.WriteAllTextAsync(socket, "left by a bridge that was killed");
        using var bridge = Start(socket, hold: "often");
        Assert.Equal("level=error msg=\"FLANNELFLOW_HOLD_SECONDS=often: not a whole number of seconds from 0 to 25, 10 is taken\"", await LineAsync(bridge));
        Assert.Equal($"level=info msg=\"listening\" socket=\"{socket}\" daemon=\"/var/lib/flannelflow/plugin/daemon.sock\" hold=\"10 s\" answer=\"60 s\"", await LineAsync(bridge));

        using var kill = Process.Start("kill", ["-TERM", $"{bridge.Id}"]);
        Assert.Equal("level=info msg=\"stopping\" signal=\"SIGTERM\"", await LineAsync(bridge));
        Assert.Equal("level=info msg=\"stopped\"", await LineAsync(bridge));
        await bridge.WaitForExitAsync(TestBound.Token());
        Assert.Equal(0, bridge.ExitCode);
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public async Task Process_CannotListen_SaysWhyAndEndsWithOne()
    {
        using var bridge = Start(Path.Join(_folder.FullName, "missing", "bridge.sock"), hold: "");
        var line = await LineAsync(bridge);
        Assert.StartsWith($"level=error msg=\"listening on {_folder.FullName}/missing/bridge.sock: ", line, StringComparison.Ordinal);
        await bridge.WaitForExitAsync(TestBound.Token());
        Assert.Equal(1, bridge.ExitCode);
    }

    private static Process Start(string socket, string hold) => Process.Start(new ProcessStartInfo(Path.Join(AppContext.BaseDirectory, "flannelflow-bridge"))
    {
        RedirectStandardError = true,
        Environment = { ["FLANNELFLOW_BRIDGE_SOCKET"] = socket, ["FLANNELFLOW_HOLD_SECONDS"] = hold },
    })!;

    private static async Task<string?> LineAsync(Process process) => await process.StandardError.ReadLineAsync(TestBound.Token());

    public void Dispose() => _folder.Delete(recursive: true);
}
