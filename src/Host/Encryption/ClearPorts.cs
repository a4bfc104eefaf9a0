using FlannelFlow.Activities.Networks;

namespace FlannelFlow.Host.Encryption;

/// <summary>UDP ports at which hosts send each other clear packets: policies for encrypted networks would cut them off.</summary>
internal static class ClearPorts
{
    private const int Iana = 4789, Gossip = 7946;

    /// <returns>In words; null: no such port.</returns>
    public static string? OwnerOf(int port) => port switch
    {
        ForwardingRules.VxlanPort => "unencrypted networks",
        Iana => "Docker's overlay networks",
        Gossip => "Docker's gossip between nodes",
        _ => null,
    };
}
