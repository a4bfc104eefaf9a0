namespace FlannelFlow.Host.Encryption;

/// <summary>UDP ports at which clear VXLAN is to be expected: policies for encrypted networks would cut it off.</summary>
internal static class VxlanPorts
{
    private const int Linux = 8472, Iana = 4789;

    /// <returns>In words; null: no such port.</returns>
    public static string? OwnerOf(int port) => port switch
    {
        Linux => "unencrypted networks",
        Iana => "Docker's overlay networks",
        _ => null,
    };
}
