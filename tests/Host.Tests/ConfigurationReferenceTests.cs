using System.Text.Json.Nodes;
using FlannelFlow.Host.Commands;
using Microsoft.Extensions.Configuration;

namespace FlannelFlow.Host.Tests;

/// <summary>What docs/configuration.md says is what the daemon takes.</summary>
public sealed class ConfigurationReferenceTests
{
    [Fact]
    public async Task Document_IsWhatTheCommandPrints()
    {
        using var output = new StringWriter();
        Assert.Equal(0, await CommandTree.InvokeAsync(["configuration"], new System.CommandLine.InvocationConfiguration { Output = output }));
        Assert.True(
            output.ToString() == Repository.Read("docs/configuration.md"),
            "docs/configuration.md differs from the options in src/Host/Configuration/Options.cs: dotnet run --project src/Host -- configuration > docs/configuration.md");
    }

    [Fact]
    public void EveryOptionThatIsRead_IsInTheReference_AndTheOtherWayRound()
    {
        // Whatever it is asked for: once with nothing given, once with something, which may lead it on to others.
        var asked = new HashSet<string>(StringComparer.Ordinal);
        _ = new ConfigurationReader(new AskedFor(asked, _ => null)).ReadAll();
        _ = new ConfigurationReader(new AskedFor(asked, name => name == "OTEL_EXPORTER_OTLP_ENDPOINT" ? "http://collector:4318" : name.StartsWith("OTEL_", StringComparison.Ordinal) ? null : "x")).ReadAll();

        // Those are for the traces alone, and win over those without, as the text says; the last is for tests, and the text says so, too.
        asked.RemoveWhere(name => name.StartsWith("OTEL_EXPORTER_OTLP_TRACES_", StringComparison.Ordinal) || name == "FLANNELFLOW_CRASH_AT");
        var described = Options.Sections.Where(section => section.Title != "The plugin").SelectMany(section => section.Options).Select(option => option.Name).Where(name => name.Length > 0);
        Assert.Equal(described.Order(StringComparer.Ordinal), asked.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EveryDefault_IsValid_AndNoOptionIsThereTwice()
    {
        var options = Options.Sections.SelectMany(section => section.Options).Where(option => option.Name.Length > 0).ToList();
        Assert.Equal(options.Count, options.Select(option => option.Name).Distinct().Count());
        Assert.All(options.OfType<NumberOption>(), option => Assert.InRange(option.Default, option.From, option.To));
        Assert.All(options.OfType<SecondsOption>(), option => Assert.InRange(option.Default, option.From, option.To));
        Assert.All(options.OfType<ChoiceOption>(), option => Assert.Contains(option.Default, option.Values));
        Assert.All(options.Where(option => option.Range.Length == 0), option => Assert.DoesNotContain("{range}", option.Effect, StringComparison.Ordinal));
    }

    [Fact]
    public void PluginsOptions_AreThoseOfItsConfiguration()
    {
        var declared = JsonNode.Parse(Repository.Read("src/Bridge/plugin/config.json"))!["env"]!.AsArray()
            .Select(variable => (variable!["name"]!.GetValue<string>(), variable["value"]!.GetValue<string>()));
        Assert.Equal(declared, Options.Sections.Single(section => section.Title == "The plugin").Options.Select(option => (option.Name, option.DefaultValue)));
    }

    /// <summary>A configuration that remembers what it was asked for.</summary>
    private sealed class AskedFor(HashSet<string> asked, Func<string, string?> answer) : IConfiguration
    {
        public string? this[string key]
        {
            get
            {
                asked.Add(key);
                return answer(key);
            }
            set => throw new NotSupportedException();
        }

        public IEnumerable<IConfigurationSection> GetChildren() => [];

        public Microsoft.Extensions.Primitives.IChangeToken GetReloadToken() => throw new NotSupportedException();

        public IConfigurationSection GetSection(string key) => throw new NotSupportedException();
    }
}
