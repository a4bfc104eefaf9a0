using System.Globalization;
using FlannelFlow.Workflows;

namespace FlannelFlow.Operations.Workflows;

/// <summary>Which workflows a person wants to see, as it stands in a URL.</summary>
/// <param name="Limit">1 to <see cref="MaximumLimit"/>.</param>
/// <param name="Before">Row of the last one of the page before.</param>
/// <param name="Text">Found anywhere in its id, definition, key, input or error.</param>
public sealed record WorkflowQuery(
    string? Definition = null,
    InstanceStatus? Status = null,
    string? Key = null,
    string? Parent = null,
    bool Incident = false,
    DateTimeOffset? Since = null,
    DateTimeOffset? Until = null,
    string? Text = null,
    long? Before = null,
    int Limit = WorkflowQuery.UsualLimit)
{
    public const int UsualLimit = 100;
    public const int MaximumLimit = 500;

    /// <summary>The words of a URL's query.</summary>
    public static IReadOnlyList<string> Known { get; } = ["definition", "status", "key", "parent", "incident", "since", "until", "text", "before", "limit"];

    private delegate bool TryParse<T>(string text, out T value);

    /// <exception cref="BadRequestException">Names the filter that is wrong.</exception>
    public static WorkflowQuery Parse(IReadOnlyDictionary<string, string> given)
    {
        ArgumentNullException.ThrowIfNull(given);
        if (given.Keys.FirstOrDefault(key => !Known.Contains(key)) is { } unknown)
            throw new BadRequestException($"unknown filter \"{unknown}\" (known: {string.Join(", ", Known)})");
        return new WorkflowQuery(
            Word("definition"),
            Value<InstanceStatus>("status", (text, out value) => Enum.TryParse(text, ignoreCase: true, out value) && Enum.IsDefined(value) && !char.IsDigit(text[0])),
            Word("key"),
            Word("parent"),
            Value<bool>("incident", bool.TryParse) ?? false,
            Value<DateTimeOffset>("since", Time),
            Value<DateTimeOffset>("until", Time),
            Word("text"),
            Value<long>("before", (text, out value) => long.TryParse(text, CultureInfo.InvariantCulture, out value)),
            Value<int>("limit", (text, out value) => int.TryParse(text, CultureInfo.InvariantCulture, out value) && value is >= 1 and <= MaximumLimit) ?? UsualLimit);

        string? Word(string name) => given.GetValueOrDefault(name);

        static bool Time(string text, out DateTimeOffset value) =>
            DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out value);

        T? Value<T>(string name, TryParse<T> parse)
            where T : struct =>
            Word(name) is not { } text ? null
            : text.Length > 0 && parse(text, out var value) ? value
            : throw new BadRequestException($"{name}: \"{text}\" is no {typeof(T).Name}{(typeof(T).IsEnum ? $" ({string.Join(", ", Enum.GetNames(typeof(T)))})" : "")}");
    }

    internal InstanceFilter ToFilter(int limit) => new(Definition, Status, Before ?? long.MaxValue, limit)
    {
        Key = Key,
        Parent = Parent is null ? null : new InstanceId(Parent),
        WithOpenIncident = Incident,
        Since = Since ?? DateTimeOffset.MinValue,
        Until = Until ?? DateTimeOffset.MaxValue,
        Text = Text,
    };
}
