using System.Diagnostics;
using System.Runtime.InteropServices;

namespace FlannelFlow.Flanneld.Tests.Support;

/// <summary>A flanneld of its own process. FLANNELD_BINARY runs another program than the JIT build beside the tests.</summary>
public sealed class AgentProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly Task _reading;

    private AgentProcess(Process process)
    {
        _process = process;
        _reading = ReadAsync();
    }

    public int Pid => _process.Id;

    public bool IsRunning => !_process.HasExited;

    public string Log
    {
        get
        {
            lock (_lines) return string.Join('\n', _lines);
        }
    }

    public static AgentProcess Start(string networkNamespace, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var binary = Environment.GetEnvironmentVariable("FLANNELD_BINARY");
        string[] command = string.IsNullOrEmpty(binary) ? ["dotnet", Path.Combine(AppContext.BaseDirectory, "flanneld.dll")] : [binary];
        return new AgentProcess(Command.Start(networkNamespace, environment, command[0], [.. command[1..], .. arguments]));
    }

    public static AgentProcess StartBinary(string networkNamespace, string binary, params string[] arguments) =>
        new(Command.Start(networkNamespace, binary, arguments));

    public Task HasLoggedAsync(string text) => HasLoggedAsync(text, Wait.Patience);

    public Task HasLoggedAsync(string text, TimeSpan patience) => Wait.UntilAsync($"agent logs '{text}'", () =>
    {
        if (!Log.Contains(text, StringComparison.Ordinal) && !IsRunning && _reading.IsCompleted)
            throw new InvalidOperationException($"the agent ended with {_process.ExitCode} without logging '{text}':\n{Log}");
        return Task.FromResult(Log.Contains(text, StringComparison.Ordinal));
    }, patience, () => Log);

    public Task IsReadyAsync() => HasLoggedAsync(" info ready: ");

    public async Task<int> ExitAsync()
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        await _process.WaitForExitAsync(patience.Token);
        await _reading;
        return _process.ExitCode;
    }

    public void Terminate() => Send(15);

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        Send(9);
        await ExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (IsRunning) await KillAsync();
        _process.Dispose();
    }

    private void Send(int signal)
    {
        if (kill(_process.Id, signal) != 0) throw new InvalidOperationException($"signal {signal} to {_process.Id}");
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
            lock (_lines) _lines.Add(line);
    }

#pragma warning disable SYSLIB1054, IDE1006 // one call of libc is no reason for unsafe code in the tests
    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int pid, int signal);
#pragma warning restore SYSLIB1054, IDE1006
}
