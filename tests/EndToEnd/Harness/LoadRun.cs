using System.Globalization;
using System.Text.Json.Nodes;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>Clients in a container, which ask an address until they are told to stop.</summary>
public sealed class LoadRun(Container client)
{
    /// <param name="shorts">Clients with a new connection for each request.</param>
    /// <param name="kept">Clients that keep their connection.</param>
    /// <param name="downloads">Clients with requests that take <paramref name="seconds"/>.</param>
    public static async Task<LoadRun> BeginAsync(Container client, string address, int shorts = 3, int kept = 3, int downloads = 2, int seconds = 3)
    {
        await client.ExecAsync("sh", "-c", string.Create(
            CultureInfo.InvariantCulture,
            $"rm -f /tmp/load; TRAFFIC_PATIENCE={8 * Run.Patience} traffic load {address} 80 {shorts} {kept} {downloads} {seconds} >/tmp/load 2>&1 & echo $! >/tmp/load.pid"));
        return new LoadRun(client);
    }

    /// <summary>Lets what is being asked end, and counts.</summary>
    public async Task<LoadResult> EndAsync()
    {
        await client.ExecAsync("sh", "-c", "kill -TERM $(cat /tmp/load.pid)");
        var said = "";
        await Wait.UntilAsync($"the clients in {client.Name} end", 120, async () =>
        {
            said = await client.ExecAsync("sh", "-c", "cat /tmp/load");
            return said.Contains("\"errors\"", StringComparison.Ordinal) ? null : said;
        });
        return new LoadResult(JsonNode.Parse(said)!.AsObject());
    }
}

public sealed record LoadResult(JsonObject Counts)
{
    public int Requests => Number("short") + Number("kept") + Number("downloads");

    public int Failed => Number("shortFailed") + Number("keptFailed") + Number("downloadsFailed");

    public override string ToString() => Counts.ToJsonString();

    private int Number(string name) => Counts[name]!.GetValue<int>();
}
