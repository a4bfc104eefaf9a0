using FlannelFlow.Tests;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Tests;

/// <summary>Whatever stands in a definition's file, it loads or every error of it is named; nothing else comes of it.</summary>
public sealed class DefinitionFuzzTests
{
    private static readonly ActivityCatalog Catalog = DefinitionsTests.Catalog();

    private static readonly string[] Whole =
    [
        .. Directory.EnumerateFiles(DefinitionsTests.Folder, "*.json").Where(file => !file.EndsWith(".schema.json", StringComparison.Ordinal))
            .Concat(Corpus("good-*.json")).Order(StringComparer.Ordinal).Select(File.ReadAllText),
    ];

    [Fact]
    public void Corpus_Good_Loads() => Assert.All(Corpus("good-*.json"), file => Assert.Single(DefinitionLoader.Load([new DefinitionFile(file, File.ReadAllText(file))], Catalog)));

    [Fact]
    public void Corpus_Bad_IsRefused() => Assert.All(Corpus("bad-*.json"), file =>
        Assert.NotEmpty(Assert.Throws<DefinitionException>(() => DefinitionLoader.Load([new DefinitionFile(file, File.ReadAllText(file))], Catalog)).Errors));

    [Fact]
    public Task Definitions_NearlyRight_LoadOrAreRefusedInWords() => Fuzz.RunAsync(
        1_500,
        random => Mutate.Json(random, Whole[random.Next(Whole.Length)]),
        text => text,
        text =>
        {
            Load(text);
            return Task.CompletedTask;
        });

    private static void Load(string text)
    {
        try
        {
            var definition = Assert.Single(DefinitionLoader.Load([new DefinitionFile("fuzzed.json", text)], Catalog));
            Assert.NotEmpty(definition.Id);
            // The same text is the same version.
            Assert.Equal(definition.Hash, DefinitionLoader.Load([new DefinitionFile("again.json", text)], Catalog)[0].Hash);
        }
        catch (DefinitionException refused)
        {
            Assert.NotEmpty(refused.Errors);
            Assert.All(refused.Errors, error => Assert.StartsWith("$", error.Path, StringComparison.Ordinal));
        }
    }

    private static IEnumerable<string> Corpus(string pattern) => Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Corpus"), pattern).Order(StringComparer.Ordinal);
}
