using Microsoft.Playwright;

namespace FlannelFlow.EndToEnd.Tests.Harness;

/// <summary>Debian's Chromium in the network namespace of a lab's host, where the host's dashboard is on loopback.</summary>
public sealed class Screen : IAsyncDisposable
{
    public const string Dashboard = "http://127.0.0.1:8514";

    private readonly string _starter;
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private Screen(string starter, IPlaywright playwright, IBrowser browser)
    {
        _starter = starter;
        _playwright = playwright;
        _browser = browser;
    }

    public static async Task<Screen> AtAsync(LabHost host)
    {
        var starter = Path.Combine(Path.GetTempPath(), $"ffe2e-chromium-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(starter, $"#!/bin/sh\nexec nsenter --net=/run/netns/{host.NetworkNamespace} /usr/bin/chromium \"$@\"\n", Run.Ct);
        File.SetUnixFileMode(starter, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assertions.SetDefaultExpectTimeout(60_000 * Run.Patience);
        var playwright = await Playwright.CreateAsync();
        var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = starter,
            // The suite runs as root, where Chromium has no sandbox; it sees our own pages only.
            Args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
            Timeout = 90_000 * Run.Patience,
        });
        return new Screen(starter, playwright, browser);
    }

    /// <summary>A page of the host's dashboard, once it is alive.</summary>
    public async Task<IPage> OpenAsync(string path, string? token = null)
    {
        var page = await _browser.NewPageAsync(new BrowserNewPageOptions { BaseURL = Dashboard, ReducedMotion = ReducedMotion.Reduce });
        page.SetDefaultTimeout(60_000 * Run.Patience);
        if (token is null)
        {
            await page.GotoAsync(path);
        }
        else
        {
            await page.GotoAsync("/sign-in?to=" + Uri.EscapeDataString(path));
            await page.GetByLabel("Token").FillAsync(token);
            await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        }

        await page.Locator(".mud-layout.live").WaitForAsync();
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        File.Delete(_starter);
    }
}
