using System.Collections.Immutable;
using System.Net;
using FlannelFlow.Dns.Names;

namespace FlannelFlow.Dns.Tests.Names;

/// <summary>One row: who asks for what, and what is found. Addresses as symbols, so that a table fits any addresses.</summary>
public sealed record NameCase(string From, string Name, string First, string All)
{
    public string Expected(MatchMode mode) => mode == MatchMode.AllNetworks && All != "=" ? All : First;
}

/// <summary>Reads names.md: a world, who is where in it, and the cases.</summary>
public sealed class NameTable
{
    private readonly List<string> _networks = [];
    private readonly List<NamedService> _services = [];
    private readonly List<NamedContainer> _containers = [];
    private readonly Dictionary<string, IPAddress> _symbols = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ImmutableArray<string>> _sandboxes = new(StringComparer.Ordinal);

    public static NameTable Read()
    {
        var table = new NameTable();
        var lines = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Names", "names.md"));
        foreach (var line in lines.TakeWhile(line => line != "## Docker's resolver")) table.Add(line);
        return table;
    }

    public List<NameCase> Cases { get; } = [];

    public NameSnapshot Snapshot => new([.. _networks.Select(name => new NamedNetwork(IdOf(name), name))], [.. _services], [.. _containers]);

    public ImmutableArray<string> NetworksOf(string sandbox) => _sandboxes[sandbox];

    /// <summary>"web.1@blue" to its address.</summary>
    public IPAddress Address(string symbol) => _symbols[symbol];

    /// <summary>The cell's addresses, sorted, as text; the cell itself where it names none.</summary>
    public string Addresses(string cell) => cell is "?" or "-" ? cell : Text(cell.Split(" + ").Select(Address));

    public static string Text(IEnumerable<IPAddress> addresses) => string.Join(' ', addresses.Select(address => address.ToString()).Order(StringComparer.Ordinal));

    private void Add(string line)
    {
        if (line.StartsWith("- ", StringComparison.Ordinal))
        {
            var words = line[2..].Split(' ', 2);
            Action<string> add = words[0] switch
            {
                "network" => _networks.Add,
                "service" => AddService,
                "container" => AddContainer,
                "sandbox" => AddSandbox,
                _ => throw new InvalidDataException(line),
            };
            add(words[1]);
        }
        else if (line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| from", StringComparison.Ordinal) && !line.StartsWith("| ---", StringComparison.Ordinal))
        {
            var cells = line.Split('|', StringSplitOptions.TrimEntries);
            Cases.Add(new NameCase(cells[1], cells[2], cells[3], cells[4]));
        }
    }

    /// <summary>NAME in NET, NET [dnsrr][; alias A in NET]; tasks T, *T</summary>
    private void AddService(string text)
    {
        var clauses = text.Split(';', StringSplitOptions.TrimEntries);
        var (name, rest) = Split(clauses[0], " in ");
        var isVip = !rest.EndsWith(" dnsrr", StringComparison.Ordinal);
        var networks = Listed(isVip ? rest : rest[..^" dnsrr".Length]);
        var aliases = clauses[1..^1].Select(clause => Split(clause["alias ".Length..], " in ")).ToLookup(pair => pair.Right, pair => pair.Left);
        _services.Add(new NamedService("service-" + name, name, [.. networks.Select(network => new ServiceNames(
            IdOf(network), isVip ? NewAddress($"vip:{name}@{network}", network) : null, [.. aliases[network]]))]));
        foreach (var task in Listed(clauses[^1]["tasks".Length..])) AddMember(task, "service-" + name, networks, []);
    }

    /// <summary>[*]NAME in NET, NET[; called A, B]</summary>
    private void AddContainer(string text)
    {
        var clauses = text.Split(';', StringSplitOptions.TrimEntries);
        var (name, networks) = Split(clauses[0], " in ");
        AddMember(name, null, Listed(networks), clauses.Length > 1 ? Listed(clauses[1]["called ".Length..]) : []);
    }

    private void AddMember(string text, string? service, string[] networks, string[] called)
    {
        var name = text.TrimStart('*');
        _containers.Add(new NamedContainer($"{name}-{_containers.Count}", name, service, !text.StartsWith('*'), [.. networks.Select(network =>
            new ContainerNames(IdOf(network), NewAddress($"{name}@{network}", network), [.. called]))]));
    }

    private void AddSandbox(string text)
    {
        var (name, networks) = Split(text, ":");
        _sandboxes[name] = [.. Listed(networks).Select(IdOf)];
    }

    private IPAddress NewAddress(string symbol, string network)
    {
        var address = new IPAddress([10, 7, (byte)_networks.IndexOf(network), (byte)(_symbols.Count + 1)]);
        _symbols.Add(symbol, address);
        return address;
    }

    private static string IdOf(string network) => "id-of-" + network;

    private static string[] Listed(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static (string Left, string Right) Split(string text, string at) =>
        text.Split(at, 2, StringSplitOptions.TrimEntries) is [var left, var right] ? (left, right) : throw new InvalidDataException(text);
}
