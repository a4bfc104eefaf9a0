using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FlannelFlow.Dashboard.Shared;

/// <summary>How things are said on the pages.</summary>
internal static class Words
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static string Camel<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    /// <summary>"heldOpen" → "held open".</summary>
    public static string Plain(string camel) =>
        string.Concat(camel.Select(letter => char.IsUpper(letter) ? " " + char.ToLowerInvariant(letter) : letter.ToString()));

    public static string Plain<T>(T value)
        where T : struct, Enum => Plain(Camel(value));

    public static string Short(string id) => id.Length > 6 ? id[^6..] : id;

    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + "Z";

    public static string Span(TimeSpan span) => span switch
    {
        { Ticks: < 0 } => "0 s",
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms"),
        { TotalSeconds: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalMinutes} min {span.Seconds} s"),
        { TotalDays: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours} h {span.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalDays} d {span.Hours} h"),
    };

    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Json(JsonNode? node) => node?.ToJsonString(Indented) ?? "";

    /// <summary>Good, busy, bad or quiet: for the colour; the word itself is always shown, too.</summary>
    public static string Tone(string status) => status switch
    {
        "finished" or "completed" or "up" or "serving" or "linked" => "good",
        "suspended" or "faulted" or "compensationFaulted" or "gone" or "daemonSilent" or "hostGone" or "unhealthy" or "open" => "bad",
        "running" or "waiting" or "retryScheduled" or "entered" or "starting" => "busy",
        "draining" or "heldOpen" or "compensating" or "compensationScheduled" or "skipped" or "compensationSkipped" => "warn",
        _ => "quiet",
    };
}
