using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Host.Plugin;

/// <summary>Who is calling, as far as Docker lets it be known.</summary>
public enum Caller
{
    /// <summary>The Swarm leader's allocator: pools, gateways, VIPs and provisional task addresses for the whole cluster.</summary>
    Leader,

    /// <summary>libnetwork on this node: the real address of an endpoint.</summary>
    Node,
}

/// <summary>A PoolID: the address space, which tells the caller, and the pool's CIDR.</summary>
/// <remarks>IPAM calls carry no network, node or caller (libnetwork#1738); the PoolID is all that comes back.</remarks>
public readonly record struct PoolId(Caller Caller, IPv4Network Pool)
{
    public override string ToString() => $"{AddressSpaces.NameOf(Caller)}/{Pool}";

    /// <exception cref="BadCallException">The text is not one of our PoolIDs.</exception>
    public static PoolId Parse(string? text)
    {
        var slash = text?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        if (slash > 0 && AddressSpaces.TryCaller(text![..slash], out var caller) && IPv4Network.TryParse(text[(slash + 1)..], out var pool, out _))
            return new PoolId(caller, pool);
        throw new BadCallException($"PoolID \"{text}\" is none of FlannelFlow's ({AddressSpaces.Global}/CIDR or {AddressSpaces.Local}/CIDR)");
    }
}

public static class AddressSpaces
{
    public const string Global = "FlannelGlobal";
    public const string Local = "FlannelLocal";

    public static string NameOf(Caller caller) => caller switch
    {
        Caller.Leader => Global,
        Caller.Node => Local,
    };

    public static bool TryCaller(string? name, out Caller caller)
    {
        caller = name == Global ? Caller.Leader : Caller.Node;
        return name is Global or Local;
    }
}
