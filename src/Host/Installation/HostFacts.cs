namespace FlannelFlow.Host.Installation;

/// <summary>What the installer found on the host: all that its plans depend on.</summary>
public sealed record HostFacts
{
    /// <summary>The folder of the program that runs: an unpacked tarball, or an installed version.</summary>
    public required string Program { get; init; }

    /// <summary>Its VERSION file.</summary>
    public required string Version { get; init; }

    /// <summary>The folder of this version under /usr/lib holds the same program.</summary>
    public required bool IsCopied { get; init; }

    /// <summary>That which /usr/lib/flannelflow/current leads to; null: none is installed.</summary>
    public string? CurrentVersion { get; init; }

    /// <summary>dpkg has the package: /usr/bin/flannelflow and the folder <see cref="InstallPlan.Package"/> are its own.</summary>
    public bool IsPackage { get; init; }

    /// <summary>/usr/bin/flannelflow leads to this version, or to the current one, whichever that is; the package's always does.</summary>
    public bool IsLinked { get; init; }

    /// <summary>Contents; null: no such file.</summary>
    public string? Environment { get; init; }
    public string? Unit { get; init; }
    public string? Modules { get; init; }
    public string? DaemonJson { get; init; }
    public bool HasDaemonJsonBackup { get; init; }

    public bool IsServiceActive { get; init; }

    /// <summary>It runs the program of <see cref="Version"/>, and was started after its options and its unit were written.</summary>
    public bool IsServiceCurrent { get; init; }
    public bool IsServiceEnabled { get; init; }

    public PluginState Plugin { get; init; }

    /// <summary>The plugin that was installed last; null: none, or by hand.</summary>
    public string? InstalledPlugin { get; init; }

    /// <summary>A digest of the plugin in <see cref="Program"/>.</summary>
    public required string ProgramsPlugin { get; init; }

    /// <summary>Docker networks of our driver, by name.</summary>
    public IReadOnlyList<string> Networks { get; init; } = [];

    /// <summary>Plain containers of whatever network that Docker would start with our runtime wrapper, by name.</summary>
    public IReadOnlyList<string> WrappedContainers { get; init; } = [];

    /// <summary>Services whose tasks run here, and were started with our runtime wrapper, by name.</summary>
    public IReadOnlyList<string> WrappedServices { get; init; } = [];
}

public enum PluginState
{
    Missing,
    Disabled,
    Enabled,
}
