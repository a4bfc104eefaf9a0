using FlannelFlow.Dashboard.Tests.Support;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations.Reconcile;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>The pages, as people at a browser see and use them.</summary>
[Trait("Needs", "etcd")]
public sealed class PageTests(Browser browser) : IClassFixture<Browser>
{
    /// <summary>What Docker lets nobody call a container; what reaches etcd by another way must do no harm either.</summary>
    private const string Hostile = "<img src=x onerror=alert(1)>\"'`${7*7}{{7*7}}</script><script>alert(2)</script>";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Support.Cluster Cluster => browser.Cluster;

    [Fact]
    public async Task NetworkServiceAndHost_ComeAndGo_WithoutReload()
    {
        await using var networks = await browser.VisitAsync(Cluster.Two);
        await networks.GoAsync("/networks");
        await using var services = await browser.VisitAsync(Cluster.One);
        await services.GoAsync("/services?text=live-web");
        await using var overview = await browser.VisitAsync(Cluster.One);
        await overview.GoAsync("/");

        await Cluster.NetworkAsync("net-live", "live", "10.130.0.0/20", Ct);
        await Cluster.ServiceAsync("svc-live", "live-web", "net-live", "10.130.0.2", Ct);
        await Expect(networks.Page.GetByRole(AriaRole.Link, new() { Name = "live", Exact = true })).ToBeVisibleAsync();
        await Expect(services.Page.GetByRole(AriaRole.Link, new() { Name = "live-web" })).ToBeVisibleAsync();

        // The daemon of n2 gives no sign of life any more, and then does again.
        var row = overview.Page.Locator("tr[data-host=n2]");
        await Expect(row.Locator(".badge.good")).ToHaveTextAsync("up");
        await Cluster.DeleteAsync(Cluster.Two.Keys.HostSign("n2"), Ct);
        await Expect(row.Locator(".badge.bad")).ToHaveTextAsync("daemon silent");
        await row.GetByRole(AriaRole.Link, new() { Name = "n2" }).ClickAsync();
        await Expect(overview.Page.GetByText("so it cannot be asked")).ToBeVisibleAsync();
        await overview.GoAsync("/");
        await Cluster.PutAsync(Cluster.Two.Keys.HostSign("n2"), "n2", Ct);
        await Expect(row.Locator(".badge.good")).ToHaveTextAsync("up");
        Assert.Empty(networks.Errors.Concat(services.Errors).Concat(overview.Errors));
    }

    [Fact]
    public async Task Drain_ThatFailed_IsRetriedFromAnotherHostsDashboard()
    {
        var id = (await TestWorkflows.RunDrainAsync(Cluster.Two, "broken-drain-1", "svc-x", "net-x", "container-1", Ct)).Value;
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.SignInAsync(Cluster.Operator, "/drains");
        var row = visit.Page.Locator($"tr[data-drain='{id}']");
        await Expect(row.Locator(".badge.bad")).ToHaveTextAsync("suspended");
        await Expect(row).ToContainTextAsync("broken-drain-1 is broken");

        Brittle.Mend("broken-drain-1");
        await row.GetByRole(AriaRole.Checkbox).CheckAsync();
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Retry (1)" }).ClickAsync();
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("run again now, on the drain's host");
        await Expect(dialog.GetByRole(AriaRole.Button, new() { Name = "Retry" })).ToBeDisabledAsync();
        await dialog.GetByLabel("Reason").FillAsync("the kernel is well again");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Retry" }).ClickAsync();

        await Expect(row).ToHaveCountAsync(0);
        var audit = Assert.Single(Cluster.Two.Runtime.Audit(new FlannelFlow.Workflows.InstanceId(id)));
        Assert.Equal(("otto", "the kernel is well again (drains retry, from n1)"), (audit.Who, audit.Why));
        Assert.Empty(visit.Errors);
    }

