using System.Collections.Concurrent;
using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Networks;

/// <summary>
/// The networks that this host carries: a directory each, <c>STATE/networks/POOL/</c>, with <c>flannel.env</c> (what the daemon runs
/// flanneld with) and <c>subnet.env</c> (what flanneld answered).
/// </summary>
/// <remarks>
/// The files are the truth of this host; the dictionary is a copy of them, filled at start. A flannel.env is written whole and renamed into
/// place, so it is there or it is not. Changes of one network are serial by its lane (<c>net/ID</c>); reads come from any thread.
/// With these files alone the daemon finds its flannelds again when neither etcd nor Docker answers.
/// </remarks>
public sealed class HostNetworks
{
    private const string EnvironmentFile = "flannel.env";
    private const string SubnetFile = "subnet.env";
    private readonly string _root;
    private readonly ConcurrentDictionary<string, HostNetwork> _networks = new(StringComparer.Ordinal);

    /// <param name="stateDirectory">The daemon's; <c>networks</c> below it is ours.</param>
    /// <exception cref="InvalidDataException">A flannel.env is not one; its path is in the message.</exception>
    public HostNetworks(string stateDirectory)
    {
        _root = Path.Combine(stateDirectory, "networks");
        Directory.CreateDirectory(_root);
        foreach (var directory in Directory.EnumerateDirectories(_root))
        {
            var file = Path.Combine(directory, EnvironmentFile);
            if (File.Exists(file))
            {
                var network = Read(file);
                _networks[network.NetworkId] = network;
            }
        }
    }

    public IReadOnlyCollection<HostNetwork> All => [.. _networks.Values];

    public HostNetwork? Find(string networkId) => _networks.GetValueOrDefault(networkId);

    /// <summary>Whether this host carries no network but (perhaps) the one with this VNI.</summary>
    public bool IsOnly(int vni) => _networks.Values.All(network => network.Vni == vni);

    public HostNetwork? FindByPool(IPv4Network pool) => _networks.Values.FirstOrDefault(network => network.Pool == pool);

    /// <exception cref="RefusalException">This host does not carry the network.</exception>
    public HostNetwork Require(string networkId) =>
        Find(networkId) ?? throw new RefusalException($"network {networkId} is not on this host: Docker has not created it here, or has deleted it");

    /// <exception cref="RefusalException">The network's flanneld holds no subnet.</exception>
    public Fabric RequireFabric(HostNetwork network) =>
        FabricOf(network) ?? throw new RefusalException(
            $"network {network.NetworkId} ({network.Pool}) has no subnet on this host: {SubnetFileOf(network.Pool)} is not there or not readable");

    public string DirectoryOf(IPv4Network pool) => Path.Combine(_root, pool.PathForm);

    public string SubnetFileOf(IPv4Network pool) => Path.Combine(DirectoryOf(pool), SubnetFile);

