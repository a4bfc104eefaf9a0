using System.Globalization;

namespace FlannelFlow.Durability.Tests;

/// <summary>Of a campaign's command line: --name value.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _given = new(StringComparer.Ordinal);

    /// <summary>Throws ArgumentException for what is no known option, or has no value.</summary>
    public Arguments(IReadOnlyList<string> arguments, params string[] known)
    {
        for (int i = 0; i < arguments.Count; i += 2)
        {
            if (!known.Contains(arguments[i])) throw new ArgumentException($"unknown option {arguments[i]}; there are {string.Join(", ", known)}");
            if (i + 1 == arguments.Count) throw new ArgumentException($"{arguments[i]} needs a value");
            _given[arguments[i]] = arguments[i + 1];
        }
    }

    public string? Text(string name) => _given.GetValueOrDefault(name);

    public int Number(string name, int otherwise)
    {
        if (Text(name) is not { } text) return otherwise;
        return int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number : throw new ArgumentException($"{name} {text} is no number");
    }
}
