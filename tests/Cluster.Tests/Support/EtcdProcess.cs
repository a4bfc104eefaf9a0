using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Cluster.Tests.Support;

/// <summary>A single-node etcd on loopback with a data directory of its own. Ended by pid, also when the test run is interrupted.</summary>
public sealed class EtcdProcess : IAsyncLifetime
{
    private const int SigStop = 19;
    private const int SigCont = 18;
    private readonly int _clientPort = LoopbackPort.Free();
    private readonly int _peerPort = LoopbackPort.Free();
    private readonly StringBuilder _log = new();
    private Process? _process;
    private int _prefixes;

    public EtcdProcess() => AppDomain.CurrentDomain.ProcessExit += (_, _) => KillNow();

    /// <summary>Of its own; for a test's files too.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("fft-etcd-").FullName;

    /// <summary>Given before the start: it speaks TLS, and wants to see a certificate of that authority.</summary>
    public EtcdCertificates? Certificates { get; init; }

    /// <summary>Given before the start: with more than this in it, it is full. Octets; null: as etcd has it.</summary>
    public int? Quota { get; init; }

    public string Endpoint => string.Create(CultureInfo.InvariantCulture, $"{(Certificates is null ? "http" : "https")}://127.0.0.1:{_clientPort}");

    public EtcdTlsOptions? Tls =>
        Certificates is null ? null : new EtcdTlsOptions(Certificates.Authority, Certificates.PathOf("client.pem"), Certificates.PathOf("client.key"));

    public EtcdStore Store { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Store = Open(new EtcdOptions { Endpoints = [Endpoint], Tls = Tls });
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Store is not null) await Store.DisposeAsync();
        await KillAsync();
        Directory.Delete(Folder, recursive: true);
    }

    public EtcdStore Open(EtcdOptions options) => new(options, TimeProvider.System, NullLogger<EtcdStore>.Instance);

    /// <summary>A prefix that no other test uses.</summary>
    public ClusterKeys NewKeys() => new(string.Create(CultureInfo.InvariantCulture, $"/t{Interlocked.Increment(ref _prefixes)}"));

    public async Task StartAsync()
    {
        var start = new ProcessStartInfo("etcd")
        {
            ArgumentList =
            {
                "--name", "t", "--data-dir", Path.Combine(Folder, "data"),
                "--listen-client-urls", Endpoint, "--advertise-client-urls", Endpoint,
                "--listen-peer-urls", Peer, "--initial-advertise-peer-urls", Peer, "--initial-cluster", "t=" + Peer,
                "--unsafe-no-fsync", "--log-level", "warn",
            },
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        if (Certificates is { } certificates)
        {
            foreach (var argument in new[]
            {
                "--cert-file", certificates.PathOf("server.pem"), "--key-file", certificates.PathOf("server.key"),
                "--trusted-ca-file", certificates.Authority, "--client-cert-auth",
            }) start.ArgumentList.Add(argument);
        }

        if (Quota is { } quota)
        {
            start.ArgumentList.Add("--quota-backend-bytes");
            start.ArgumentList.Add(quota.ToString(CultureInfo.InvariantCulture));
        }

        if (!SupportsNoFsync.Value) start.ArgumentList.Remove("--unsafe-no-fsync");
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => Append(line.Data);
        _process.OutputDataReceived += (_, line) => Append(line.Data);
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        await using var probe = Open(new EtcdOptions { Endpoints = [Endpoint], Tls = Tls, CallTimeout = TimeSpan.FromMilliseconds(500) });
        for (var limit = Stopwatch.StartNew(); ;)
        {
            try
            {
                await probe.RangeAsync(EtcdKeys.One("/probe"), CancellationToken.None);
                return;
            }
            catch (EtcdException e) when (e is not EtcdUnavailableException)
            {
                return;   // It answers, if only that it wants a user.
            }
            catch (EtcdUnavailableException) when (!_process.HasExited && limit.Elapsed < TimeSpan.FromSeconds(20))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
            }
            catch (EtcdException e)
            {
                throw new InvalidOperationException($"etcd did not start: {e.Message}\n{_log}");
            }
        }
    }

    public async Task KillAsync()
    {
        if (_process is not { } process) return;
        KillNow();
        await process.WaitForExitAsync();
        _process = null;
    }

    /// <summary>Forgets all data; only while it is not running.</summary>
    public void Wipe() => Directory.Delete(Path.Combine(Folder, "data"), recursive: true);

    /// <summary>Holds what a snapshot does, instead of what it held; only while it is not running.</summary>
    public async Task RestoreAsync(string snapshot)
    {
        Wipe();
        await EtcdctlAsync(
            "snapshot", "restore", snapshot, "--name", "t", "--data-dir", Path.Combine(Folder, "data"),
            "--initial-advertise-peer-urls", Peer, "--initial-cluster", "t=" + Peer);
    }

    /// <summary>Returns when every thread has stopped: SIGSTOP is delivered to each in its own time.</summary>
    public async Task FreezeAsync()
    {
        Signal(SigStop);
        while (!Directory.GetDirectories($"/proc/{_process!.Id}/task").All(IsStopped))
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, CancellationToken.None);

        static bool IsStopped(string task)
        {
            var stat = File.ReadAllText($"{task}/stat");   // pid (name) state …
            return stat[stat.LastIndexOf(')') + 2] == 'T';
        }
    }

    public void Thaw() => Signal(SigCont);

    /// <summary>Runs etcdctl against this etcd.</summary>
    public async Task<string> EtcdctlAsync(params string[] arguments)
    {
        string[] tls = Tls is { } files ? ["--cacert", files.CaFile!, "--cert", files.CertificateFile!, "--key", files.KeyFile!] : [];
        var start = new ProcessStartInfo("etcdctl", ["--endpoints", Endpoint, .. tls, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["ETCDCTL_API"] = "3" },
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"etcdctl {string.Join(' ', arguments)}: {error}");
    }

    /// <summary>All keys under a prefix, a line each: what a test compares with text.</summary>
    public async Task<string> DumpAsync(ClusterKeys keys)
    {
        var range = await Store.RangeAsync(keys.All, CancellationToken.None);
        return string.Join('\n', range.Entries.Select(entry => entry.Key[keys.Prefix.Length..]));
    }

    private static readonly Lazy<bool> SupportsNoFsync = new(() =>
    {
        using var process = Process.Start(new ProcessStartInfo("etcd", ["--help"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        _ = process.StandardError.ReadToEndAsync();
        return process.StandardOutput.ReadToEnd().Contains("--unsafe-no-fsync", StringComparison.Ordinal);
    });

    private string Peer => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_peerPort}");

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int pid, int signal);

    private void Signal(int signal)
    {
        if (SendSignal(_process!.Id, signal) != 0) throw new InvalidOperationException($"signal {signal} to etcd {_process.Id}");
    }

    private void KillNow()
    {
        try
        {
            _process?.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has exited already.
        }
    }

    private void Append(string? line)
    {
        lock (_log) _log.AppendLine(line);
    }
}
