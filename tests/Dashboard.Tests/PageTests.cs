using FlannelFlow.Dashboard.Tests.Support;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>The pages, in a browser.</summary>
[Trait("Needs", "etcd")]
public sealed class PageTests(Browser browser) : IClassFixture<Browser>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Support.Cluster Cluster => browser.Cluster;

    [Fact]
    public async Task NetworkAndService_AppearWithoutReload_OnEveryHost()
    {
        await using var visit = await browser.VisitAsync(Cluster.Two);
        await visit.GoAsync("/networks");
        await Cluster.NetworkAsync("net-live", "appears", "10.129.0.0/20", Ct);
        await Expect(visit.Page.GetByRole(AriaRole.Link, new() { Name = "appears" })).ToBeVisibleAsync();
        Assert.Empty(visit.Errors);
    }
}
