namespace FlannelFlow.Flanneld.CommandLine;

/// <summary>One flag: its name without dashes, what it takes, and how its text changes the options.</summary>
/// <param name="Apply">Throws <see cref="FormatException"/>, whose message is what is wrong with the value.</param>
internal sealed record Flag(string Name, FlagKind Kind, string Help, Func<FlanneldOptions, string, FlanneldOptions> Apply)
{
    /// <summary>FLANNELD_ETCD_ENDPOINTS for etcd-endpoints, as flannel-io's flagutil makes it.</summary>
    public string Variable => "FLANNELD_" + Name.Replace('-', '_').ToUpperInvariant();
}

internal enum FlagKind
{
    /// <summary>Takes a value: <c>-flag=value</c> or <c>-flag value</c>.</summary>
    Value,
    /// <summary><c>-flag</c> or <c>-flag=true|false</c>; never takes the next argument (Go's flag package).</summary>
    Switch,
}