    /// <summary>The fabric of a network, once its flanneld holds a subnet; null before.</summary>
    public Fabric? FabricOf(HostNetwork network)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(SubnetFileOf(network.Pool));
        }
        catch (IOException)
        {
            return null;
        }

        var values = Parse(lines);
        if (!values.TryGetValue("FLANNEL_SUBNET", out var subnet)
            || !values.TryGetValue("FLANNEL_MTU", out var mtuText)
            || !int.TryParse(mtuText, NumberStyles.None, CultureInfo.InvariantCulture, out var mtu)
            || subnet.Split('/') is not [var address, var length]
            || !IPv4Address.TryParse(address, out var bridge)
            || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bits))
            return null;
        return new Fabric(IPv4Network.Containing(bridge, bits), bridge, network.MtuWithin(mtu));
    }

    /// <summary>After it, this host carries the network, also after a crash.</summary>
    public void Write(HostNetwork network, IReadOnlyDictionary<string, string> flanneldEnvironment)
    {
        var directory = DirectoryOf(network.Pool);
        Directory.CreateDirectory(directory);
        var lines = new List<string>
        {
            $"FLANNELFLOW_NETWORK_ID={network.NetworkId}",
            $"FLANNELFLOW_POOL={network.Pool}",
            string.Create(CultureInfo.InvariantCulture, $"FLANNELFLOW_VNI={network.Vni}"),
            string.Create(CultureInfo.InvariantCulture, $"FLANNELFLOW_MTU={network.Mtu}"),
        };
        if (network.IsEncrypted)
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"FLANNELFLOW_ENCRYPTED_PORT={network.EncryptedPort}"));
        if (network.IdleSince is { } since)
            lines.Add($"FLANNELFLOW_IDLE_SINCE={since:O}");
        lines.AddRange(flanneldEnvironment.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"));

        var file = Path.Combine(directory, EnvironmentFile);
        var fresh = file + ".new";
        using (var stream = new FileStream(fresh, FileMode.Create, FileAccess.Write))
        {
            using var writer = new StreamWriter(stream);
            foreach (var line in lines)
                writer.WriteLine(line);
            writer.Flush();
            stream.Flush(flushToDisk: true);
        }

        File.Move(fresh, file, overwrite: true);
        _networks[network.NetworkId] = network;
    }

    /// <summary>The FLANNELD_ variables that the network's flanneld runs with.</summary>
    public IReadOnlyDictionary<string, string> FlanneldEnvironment(HostNetwork network) =>
        Parse(File.ReadAllLines(Path.Combine(DirectoryOf(network.Pool), EnvironmentFile)))
            .Where(pair => pair.Key.StartsWith("FLANNELD_", StringComparison.Ordinal))
            .ToDictionary(StringComparer.Ordinal);

    /// <summary>Marks a network as deleted by Docker, or (null) as in use again.</summary>
    public void SetIdle(HostNetwork network, DateTimeOffset? since) =>
        Write(network with { IdleSince = since }, FlanneldEnvironment(network));

    /// <summary>After it, this host carries the network no longer. Success also when it never did.</summary>
    public void Delete(string networkId, IPv4Network pool)
    {
        var directory = DirectoryOf(pool);
        if (Directory.Exists(directory))
        {
            // flannel.env first: from then on the network is not ours, whatever happens to the rest.
            File.Delete(Path.Combine(directory, EnvironmentFile));
            Directory.Delete(directory, recursive: true);
        }

        _networks.TryRemove(networkId, out _);
    }

    private static HostNetwork Read(string file)
    {
        var values = Parse(File.ReadAllLines(file));
        if (values.TryGetValue("FLANNELFLOW_NETWORK_ID", out var id)
            && values.TryGetValue("FLANNELFLOW_POOL", out var poolText) && IPv4Network.TryParse(poolText, out var pool, out _)
            && values.TryGetValue("FLANNELFLOW_VNI", out var vniText)
            && int.TryParse(vniText, NumberStyles.None, CultureInfo.InvariantCulture, out var vni)
            && values.TryGetValue("FLANNELFLOW_MTU", out var mtuText)
            && int.TryParse(mtuText, NumberStyles.None, CultureInfo.InvariantCulture, out var mtu))
        {
            DateTimeOffset? idle = values.TryGetValue("FLANNELFLOW_IDLE_SINCE", out var since)
                && DateTimeOffset.TryParse(since, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var at) ? at : null;
            var encrypted = values.TryGetValue("FLANNELFLOW_ENCRYPTED_PORT", out var portText);
            if (!encrypted) return new HostNetwork(id, pool, vni, mtu, idle);
            // A network that is to be encrypted must not come up in clear because a line cannot be read.
            if (int.TryParse(portText, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536)
                return new HostNetwork(id, pool, vni, mtu, idle) { EncryptedPort = port };
            throw new InvalidDataException($"{file}: FLANNELFLOW_ENCRYPTED_PORT={portText} is not a port");
        }

        throw new InvalidDataException($"{file} does not say which network it is of: FLANNELFLOW_NETWORK_ID, _POOL, _VNI and _MTU are expected");
    }

    private static Dictionary<string, string> Parse(IEnumerable<string> lines) => lines
        .Select(line => line.Split('=', 2))
        .Where(parts => parts.Length == 2)
        .GroupBy(parts => parts[0], StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => group.Last()[1], StringComparer.Ordinal);
}
