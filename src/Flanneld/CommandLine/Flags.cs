using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace FlannelFlow.Flanneld.CommandLine;

/// <summary>
/// The flags, named and meant as flannel-io's (main.go). What this agent does not do is refused with the reason, where it would
/// change the data plane, and accepted without effect, where it would not.
/// </summary>
internal static class Flags
{
    public static readonly IReadOnlyList<Flag> All =
    [
        new("etcd-endpoints", FlagKind.Value, "comma-separated etcd endpoints (http://127.0.0.1:4001,http://127.0.0.1:2379)",
            (o, v) => o with { EtcdEndpoints = Endpoints(v) }),
        new("etcd-prefix", FlagKind.Value, "etcd prefix of the network (/coreos.com/network)", (o, v) => o with { EtcdPrefix = Prefix(v) }),
        new("etcd-keyfile", FlagKind.Value, "client key (PEM) for etcd", (o, v) => o with { EtcdKeyFile = ExistingFile(v) }),
        new("etcd-certfile", FlagKind.Value, "client certificate (PEM) for etcd", (o, v) => o with { EtcdCertificateFile = ExistingFile(v) }),
        new("etcd-cafile", FlagKind.Value, "certificate authority (PEM) that etcd is checked against", (o, v) => o with { EtcdAuthorityFile = ExistingFile(v) }),
        new("etcd-username", FlagKind.Value, "user name for etcd", (o, v) => o with { EtcdUsername = NonEmpty(v) }),
        new("etcd-password", FlagKind.Value, "password for etcd", (o, v) => o with { EtcdPassword = v }),
        new("iface", FlagKind.Value, "interface to send through, by name or IPv4 address; repeatable, the first present one is taken (the default route's)",
            (o, v) => o with { Interfaces = [.. o.Interfaces, NonEmpty(v)] }),
        new("iface-regex", FlagKind.Value, "regular expression for the interface's address or name; repeatable, tried after -iface",
            (o, v) => o with { InterfaceRegexes = [.. o.InterfaceRegexes, Pattern(v)] }),
        new("iface-can-reach", FlagKind.Value, "take the interface that the kernel sends to this IPv4 address through", (o, v) => o with { InterfaceCanReach = Address(v) }),
        new("public-ip", FlagKind.Value, "address at which other hosts reach this one (the interface's)", (o, v) => o with { PublicIp = Address(v) }),
        new("public-ipv6", FlagKind.Value, "refused: this agent leases IPv4 only", (_, _) => throw new FormatException("this agent leases IPv4 only")),
        new("subnet-file", FlagKind.Value, "where the lease is written for others (/run/flannel/subnet.env)", (o, v) => o with { SubnetFile = Path.GetFullPath(NonEmpty(v)) }),
        new("subnet-lease-renew-margin", FlagKind.Value, "minutes before its end that a lease is renewed, 1 to 1439 (60)",
            (o, v) => o with { RenewMargin = TimeSpan.FromMinutes(Number(v, 1, 1439)) }),
        new("resync-seconds", FlagKind.Value, "seconds from one full comparison with the kernel to the next, 1 to 3600 (30)",
            (o, v) => o with { Resync = TimeSpan.FromSeconds(Number(v, 1, 3600)) }),
        new("ip-masq", FlagKind.Switch, "only false: firewall rules belong to the FlannelFlow daemon",
            (o, v) => OnlyFalse(o, v, "masquerading is the FlannelFlow daemon's: this agent sets no firewall rules, as several flannelds would flush each other's")),
        new("ip-masq-fully-random-disable", FlagKind.Switch, "without effect: there is no masquerading here", (o, v) => Ignored(o, Truth(v))),
        new("iptables-forward-rules", FlagKind.Switch, "only false: firewall rules belong to the FlannelFlow daemon",
            (o, v) => OnlyFalse(o, v, "forwarding rules are the FlannelFlow daemon's: this agent sets no firewall rules, as several flannelds would flush each other's")),
        new("iptables-resync", FlagKind.Value, "without effect: there are no rules to repair here", (o, v) => Ignored(o, Number(v, 0, int.MaxValue))),
        new("ip-blackhole-route", FlagKind.Switch, "only false: the host subnet's routes belong to the FlannelFlow daemon",
            (o, v) => OnlyFalse(o, v, "the routes of the host's own subnet are the FlannelFlow daemon's")),
        new("kube-subnet-mgr", FlagKind.Switch, "only false: leases are kept in etcd", (o, v) => OnlyFalse(o, v, "this agent keeps leases in etcd, not in Kubernetes")),
        new("healthz-ip", FlagKind.Value, "address of the health listener (0.0.0.0)", (o, v) => o with { HealthzIp = Address(v) }),
        new("healthz-port", FlagKind.Value, "port of the health listener, /healthz and /readyz; 0 is off (0)", (o, v) => o with { HealthzPort = Number(v, 0, 65535) }),
        new("v", FlagKind.Value, "log level; from 1 on each change to the kernel is logged (0)", (o, v) => o with { Verbosity = Number(v, 0, 100) }),
        new("version", FlagKind.Switch, "print the version and exit", (o, v) => o with { Version = Truth(v) }),
        new("help", FlagKind.Switch, "print this and exit", (o, v) => o with { Help = Truth(v) }),
    ];

    private static List<Uri> Endpoints(string text)
    {
        var endpoints = new List<Uri>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!Uri.TryCreate(part, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0)
                throw new FormatException($"'{part}' is not an http:// or https:// address");
            endpoints.Add(uri);
        }
        return endpoints.Count > 0 ? endpoints : throw new FormatException("names no endpoint");
    }

    private static string Prefix(string text) => text.StartsWith('/') && text.Trim('/').Length > 0
        ? text.TrimEnd('/')
        : throw new FormatException("must begin with / and name something");

    private static string ExistingFile(string text) => File.Exists(text) ? text : throw new FormatException("there is no such file");

    private static string NonEmpty(string text) => text.Length > 0 ? text : throw new FormatException("is empty");

    private static string Pattern(string text)
    {
        try
        {
            _ = new Regex(text, RegexOptions.CultureInvariant);
            return text;
        }
        catch (ArgumentException e)
        {
            throw new FormatException(e.Message);
        }
    }

    private static IPAddress Address(string text) =>
        text.Count(c => c == '.') == 3 && IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork
            ? address
            : throw new FormatException("is not an IPv4 address");

    private static int Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new FormatException(most == int.MaxValue ? $"is not a number from {least} on" : $"is not a number from {least} to {most}");

    /// <summary>The words of Go's strconv.ParseBool.</summary>
    private static bool Truth(string text) => text switch
    {
        "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        _ => throw new FormatException("is neither true nor false"),
    };

    private static FlanneldOptions OnlyFalse(FlanneldOptions options, string text, string why) => Truth(text) ? throw new FormatException(why) : options;

    private static FlanneldOptions Ignored<T>(FlanneldOptions options, T _) => options;
}
