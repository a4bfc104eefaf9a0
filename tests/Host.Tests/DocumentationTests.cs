using System.CommandLine;
using System.Text.RegularExpressions;
using FlannelFlow.Host.Commands;
using FlannelFlow.Tests;

namespace FlannelFlow.Host.Tests;

/// <summary>What the documents tell people to type, open and look at is there.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string[] Pages =
    [
        "README.md", "CONTRIBUTING.md",
        .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Repository.Root, file)),
    ];

    /// <summary>A line of a block is typed as it stands; in the text a command may be named without what it needs.</summary>
    [Fact]
    public void EveryCommandOfOurs_IsUnderstood()
    {
        var lines = Pages.SelectMany(page => Commands(page, Block().Matches(Repository.Read(page)).SelectMany(block => block.Groups[1].Value.Split('\n')))).ToList();
        Assert.True(lines.Count > 20, $"{lines.Count} lines found");
        Assert.Empty(lines.SelectMany(line => Parsed(line.Command).Errors.Select(error => $"{line.Page}: {line.Command}: {error.Message}")));

        var named = Pages.SelectMany(page => Commands(page, Span().Matches(Block().Replace(Repository.Read(page), "")).Select(span => span.Groups[1].Value))).ToList();
        Assert.True(named.Count > 30, $"{named.Count} names found");
        Assert.Empty(named.SelectMany(name => Parsed(name.Command).UnmatchedTokens.Select(token => $"{name.Page}: {name.Command}: {token}")));
    }

    [Fact]
    public void EveryLineOfAShellBlock_IsRun_OrItIsSaidWhatRunsIt()
    {
        Assert.Empty(Pages.Where(page => Block().Matches(Repository.Read(page)).Any(block => block.Value.TrimStart().StartsWith("```\n", StringComparison.Ordinal)))
            .Select(page => $"{page}: a block that does not say its language; of commands it is sh"));
        var written = Pages.SelectMany(page => DocumentedCommands.Of(Repository.Root, page)).Distinct().ToList();
        var typed = DocumentedCommands.Typed.Select(each => new DocumentedLine(each.Page, each.Line)).ToList();
        var elsewhere = DocumentedCommands.Elsewhere.Select(each => new DocumentedLine(each.Page, each.Line)).ToList();
        Assert.Empty(written.Except(typed).Except(elsewhere).Select(line => $"not in tests/DocumentedCommands.cs: {line}"));
        Assert.Empty(typed.Concat(elsewhere).Except(written).Select(line => $"in no document: {line}"));
        Assert.Empty(typed.Concat(elsewhere).GroupBy(line => line).Where(same => same.Count() > 1).Select(same => $"twice in tests/DocumentedCommands.cs: {same.Key}"));
        Assert.Empty(DocumentedCommands.Elsewhere.Where(each => each.By is { } by && !Repository.Read(by).Contains(each.Witness!, StringComparison.Ordinal))
            .Select(each => $"{each.By} does not run any more: {each.Line}"));
    }

    [Fact]
    public void EveryLink_LeadsSomewhere()
    {
        var links = Pages.SelectMany(page => Link().Matches(Repository.Read(page)).Select(link => (page, to: link.Groups[1].Value)))
            .Where(link => !link.to.Contains("://", StringComparison.Ordinal)).ToList();
        Assert.True(links.Count > 50, $"{links.Count} links found");
        Assert.Empty(links.Where(link => !Leads(link.page, link.to)).Select(link => $"{link.page}: {link.to}"));
    }

    [Fact]
    public void EveryPathOfTheRepository_Exists()
    {
        var paths = Pages.SelectMany(page => RepositoryPath().Matches(Repository.Read(page)).Select(path => (page, path: path.Groups[1].Value.TrimEnd('/', '.')))).ToList();
        Assert.True(paths.Count > 50, $"{paths.Count} paths found");
        Assert.Empty(paths.Where(each => !Path.Exists(Path.Combine(Repository.Root, each.path))).Select(each => $"{each.page}: {each.path}"));
    }

    /// <summary>Those lines that call flannelflow, without what a shell or a reader adds.</summary>
    private static IEnumerable<(string Page, string Command)> Commands(string page, IEnumerable<string> lines) =>
        lines.Select(line => CommandLine().Match(line.Trim())).Where(match => match.Success).Select(match => (page, match.Groups[1].Value.Trim()));

    private static ParseResult Parsed(string command) => CommandTree.Create().Parse(
        command.Replace(" …", "", StringComparison.Ordinal).Replace("FILE", Path.Combine(Repository.Root, "workflows/restore.json"), StringComparison.Ordinal)
            .Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private static bool Leads(string page, string to)
    {
        var parts = to.Split('#', 2);
        var file = parts[0].Length == 0 ? page : Path.Combine(Path.GetDirectoryName(page)!, parts[0]);
        if (!Path.Exists(Path.Combine(Repository.Root, file))) return false;
        return parts.Length == 1 || Heading().Matches(Repository.Read(file)).Any(heading => Anchor(heading.Groups[1].Value) == parts[1]);
    }

    /// <summary>As GitHub makes it of a heading.</summary>
    private static string Anchor(string heading) => NotOfAnchors().Replace(heading.Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"^ *```[a-z]*\n(.*?)^ *```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Block();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Span();

    [GeneratedRegex(@"^(?:sudo )?(?:\S*/)?flannelflow( [a-z][^#|;&>]*)")]
    private static partial Regex CommandLine();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("`((?:src|tests|build|bench|workflows|docs)/[A-Za-z0-9_./-]*)")]
    private static partial Regex RepositoryPath();

    [GeneratedRegex("^#+ (.*)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotOfAnchors();
}
