using System.Net;

namespace FlannelFlow.Flanneld.Interfaces;

/// <summary>The interface that the encapsulated packets go through.</summary>
/// <param name="Address">Its IPv4 address: the vxlan device's local one.</param>
internal sealed record Underlay(string Name, int Index, int Mtu, IPAddress Address)
{
    public override string ToString() => $"{Name} ({Address})";
}
