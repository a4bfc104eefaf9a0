using System.Net;
using System.Net.Sockets;
using System.Reflection;

namespace FlannelFlow.Host.Mirror;

/// <summary>What this host tells the others of itself.</summary>
internal static class ThisHost
{
    public static string Version { get; } = typeof(ThisHost).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>
    /// FLANNEL_INTERFACE where it is an address; else the one from which etcd is reached (nothing is sent for that); "" if neither can be told.
    /// </summary>
    public static string UnderlayAddress(FlannelFlowOptions options)
    {
        if (IPAddress.TryParse(options.Flannel.Interface, out var configured)) return configured.ToString();
        if (options.Etcd.Endpoints.Count == 0) return "";
        var etcd = new Uri(options.Etcd.Endpoints[0]);
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(etcd.Host, etcd.Port);
            return ((IPEndPoint)socket.LocalEndPoint!).Address.ToString();
        }
        catch (SocketException)
        {
            return "";
        }
    }
}
