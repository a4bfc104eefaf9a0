using System.Net;

namespace FlannelFlow.Flanneld.CommandLine;

/// <summary>What the user asked for, checked: flags, and FLANNELD_* variables for the flags that were not given.</summary>
internal sealed record FlanneldOptions
{
    public IReadOnlyList<Uri> EtcdEndpoints { get; init; } = [new("http://127.0.0.1:4001"), new("http://127.0.0.1:2379")];
    /// <summary>No trailing slash; flannel's keys are PREFIX/config and PREFIX/subnets/….</summary>
    public string EtcdPrefix { get; init; } = "/coreos.com/network";
    public string? EtcdKeyFile { get; init; }
    public string? EtcdCertificateFile { get; init; }
    public string? EtcdAuthorityFile { get; init; }
    public string? EtcdUsername { get; init; }
    public string? EtcdPassword { get; init; }

    /// <summary>Names or IPv4 addresses; the first that is present is taken.</summary>
    public IReadOnlyList<string> Interfaces { get; init; } = [];
    /// <summary>Tried after <see cref="Interfaces"/>, against each interface's address, then its name.</summary>
    public IReadOnlyList<string> InterfaceRegexes { get; init; } = [];
    public IPAddress? InterfaceCanReach { get; init; }
    /// <summary>The address that the others send to; null: the interface's own.</summary>
    public IPAddress? PublicIp { get; init; }

    public string SubnetFile { get; init; } = "/run/flannel/subnet.env";
    /// <summary>How long before its end a lease is renewed; 1 minute to 23 h 59 min.</summary>
    public TimeSpan RenewMargin { get; init; } = TimeSpan.FromMinutes(60);
    /// <summary>From one full comparison with the kernel to the next.</summary>
    public TimeSpan Resync { get; init; } = TimeSpan.FromSeconds(30);

    public IPAddress HealthzIp { get; init; } = IPAddress.Any;
    /// <summary>0: no listener.</summary>
    public int HealthzPort { get; init; }

    /// <summary>0: events; 1 and more: also each change to the kernel.</summary>
    public int Verbosity { get; init; }
    public bool Version { get; init; }
    public bool Help { get; init; }
}
