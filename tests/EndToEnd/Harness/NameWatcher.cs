using System.Globalization;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>What a container is told for a name, by whoever answers there, over time (tests/Traffic, NameWatch).</summary>
public sealed class NameWatcher
{
    /// <summary>What stands for no answer; a busy machine may take its time once.</summary>
    public const string Silence = "silence";

    private static readonly string Program = Path.Combine(Run.Root, "artifacts/traffic/traffic");
    private static int _count;
    private readonly Container _client;
    private readonly string _file;
    private readonly string _pid;

    private NameWatcher(Container client, string file, string pid)
    {
        _client = client;
        _file = file;
        _pid = pid;
    }

    /// <summary>At 127.0.0.11, as programs ask.</summary>
    public static Task<NameWatcher> OfOursAsync(Container client, string name) => BeginAsync(client, name, "53");

    /// <summary>At the port that Docker's resolver has in the sandbox, past the redirect to ours.</summary>
    public static async Task<NameWatcher> OfDockersAsync(Container client, string name) => await BeginAsync(client, name, await DockersPortAsync(client));

    /// <summary>The UDP port of Docker's resolver in a container, at 127.0.0.11.</summary>
    public static async Task<string> DockersPortAsync(Container client)
    {
        var rules = await client.Host.ShAsync($"nsenter -t {await client.PidAsync()} -n iptables -t nat -S DOCKER_OUTPUT");
        var rule = rules.Split('\n').Single(line => line.Contains("-p udp", StringComparison.Ordinal));
        return rule[(rule.LastIndexOf(':') + 1)..];
    }

    /// <summary>Whoever is asked, where: for what is printed.</summary>
    public Container Client => _client;

    /// <summary>The newest answer.</summary>
    public string Now => Lines() is [.., var last] ? last.Answer : "";

    /// <summary>Since when the answer is what it is now.</summary>
    public DateTimeOffset Since => Lines() is [.., var last] ? last.At : DateTimeOffset.MaxValue;

    /// <summary>All answers since a moment, the one that stood then first.</summary>
    public IReadOnlyList<string> AnswersSince(DateTimeOffset moment)
    {
        var lines = Lines();
        var first = Math.Max(0, lines.FindLastIndex(line => line.At <= moment));
        return [.. lines.Skip(first).Select(line => line.Answer)];
    }

    public Task EndAsync() => _client.Host.TryShAsync($"kill {_pid}");

    private List<(DateTimeOffset At, string Answer)> Lines()
    {
        using var stream = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        var text = reader.ReadToEnd();
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 2))
            .Select(words => (DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(words[0], CultureInfo.InvariantCulture)), words[1]))];
    }

    private static async Task<NameWatcher> BeginAsync(Container client, string name, string port)
    {
        var log = string.Create(CultureInfo.InvariantCulture, $"names.{Interlocked.Increment(ref _count)}.{client.Name}.{name}.{port}");
        var pid = await client.Host.ShAsync(
            $"setsid nsenter -t {await client.PidAsync()} -n {Program} name 127.0.0.11 {port} {name} >/var/log/{log} 2>&1 & echo $!");
        return new NameWatcher(client, client.Host.LogFile(log), pid.Trim());
    }
}
