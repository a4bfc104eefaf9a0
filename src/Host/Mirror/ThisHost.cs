using System.Net;
using System.Net.Sockets;
using System.Reflection;

namespace FlannelFlow.Host.Mirror;

/// <summary>What this host tells the others of itself.</summary>
internal static class ThisHost
{
    public static string Version { get; } = typeof(ThisHost).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>
    /// FLANNEL_INTERFACE where it is an address; else the one from which an etcd on another host is reached (nothing is sent for that); "" if neither can
    /// be told.
    /// </summary>
    public static string UnderlayAddress(FlannelFlowOptions options)
    {
        if (IPAddress.TryParse(options.Flannel.Interface, out var configured)) return configured.ToString();
        return options.Etcd.Endpoints.Select(endpoint => AddressTowards(new Uri(endpoint))).OfType<IPAddress>().FirstOrDefault()?.ToString() ?? "";
    }

    private static IPAddress? AddressTowards(Uri endpoint)
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(endpoint.Host, endpoint.Port);
            var address = ((IPEndPoint)socket.LocalEndPoint!).Address;
            return IPAddress.IsLoopback(address) ? null : address;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
