using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Dashboard.Tests.Support;
using Microsoft.Playwright;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>What pages cost that stay open, as on the wall of an operations room. tests/campaigns/open-page runs it for longer.</summary>
[Trait("Needs", "etcd")]
public sealed class OpenPageTests(Browser browser) : IClassFixture<Browser>
{
    /// <summary>What a page keeps of what it showed once would be more: it is drawn anew up to once a second.</summary>
    private const long Allowed = 3 << 20;

    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(30);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    public async Task PagesThatStayOpen_DoNotGrow_InTheDaemonNorInTheBrowser()
    {
        var minutes = int.Parse(Environment.GetEnvironmentVariable("MINUTES") ?? "10", CultureInfo.InvariantCulture);
        var (workflow, drain) = await browser.Cluster.AsShopAsync(Ct);
        var visits = new List<Visit>();
        var sessions = new List<ICDPSession>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var load = LoadAsync(stop.Token);
        try
        {
            foreach (var path in new[] { "/", "/workflows", $"/workflows/n1/{workflow}", $"/drains/{drain}", "/services/svcweb-shop", "/networks/netshop00000000000000000a" })
            {
                var visit = await browser.VisitAsync(browser.Cluster.One);
                visits.Add(visit);
                await visit.GoAsync(path);
                sessions.Add(await visit.Page.Context.NewCDPSessionAsync(visit.Page));
            }

            var began = Stopwatch.StartNew();
            await ResidentUntilAsync(began, Settling);
            var settled = await InUseAsync(sessions);
            await ResidentUntilAsync(began, TimeSpan.FromMinutes(minutes));
            var after = await InUseAsync(sessions);
            Assert.InRange(after.Daemon - settled.Daemon, long.MinValue, Allowed);
            Assert.InRange(after.Pages - settled.Pages, long.MinValue, Allowed);
            Assert.Empty(visits.SelectMany(visit => visit.Errors));
        }
        finally
        {
            await stop.CancelAsync();
            foreach (var visit in visits) await visit.DisposeAsync();
            await load;
        }
    }

    /// <summary>A workflow a second, which each page is told of.</summary>
    private async Task LoadAsync(CancellationToken ct)
    {
        for (var i = 0; !ct.IsCancellationRequested; i++)
        {
            await TestWorkflows.RunMendAsync(browser.Cluster.One, $"open-page-{i}", "well", CancellationToken.None);
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, ct).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    /// <summary>Prints what is resident, which no collection is made for.</summary>
    private static async Task ResidentUntilAsync(Stopwatch began, TimeSpan end)
    {
        while (began.Elapsed < end)
        {
            await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, Ct);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{began.Elapsed.TotalMinutes,5:0.0} min   resident {Resident()}"));
        }
    }

    /// <summary>After a collection: of this process, which the daemon is part of here, and of the pages.</summary>
    private static async Task<(long Daemon, long Pages)> InUseAsync(List<ICDPSession> sessions)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var inUse = (Daemon: GC.GetTotalMemory(forceFullCollection: true), Pages: await PagesHeapAsync(sessions));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"            in use: daemon {Mebi(inUse.Daemon):0.00} MiB, {sessions.Count} pages {Mebi(inUse.Pages):0.00} MiB"));
        return inUse;
    }

    /// <summary>proc_pid_status(5), and of it what the collector and SQLite have.</summary>
    private static string Resident()
    {
        var status = File.ReadLines("/proc/self/status").Select(line => line.Split(':')).ToDictionary(line => line[0], line => line[1]);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Kibi("RssAnon") / 1024.0,6:0.0} MiB anonymous (collector {Mebi(GC.GetGCMemoryInfo().TotalCommittedBytes),5:0.0}, SQLite {Mebi(SQLitePCL.raw.sqlite3_memory_used()),4:0.0}) and {Kibi("RssFile") / 1024.0,6:0.0} of files");

        long Kibi(string name) => long.Parse(status[name].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }

    private static async Task<long> PagesHeapAsync(List<ICDPSession> sessions)
    {
        var sum = 0L;
        foreach (var session in sessions)
        {
            await session.SendAsync("HeapProfiler.collectGarbage");
            var used = await session.SendAsync("Runtime.getHeapUsage");
            sum += (long)used!.Value.GetProperty("usedSize").GetDouble();
        }

        return sum;
    }

    private static double Mebi(long bytes) => bytes / 1048576.0;
}
