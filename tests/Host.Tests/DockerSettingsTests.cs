using System.Text.Json.Nodes;
using CsCheck;
using FlannelFlow.Host.Installation;

namespace FlannelFlow.Host.Tests;

public sealed class DockerSettingsTests
{
    private const string Wrapper = "/usr/lib/flannelflow/current/flannelflow-runc";

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("{}")]
    public void WithWrapper_NothingThere_AndWithoutAgain(string? text)
    {
        var with = DockerSettings.WithWrapper(text, Wrapper)!;
        Assert.Equal($$$"""{"runtimes":{"flannelflow":{"path":"{{{Wrapper}}}"}},"default-runtime":"flannelflow"}""", JsonNode.Parse(with)!.ToJsonString());
        Assert.Null(DockerSettings.WithWrapper(with, Wrapper));
        Assert.Equal("", DockerSettings.WithoutWrapper(with));
        Assert.Equal("""{"default-runtime":"runc"}""", JsonNode.Parse(DockerSettings.WithDockersRuntime(with))!.ToJsonString());
        Assert.Null(DockerSettings.WithoutWrapper(text));
    }

    [Fact]
    public void WithWrapper_Again_ItsArgumentsStay()
    {
        const string text = """{"runtimes":{"flannelflow":{"path":"/old","runtimeArgs":["--flannelflow-hold=5"]}},"default-runtime":"flannelflow"}""";
        var with = DockerSettings.WithWrapper(text, Wrapper)!;
        Assert.Equal(text.Replace("/old", Wrapper, StringComparison.Ordinal), JsonNode.Parse(with)!.ToJsonString());
        Assert.Null(DockerSettings.WithWrapper(with, Wrapper));
    }

    [Fact]
    public void WithAndWithout_WhatOthersWrote_Stays()
    {
        Gen.Select(Gen.Bool, Gen.Bool, Gen.Bool, (live, runtimes, log) =>
        {
            var settings = new JsonObject();
            if (live) settings["live-restore"] = true;
            if (runtimes) settings["runtimes"] = new JsonObject { ["kata"] = new JsonObject { ["path"] = "/opt/kata", ["runtimeArgs"] = new JsonArray("-x") } };
            if (log) settings["log-opts"] = new JsonObject { ["max-size"] = "1m+ü" };
            return settings;
        }).Sample(settings =>
        {
            var with = DockerSettings.WithWrapper(settings.ToJsonString(), Wrapper)!;
            var without = DockerSettings.WithoutWrapper(with)!;
            Assert.Equal(settings.Count == 0 ? "" : settings.ToJsonString(), without.Length == 0 ? "" : JsonNode.Parse(without)!.ToJsonString());
        });
    }

    [Theory]
    [InlineData("{\n  \"live-restore\": true,\n}", "it is not JSON: line 3: ")]
    [InlineData("[]", "it is not a JSON object")]
    [InlineData("""{"default-runtime": "kata"}""", "\"default-runtime\" is \"kata\" already")]
    [InlineData("""{"default-runtime": 7}""", "\"default-runtime\" is 7 already")]
    [InlineData("""{"runtimes": []}""", "\"runtimes\" is not an object")]
    public void WithWrapper_WhatWeDoNotUnderstand_IsRefusedInWords(string text, string words)
    {
        var refused = Assert.Throws<InvalidDataException>(() => DockerSettings.WithWrapper(text, Wrapper));
        Assert.StartsWith(words, refused.Message, StringComparison.Ordinal);
    }
}
