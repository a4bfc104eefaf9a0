using System.Globalization;

namespace FlannelFlow.Host;

/// <summary>An option by its name, and its row in the reference.</summary>
/// <param name="Name">Empty: the row is of a label alone.</param>
/// <param name="Effect">Markdown; {range} stands for what is allowed. Empty: it shares the row of the option before it.</param>
internal record DaemonOption(string Name, string Effect)
{
    /// <summary>Markdown, where the default is no constant; else null.</summary>
    public string? DefaultText { get; init; }

    /// <summary>Of a service, by which it can differ from the option; null: there is none.</summary>
    public string? Label { get; init; }

    /// <summary>As a user would write it; empty: nothing.</summary>
    public virtual string DefaultValue => "";

    public virtual string Range => "";
}

internal sealed record TextOption(string Name, string Default, string Effect) : DaemonOption(Name, Effect)
{
    public override string DefaultValue => Default;
}

internal sealed record NumberOption(string Name, int Default, int From, int To, string Effect) : DaemonOption(Name, Effect)
{
    public override string DefaultValue => Default.ToString(CultureInfo.InvariantCulture);

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"{From} to {To}");
}

/// <summary>Decimals are allowed.</summary>
internal sealed record SecondsOption(string Name, double Default, double From, double To, string Effect) : DaemonOption(Name, Effect)
{
    public override string DefaultValue => Default.ToString(CultureInfo.InvariantCulture);

    public override string Range => string.Create(CultureInfo.InvariantCulture, $"{From} to {To}");
}

/// <summary>One of some words, in whichever case.</summary>
internal sealed record ChoiceOption(string Name, string Default, IReadOnlyList<string> Values, string Effect) : DaemonOption(Name, Effect)
{
    public override string DefaultValue => Default;
}

/// <param name="Options">Empty: the section has no table.</param>
internal sealed record OptionSection(string Title, IReadOnlyList<DaemonOption> Options)
{
    /// <summary>Markdown before and after the table.</summary>
    public string Before { get; init; } = "";

    public string After { get; init; } = "";
}
