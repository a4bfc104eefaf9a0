using System.Collections.Concurrent;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using FlannelFlow.Dashboard.Tests.Support;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>The pages for people who see, hear or hold them otherwise. Beside the other tests of pages, with a browser of its own: the two take longest.</summary>
[Trait("Needs", "etcd")]
public sealed class AccessibilityTests(Browser browser) : IClassFixture<Browser>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>All of axe's rules once; dark differs in its colours, and a phone in what does not fit.</summary>
    [Theory]
    [InlineData(ColorScheme.Light, 1280, "")]
    [InlineData(ColorScheme.Dark, 390, "color-contrast")]
    public async Task Pages_AreAccessible(ColorScheme colours, int width, string rule)
    {
        var (workflow, drain) = await Shop.GetOrAdd(browser.Cluster, cluster => cluster.AsShopAsync(Ct));
        await using var visit = await browser.VisitAsync(browser.Cluster.One, colours, width);
        var problems = new List<string>();
        foreach (var path in new[] { "/", "/workflows", $"/workflows/n1/{workflow}", "/drains", $"/drains/{drain}", "/networks", "/networks/netshop00000000000000000a", "/services", "/services/svcweb-shop?as=webshop0&name=shop-web", "/planner", "/hosts/n2", "/nowhere" })
        {
            await visit.GoAsync(path);
            await Expect(visit.Page.Locator(colours == ColorScheme.Dark ? ".ff.dark" : ".ff.light")).ToBeVisibleAsync();
            // What other hosts have to be asked for comes a moment later.
            await Expect(visit.Page.Locator("#content .panel, #content table, #content .facts, #content .empty, #content p:has(a)").First).ToBeVisibleAsync();
            problems.AddRange(await SeriousAsync(visit.Page, path, rule));
            problems.AddRange((await visit.Page.EvaluateAsync<string[]>(TooWide)).Select(element => $"{path} is wider than {width} px: {element}"));
        }

        await visit.Page.GotoAsync("/sign-in");
        problems.AddRange(await SeriousAsync(visit.Page, "/sign-in", rule));
        Assert.Equal("", string.Join('\n', problems));
        Assert.Empty(visit.Errors);
    }

    private static readonly ConcurrentDictionary<Support.Cluster, Task<(string Workflow, string Drain)>> Shop = new();

    /// <summary>What reaches beyond the window. Tables and drawings scroll by themselves.</summary>
    private const string TooWide = """
        () => document.documentElement.scrollWidth <= window.innerWidth + 1 ? [] :
          [...document.querySelectorAll('#content *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !e.closest('.scroll')).slice(0, 3).map(e => e.outerHTML.slice(0, 160))
        """;

    /// <param name="rule">Only this one; "": all.</param>
    private static async Task<IEnumerable<string>> SeriousAsync(IPage page, string path, string rule)
    {
        var options = new AxeRunOptions { ResultTypes = [ResultType.Violations] };
        if (rule.Length > 0) options.RunOnly = new RunOnlyOptions { Type = "rule", Values = [rule] };
        var found = await page.RunAxe(options);
        return found.Violations.Where(violation => violation.Impact is "serious" or "critical")
            .Select(violation => $"{path}: {violation.Id} ({violation.Help}): {string.Join(" | ", violation.Nodes.Take(3).Select(node => node.Html))}");
    }
}
