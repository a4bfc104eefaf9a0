using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using FlannelFlow.Dashboard.Tests.Support;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>bench/dashboard: how long a page of the list of workflows takes when there are many, beside an answer that reads nothing.</summary>
public sealed class ListBenchmark(Support.Cluster cluster) : IClassFixture<Support.Cluster>
{
    private const int Requests = 200;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    public async Task List()
    {
        var count = int.Parse(Environment.GetEnvironmentVariable("INSTANCES") ?? "100000", CultureInfo.InvariantCulture);
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 64, CancellationToken = Ct }, async (i, ct) =>
            await TestWorkflows.RunMendAsync(cluster.One, $"endpoint-{i}", $"thing-{i}", ct));
        await TestWorkflows.RunMendAsync(cluster.One, "rare", "broken-rare", Ct);

        using var client = cluster.One.Client();
        var middle = (long)(await client.GetStringAsync(new Uri("/api/v1/workflows?limit=1", UriKind.Relative), Ct) is var text ? JsonNode.Parse(text)!["items"]![0]!["row"]! : 0) / 2;
        var peer = await TimesAsync("/health/live");
        Print("an answer that reads nothing", peer, peer);
        foreach (var (name, path) in new[]
        {
            ("the newest page", "/api/v1/workflows?limit=50"), ("a page in the middle", $"/api/v1/workflows?limit=50&before={middle}"), ("of a definition", "/api/v1/workflows?limit=50&definition=mend"),
            ("of a status, one of all", "/api/v1/workflows?limit=50&status=suspended"), ("that wait for a person", "/api/v1/workflows?limit=50&incident=true"),
            ("by key", "/api/v1/workflows?limit=50&definition=mend&key=endpoint-77"), ("by text, one of all", "/api/v1/workflows?limit=50&text=broken-rare"), ("by text, none", "/api/v1/workflows?limit=50&text=nobody-has-this"), ("of a definition without any", "/api/v1/workflows?limit=50&definition=none"),
        })
            Print(name, await TimesAsync(path), peer);

        async Task<double[]> TimesAsync(string path)
        {
            var times = new double[Requests];
            for (var i = 0; i < Requests; i++)
            {
                var began = Stopwatch.GetTimestamp();
                await client.GetByteArrayAsync(new Uri(path, UriKind.Relative), Ct);
                times[i] = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            }

            Array.Sort(times);
            return times;
        }

        static void Print(string name, double[] times, double[] peer) => Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{name,-32} p50 {times[Requests / 2],8:0.0} ms   p95 {times[Requests * 95 / 100],8:0.0} ms   {times[Requests / 2] / peer[Requests / 2],6:0.0} times the first"));
    }
}
