using FlannelFlow.EndToEnd.Tests.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace FlannelFlow.EndToEnd.Tests;

public sealed partial class DrainTests
{
    /// <summary>On host 3's dashboard, without a page being loaded twice. A failed drain is mended from a dashboard in <see cref="KernelThatRefuses_IsAnIncident_WhichAnotherHostMends"/>.</summary>
    [Fact]
    public async Task Dashboard_OfAnyHost_ShowsWhatHappensOnTheOthers()
    {
        Assert.SkipWhen(Run.StandingLab is not null, "a browser is too much for the guest, and the dashboard does not depend on the kernel");
        await using var screen = await Screen.AtAsync(lab[3]);
        var networks = await screen.OpenAsync("/networks");
        var services = await screen.OpenAsync("/services");
        var overview = await screen.OpenAsync("/");

        await lab.CreateNetworkAsync(Net);
        await Expect(networks.GetByRole(AriaRole.Link, new() { Name = Net })).ToBeVisibleAsync();
        await ServeAsync("web", 1);
        await Expect(services.GetByRole(AriaRole.Row).Filter(new() { HasText = "web" })).ToContainTextAsync("1 serving");

        var row = overview.Locator("tr[data-host=n2]");
        await Expect(row.Locator(".badge.good")).ToBeVisibleAsync();
        await lab[2].StopDaemonAsync("KILL");
        try
        {
            await Expect(row.Locator(".badge.bad")).ToBeVisibleAsync();
        }
        finally
        {
            await lab[2].StartDaemonAsync();
        }

        await Expect(row.Locator(".badge.good")).ToBeVisibleAsync();
    }

    /// <summary>In host 1's dashboard, with a token that host 3 made.</summary>
    private async Task RetryInDashboardAsync(string id)
    {
        var token = (await lab[3].ShAsync($"{Run.Daemon}/flannelflow token create alice --role operator")).Trim();
        await using var screen = await Screen.AtAsync(lab[1]);
        var drains = await screen.OpenAsync("/drains", token);
        var row = drains.Locator($"tr[data-drain='{id}']");
        await Expect(row.Locator(".badge.bad")).ToHaveTextAsync("suspended");
        await row.GetByRole(AriaRole.Checkbox).CheckAsync();
        await drains.GetByRole(AriaRole.Button, new() { Name = "Retry (1)" }).ClickAsync();
        var dialog = drains.GetByRole(AriaRole.Dialog);
        await dialog.GetByLabel("Reason").FillAsync("nft is back");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Retry" }).ClickAsync();
        await Expect(row).ToHaveCountAsync(0);
    }
}
