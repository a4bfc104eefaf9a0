using FlannelFlow.Cluster.Access;
using Microsoft.Playwright;

namespace FlannelFlow.Dashboard.Tests.Support;

/// <summary>Debian's Chromium, and a cluster for it to look at. Shared by the tests of a class.</summary>
public sealed class Browser : IAsyncLifetime
{
    private IPlaywright _playwright = null!;
    private IBrowser _browser = null!;

    public Cluster Cluster { get; } = new();

    public async ValueTask InitializeAsync()
    {
        await Cluster.InitializeAsync();
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = "/usr/bin/chromium",
            // The suites run as root, where Chromium has no sandbox; it sees our own pages only.
            Args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        await Cluster.DisposeAsync();
    }

    /// <summary>A browser of its own, without cookies.</summary>
    public async Task<Visit> VisitAsync(TestHost host, ColorScheme colours = ColorScheme.Light, int width = 1280, int height = 800)
    {
        var context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = host.Address.ToString(),
            ColorScheme = colours,
            ViewportSize = new ViewportSize { Width = width, Height = height },
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(60_000);
        Assertions.SetDefaultExpectTimeout(60_000);
        return new Visit(context, await context.NewPageAsync());
    }
}

/// <summary>A person at a browser.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _errors = [];

    public Visit(IBrowserContext context, IPage page)
    {
        _context = context;
        Page = page;
        page.PageError += (_, error) => _errors.Add(error);
        page.Console += (_, message) =>
        {
            if (message.Type == "error") _errors.Add(message.Text);
        };
        page.Dialog += (_, dialog) => _errors.Add($"a dialog: {dialog.Message}");
    }

    public IPage Page { get; }

    /// <summary>Scripts that failed, what the policy refused, and dialogs that opened.</summary>
    public IReadOnlyList<string> Errors => _errors;

    /// <summary>Until the page is alive, not only there.</summary>
    public async Task GoAsync(string path)
    {
        await Page.GotoAsync(path);
        await Page.Locator(".mud-layout.live").WaitForAsync();
    }

    public async Task SignInAsync(string token, string to = "/")
    {
        await Page.GotoAsync("/sign-in?to=" + Uri.EscapeDataString(to));
        await Page.GetByLabel("Token").FillAsync(token);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
