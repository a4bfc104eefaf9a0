using System.Diagnostics;
using System.Globalization;

namespace FlannelFlow.Flanneld.Tests.Support;

/// <summary>
/// A single-node etcd inside a namespace of its own. Agents reach it by its address there; the test by etcdctl inside the namespace, a
/// witness that shares no code with the agent.
/// </summary>
public sealed class EtcdProcess(string networkNamespace, string address, string directory) : IAsyncDisposable
{
    private Process? _process;

    public string Endpoint => $"http://{address}:2379";

    public async Task StartAsync()
    {
        _process = Command.Start(networkNamespace, "etcd",
            "--data-dir", Path.Combine(directory, "etcd"), "--listen-client-urls", Endpoint, "--advertise-client-urls", Endpoint,
            "--listen-peer-urls", "http://127.0.0.1:2380", "--log-level", "error");
        await Wait.UntilAsync("etcd answers", async () => (await Command.TryRunAsync(networkNamespace, "etcdctl", Arguments("endpoint", "health"))).ExitCode == 0);
    }

    /// <summary>kill -9: what is committed stays.</summary>
    public async Task KillAsync()
    {
        if (_process is not { } process) return;
        _process = null;
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    public Task PutAsync(string key, string value) => RunAsync("put", key, value);

    public Task DeleteAsync(string key) => RunAsync("del", key);

    /// <summary>Key and value, a line each.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ReadAsync(string prefix)
    {
        var lines = (await RunAsync("get", "--prefix", prefix)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.Chunk(2).ToDictionary(c => c[0], c => c[1]);
    }

    public async Task<long> ModRevisionAsync(string key) => await NumberAsync(key, "mod_revision");

    public async Task<long> LeaseAsync(string key) => await NumberAsync(key, "lease");

    /// <summary>Throws all history away.</summary>
    public async Task CompactAsync()
    {
        var status = System.Text.Json.Nodes.JsonNode.Parse(await RunAsync("get", "/", "-w", "json"))!;
        await RunAsync("compact", ((long)status["header"]!["revision"]!).ToString(CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync() => await KillAsync();

    private async Task<long> NumberAsync(string key, string field)
    {
        var answer = System.Text.Json.Nodes.JsonNode.Parse(await RunAsync("get", key, "-w", "json"))!;
        return (long?)answer["kvs"]?[0]?[field] ?? 0;
    }

    private Task<string> RunAsync(params string[] arguments) => Command.RunAsync(networkNamespace, "etcdctl", Arguments(arguments));

    private string[] Arguments(params string[] arguments) => ["--endpoints", Endpoint, .. arguments];
}