    [Fact]
    public async Task Workflow_IsDrawn_AndMended_ByAnOperatorOnly()
    {
        var id = (await TestWorkflows.RunMendAsync(Cluster.Two, "k-page", "broken-page", Ct)).Value;
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync($"/workflows/n2/{id}");
        await Expect(visit.Page.Locator("[data-step=mend]")).ToContainTextAsync("waits for you");
        await Expect(visit.Page.Locator("[data-step=fetch-tools]")).ToContainTextAsync("completed");
        await Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Terminate" })).ToBeDisabledAsync();

        await visit.SignInAsync(Cluster.Viewer, $"/workflows/n2/{id}");
        await Expect(visit.Page.GetByText("vera (viewer)")).ToBeVisibleAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Button, new() { Name = "Terminate" })).ToBeDisabledAsync();
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();

        await visit.SignInAsync(Cluster.Operator, $"/workflows/n2/{id}");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Terminate" }).ClickAsync();
        var dialog = visit.Page.GetByRole(AriaRole.Dialog);
        await Expect(dialog).ToContainTextAsync("Nothing is undone");
        // By keyboard: the reason has the focus.
        await Expect(dialog.GetByLabel("Reason")).ToBeFocusedAsync();
        await visit.Page.Keyboard.TypeAsync("scrapped");
        await visit.Page.Keyboard.PressAsync("Enter");
        await Expect(visit.Page.Locator(".facts .badge")).ToHaveTextAsync("cancelled");
        await Expect(visit.Page.GetByText("by otto: scrapped")).ToBeVisibleAsync();
        Assert.Empty(visit.Errors);
    }

    [Fact]
    public async Task Workflows_OfAllHosts_StandInOneList()
    {
        await TestWorkflows.RunMendAsync(Cluster.One, "k-all-1", "well", Ct);
        await TestWorkflows.RunMendAsync(Cluster.Two, "k-all-2", "well", Ct);
        await TestWorkflows.RunMendAsync(Cluster.One, "k-all-3", "well", Ct);
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync("/workflows?text=k-all-");
        var rows = visit.Page.Locator("tbody tr");
        await Expect(rows).ToHaveCountAsync(3);
        await Expect(rows).ToContainTextAsync(["n1mendfinishedk-all-3", "n2mendfinishedk-all-2", "n1mendfinishedk-all-1"]);
        // What begins elsewhere is seen without reload.
        await TestWorkflows.RunMendAsync(Cluster.Two, "k-all-4", "well", Ct);
        await Expect(rows).ToHaveCountAsync(4);
        await visit.GoAsync("/workflows?text=k-all-&host=n2");
        await Expect(rows).ToHaveCountAsync(2);
        await rows.First.GetByRole(AriaRole.Link).ClickAsync();
        await Expect(visit.Page.Locator(".facts")).ToContainTextAsync("on n2");
        Assert.Empty(visit.Errors);
    }

    [Fact]
    public async Task Lookup_AnswersAsTheContainersDns()
    {
        await Cluster.NetworkAsync("net-look", "look", "10.133.0.0/20", Ct);
        await Cluster.ServiceAsync("svc-look", "look-web", "net-look", "10.133.0.2", Ct);
        await Cluster.TaskAsync("look1", "n2", "svc-look", "look-web", "net-look", "10.133.2.2", Ct);
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync("/services/svc-look");
        await Expect(visit.Page.Locator("tbody tr")).ToHaveCountAsync(1);
        await visit.Page.GetByLabel("As container").FillAsync("look-web.1.look1");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Look up" }).ClickAsync();
        await Expect(visit.Page.Locator(".answers")).ToHaveTextAsync("10.133.0.2 look-web.look");
        await visit.GoAsync("/services/svc-look?as=look1&name=elsewhere.example");
        await Expect(visit.Page.GetByText("none of ours: the container's own servers are asked")).ToBeVisibleAsync();
        await visit.GoAsync("/services/svc-look?as=nobody&name=web");
        await Expect(visit.Page.GetByText("there is no container \"nobody\"")).ToBeVisibleAsync();

        Assert.Empty(visit.Errors);
    }

    [Fact]
    public async Task Host_ShowsItsDrift_OnAnyHostsDashboard()
    {
        var drift = (DriftBook)Cluster.Two.Services.GetService(typeof(DriftBook))!;
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync("/");
        await visit.Page.Locator("#hosts").GetByRole(AriaRole.Link, new() { Name = "n2" }).ClickAsync();
        await Expect(visit.Page.Locator("#drift")).ToContainTextAsync("have not been compared yet");
        var difference = new Difference(DriftKind.Device, "ff-look", "bridge ff-look is down") { Command = "flannelflow doctor" };
        for (var look = 0; look < 2; look++) drift.Looked([difference], trouble: null);
        await Expect(visit.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "bridge ff-look is down" })).ToContainTextAsync("flannelflow doctor");
        drift.Looked([], trouble: null);
        await Expect(visit.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "bridge ff-look is down" })).ToHaveCountAsync(0);
        await Expect(visit.Page.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "bridge ff-look is down, gone after" })).ToBeVisibleAsync();
        await visit.GoAsync("/hosts/nowhere");
        await Expect(visit.Page.GetByText("there is no host \"nowhere\"")).ToBeVisibleAsync();
        Assert.Empty(visit.Errors);
    }

    [Fact]
    public async Task SignIn_WithAWrongToken_SaysSo_AndTakesNobodyElsewhere()
    {
        await using var visit = await browser.VisitAsync(Cluster.Two);
        await visit.SignInAsync("ff_000000000000_00", "//evil.example/");
        await Expect(visit.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("none of this cluster");
        await visit.SignInAsync(Cluster.Viewer, "//evil.example/");
        await Expect(visit.Page.GetByText("vera (viewer)")).ToBeVisibleAsync();
        Assert.Equal(Cluster.Two.Address, new Uri(visit.Page.Url));
        Cluster.Two.ForgetFailures();
    }

    [Fact]
    public async Task SignIn_WithoutItsForm_IsRefused()
    {
        using var client = Cluster.One.Client();
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["token"] = Cluster.Operator });
        using var response = await client.PostAsync(new Uri("/sign-in", UriKind.Relative), form, Ct);
        Assert.Equal("/sign-in?why=form&to=%2F", response.Headers.Location?.ToString());
        Assert.DoesNotContain(response.Headers.TryGetValues("Set-Cookie", out var cookies) ? cookies : [], cookie => cookie.StartsWith("flannelflow=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Names_AreData()
    {
        await Cluster.NetworkAsync("net-hostile", Hostile, "10.131.0.0/20", Ct);
        await Cluster.ServiceAsync("svc-hostile", Hostile, "net-hostile", "10.131.0.2", Ct);
        await Cluster.TaskAsync("hostile", "n1", "svc-hostile", Hostile, "net-hostile", "10.131.2.2", Ct);
        var id = (await TestWorkflows.RunMendAsync(Cluster.One, Hostile, "broken-" + Hostile, Ct)).Value;
        await using var visit = await browser.VisitAsync(Cluster.One);
        foreach (var path in new[] { "/", "/networks", "/services?text=img", "/services/svc-hostile", "/workflows?text=onerror", $"/workflows/n1/{id}", "/workflows?text=" + Uri.EscapeDataString(Hostile) })
        {
            await visit.GoAsync(path);
            await Expect(visit.Page.GetByText("onerror=alert(1)").First).ToBeAttachedAsync();
            Assert.Equal(0, await visit.Page.Locator("img[src=x]").CountAsync());
        }

        Assert.Empty(visit.Errors);
    }

    [Fact]
    public async Task ThousandServices_ArePaged()
    {
        await Cluster.NetworkAsync("net-many", "many", "10.132.0.0/16", Ct);
        await Parallel.ForAsync(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Ct }, async (i, ct) =>
            await Cluster.ServiceAsync($"svc-many-{i:0000}", $"many-{i:0000}", "net-many", $"10.132.{i / 250}.{i % 250 + 2}", ct));
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync("/services?text=many-");
        await Expect(visit.Page.GetByText("1,000 services, 1 to 50")).ToBeVisibleAsync();
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Next" }).ClickAsync();
        await Expect(visit.Page.GetByText("1,000 services, 51 to 100")).ToBeVisibleAsync();
        Assert.Equal(50, await visit.Page.Locator("tbody tr").CountAsync());
        await visit.GoAsync("/");
        await Expect(visit.Page.Locator(".topology")).ToBeVisibleAsync();
        Assert.Empty(visit.Errors);
        // The other tests need them no more.
        await Parallel.ForAsync(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Ct }, async (i, ct) =>
            await Cluster.DeleteAsync(Cluster.One.Keys.DockerService($"svc-many-{i:0000}"), ct));
    }

    [Fact]
    public async Task Notice_IsThereWhenSomethingIsWrong_AndSaysWhat()
    {
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync("/");
        await Expect(visit.Page.Locator(".figures")).ToBeVisibleAsync();
        await Expect(visit.Page.GetByRole(AriaRole.Status)).ToHaveCountAsync(0);
        await visit.GoAsync("/networks/nowhere");
        await Expect(visit.Page.GetByRole(AriaRole.Status)).ToHaveTextAsync("no pool belongs to a network \"nowhere\"");
        await visit.GoAsync("/workflows?status=fine");
        await Expect(visit.Page.GetByRole(AriaRole.Status)).ToContainTextAsync("status: \"fine\" is no InstanceStatus");
    }

    [Fact]
    public async Task Planner_ReckonsTheDesignsExample()
    {
        await using var visit = await browser.VisitAsync(Cluster.One);
        await visit.GoAsync("/planner");
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "The design's example" }).ClickAsync();
        await Expect(visit.Page.GetByText("32 hosts of 128 addresses, of which 100 VIPs leave 28 for containers")).ToBeVisibleAsync();
        await Expect(visit.Page.Locator(".figures")).ToContainTextAsync("16 networks");
        await visit.Page.GetByLabel("Network size /").FillAsync("30");
        await Expect(visit.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("NETWORK_SUBNET_SIZE=30: must be from 1 to 28");
    }

    [Fact(Explicit = true)]
    public async Task Screenshots()
    {
        var (workflow, drain) = await Cluster.AsShopAsync(Ct);
        var folder = Environment.GetEnvironmentVariable("SCREENSHOTS") ?? throw new InvalidOperationException("set SCREENSHOTS to the folder for them");
        foreach (var colours in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using var visit = await browser.VisitAsync(Cluster.One, colours, 1280, 860);
            await visit.SignInAsync(Cluster.Operator);
            foreach (var (name, path) in new[]
            {
                ("overview", "/"), ("workflows", "/workflows"), ("workflow", $"/workflows/n1/{workflow}"), ("drains", "/drains"), ("drain", $"/drains/{drain}"), ("networks", "/networks"),
                ("network", "/networks/netshop00000000000000000a"), ("services", "/services"), ("service", "/services/svcweb-shop?as=webshop0&name=shop-web"), ("planner", "/planner"), ("host", "/hosts/n2"),
            })
            {
                await visit.GoAsync(path);
                await Expect(visit.Page.Locator(colours == ColorScheme.Dark ? ".ff.dark" : ".ff.light")).ToBeVisibleAsync();
                // What other hosts have to be asked for comes a moment later.
                await Expect(visit.Page.Locator("#content .panel, #content table, #content .facts").First).ToBeVisibleAsync();
                await visit.Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, $"{name}-{colours.ToString().ToLowerInvariant()}.png") });
            }
        }
    }
}
