using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Tests;

/// <summary>
/// Inputs made at random from a number, so that the number makes the same one again. FLANNELFLOW_FUZZ_MINUTES: how long each fuzzer runs, from another number each
/// time (tests/campaigns/fuzz); without it, some inputs from number 0 on. FLANNELFLOW_FUZZ_SEED: that one alone. What was once found is in a suite's Corpus.
/// </summary>
internal static class Fuzz
{
    /// <param name="count">In the short form.</param>
    /// <param name="test">Throws what is a finding.</param>
    public static async Task RunAsync<T>(int count, Func<Random, T> make, Func<T, string> print, Func<T, Task> test)
    {
        if (Number("FLANNELFLOW_FUZZ_SEED") is { } only)
        {
            await TryAsync(only, make, print, test);
            return;
        }

        if (Number("FLANNELFLOW_FUZZ_MINUTES") is not { } minutes)
        {
            for (var seed = 0; seed < count; seed++) await TryAsync(seed, make, print, test);
            return;
        }

        var first = Random.Shared.Next(int.MaxValue / 2);
        var tried = 0;
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(minutes); tried++)
            await TryAsync(first + tried, make, print, test);
        TestContext.Current.SendDiagnosticMessage($"{TestContext.Current.Test?.TestDisplayName}: {tried} inputs from {first} on");
    }

    private static async Task TryAsync<T>(int seed, Func<Random, T> make, Func<T, string> print, Func<T, Task> test)
    {
#pragma warning disable CA5394 // no secret is made of it
        var input = make(new Random(seed));
#pragma warning restore CA5394
        try
        {
            await test(input);
        }
        catch (Exception e)
        {
            Assert.Fail($"FLANNELFLOW_FUZZ_SEED={seed}\n{print(input)}\n{e}");
        }
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
}

#pragma warning disable CA5394 // no secret is made of it

/// <summary>What is nearly right is refused at deeper places than noise.</summary>
internal static class Mutate
{
    private static readonly string[] Words =
    [
        "", " ", "\0", "\n", "a\nb=c", "/", "..", "../../etc/x", "0", "-1", "1", "2147483648", "1e9", "10.128.0.0/20", "10.128.0.0-20", "10.128.2.0/25", "10.128.0.1", "10.128.2.7",
        "0.0.0.0/0", "255.255.255.255/32", "10.128.0.0/33", "::1", "FlannelGlobal/10.128.0.0/20", "FlannelLocal/10.128.0.0/20", "FlannelLocal/", "true", "null", "PT1S", "00:00:01", "{Net}", "{", "}",
        "\ud800", "\u202e", "ä", "é", "😀", "String", "Elsa.Sequence", "Elsa.ForEach", "FlannelFlow.Respond", "Variable", "Input", "Literal", new string('x', 300),
    ];

    /// <summary>Some changes of a document: values of another type, gone, twice, elsewhere; or of its text, always where it is no JSON.</summary>
    public static string Json(Random random, string text)
    {
        if (random.Next(8) == 0 || Parse(text) is not { } root) return Text(random, text);
        for (var changes = 1 + random.Next(4); changes > 0; changes--)
        {
            var nodes = All(root).ToList();
            var node = nodes[random.Next(nodes.Count)];
            var other = nodes[random.Next(nodes.Count)].DeepClone();
            switch (node.Parent)
            {
                case null when random.Next(30) == 0:
                    return Value(random)?.ToJsonString() ?? "null";
                case JsonObject parent:
                    var name = node.GetPropertyName();
                    switch (random.Next(5))
                    {
                        case 0:
                            parent.Remove(name);
                            break;
                        case 1:
                            parent[Word(random)] = other;
                            break;
                        case 2:
                            parent[name] = other;
                            break;
                        default:
                            parent[name] = Value(random);
                            break;
                    }

                    break;
                case JsonArray parent:
                    var index = node.GetElementIndex();
                    switch (random.Next(4))
                    {
                        case 0:
                            parent.RemoveAt(index);
                            break;
                        case 1:
                            parent.Insert(index, other);
                            break;
                        default:
                            parent[index] = Value(random);
                            break;
                    }

                    break;
                default:
                    break;
            }
        }

        return root.ToJsonString();
    }

    /// <summary>Some changes of characters: gone, others, twice, cut off.</summary>
    public static string Text(Random random, string text)
    {
        for (var changes = 1 + random.Next(3); changes > 0; changes--)
        {
            var at = random.Next(text.Length + 1);
            var end = Math.Min(text.Length, at + random.Next(1, 12));
            text = random.Next(5) switch
            {
                0 => text[..at],
                1 => text[..at] + text[end..],
                2 => text[..at] + Word(random) + text[at..],
                3 => text[..at] + (char)random.Next(0x20, 0x7f) + text[end..],
                _ => text[..end] + text[at..],
            };
        }

        // As it comes from a file, a socket or etcd: half a surrogate pair is none in UTF-8.
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Some changes of bytes: others, gone, cut off, noise behind.</summary>
    public static byte[] Bytes(Random random, byte[] bytes)
    {
        bytes = [.. bytes];
        for (var changes = random.Next(5); changes > 0 && bytes.Length > 0; changes--)
            bytes[random.Next(bytes.Length)] = random.Next(3) switch { 0 => 0, 1 => 0xff, _ => (byte)random.Next(256) };
        var noise = new byte[random.Next(40)];
        random.NextBytes(noise);
        return random.Next(6) switch
        {
            0 => bytes[..random.Next(bytes.Length + 1)],
            1 => [.. bytes, .. noise],
            2 => noise,
            _ => bytes,
        };
    }

    public static string Word(Random random) => Words[random.Next(Words.Length)];

    /// <summary>Null: it is no JSON, has a name twice, or half of a surrogate pair.</summary>
    private static JsonNode? Parse(string text)
    {
        try
        {
            var node = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
            _ = node?.ToJsonString();
            return node;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonNode? Value(Random random) => random.Next(9) switch
    {
        0 => null,
        1 => random.Next(-2, 70_000),
        2 => random.NextDouble() * 1e20,
        3 => random.Next(2) == 0,
        4 => new JsonArray(),
        5 => new JsonArray(Word(random), null, 1),
        6 => new JsonObject { [Word(random)] = Word(random), ["a"] = null },
        _ => Word(random),
    };

    private static IEnumerable<JsonNode> All(JsonNode node)
    {
        yield return node;
        var children = node switch
        {
            JsonObject of => of.Select(property => property.Value),
            JsonArray of => of,
            _ => [],
        };
        foreach (var below in children.OfType<JsonNode>().SelectMany(All)) yield return below;
    }
}
