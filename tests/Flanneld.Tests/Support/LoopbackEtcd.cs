using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace FlannelFlow.Flanneld.Tests.Support;

/// <summary>An etcd on a free port of loopback, for what runs inside the test process.</summary>
internal sealed class LoopbackEtcd : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("fft-flanneld-");
    private Process? _process;

    public string Endpoint { get; } = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{LoopbackPort.Free()}");

    public async Task StartAsync()
    {
        var peer = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{LoopbackPort.Free()}");
        _process = Process.Start(new ProcessStartInfo("etcd",
        [
            "--name", "t", "--data-dir", _directory.FullName, "--listen-client-urls", Endpoint, "--advertise-client-urls", Endpoint,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "t=" + peer, "--log-level", "error",
        ])
        { RedirectStandardError = true, RedirectStandardOutput = true })!;
        await using var probe = new EtcdStore(
            new EtcdOptions { Endpoints = [Endpoint], CallTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System, NullLogger<EtcdStore>.Instance);
        await Wait.UntilAsync("etcd answers", async () =>
        {
            try
            {
                await probe.RangeAsync(EtcdKeys.One("/probe"), CancellationToken.None);
                return true;
            }
            catch (EtcdException)
            {
                if (_process.HasExited) throw new InvalidOperationException($"etcd ended: {await _process.StandardOutput.ReadToEndAsync()}{await _process.StandardError.ReadToEndAsync()}");
                return false;
            }
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            if (!process.HasExited) process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
        _directory.Delete(recursive: true);
    }
}
