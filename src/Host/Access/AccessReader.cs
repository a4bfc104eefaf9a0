using System.Net;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Operations.Access;

namespace FlannelFlow.Host.Access;

/// <summary>What the user wrote about the dashboard's address and its sign-in; only what is safe passes.</summary>
internal static class AccessReader
{
    public const string DefaultAddress = "127.0.0.1:8514";

    /// <param name="address">DASHBOARD_ADDRESS.</param>
    /// <param name="anonymous">DASHBOARD_ANONYMOUS: auto, none, viewer or operator.</param>
    /// <param name="certificate">DASHBOARD_CERTIFICATE, or empty.</param>
    /// <param name="key">DASHBOARD_CERTIFICATE_KEY, or empty.</param>
    public static AccessOptions Read(string address, string anonymous, string certificate, string key, List<string> problems)
    {
        if (address.Equals("off", StringComparison.OrdinalIgnoreCase)) return new AccessOptions(null, null, null, null);
        var text = address.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase) ? "127.0.0.1" + address["localhost".Length..] : address;
        if (!IPEndPoint.TryParse(text, out var endpoint) || endpoint.Port == 0)
        {
            problems.Add($"DASHBOARD_ADDRESS: \"{address}\" is neither off nor of the form 127.0.0.1:8514 or [::1]:8514");
            return new AccessOptions(null, null, null, null);
        }

        if (certificate.Length > 0 != key.Length > 0) problems.Add("DASHBOARD_CERTIFICATE and DASHBOARD_CERTIFICATE_KEY: both or none");
        foreach (var (name, file) in new[] { ("DASHBOARD_CERTIFICATE", certificate), ("DASHBOARD_CERTIFICATE_KEY", key) })
        {
            if (file.Length > 0 && !File.Exists(file)) problems.Add($"{name}: there is no file {file}");
        }

        var isLoopback = IPAddress.IsLoopback(endpoint.Address);
        if (!isLoopback && certificate.Length == 0)
            problems.Add($"DASHBOARD_ADDRESS: {address} is not loopback: it needs DASHBOARD_CERTIFICATE and DASHBOARD_CERTIFICATE_KEY, or whoever listens on the way reads along");
        if (!isLoopback && anonymous is ("viewer" or "operator"))
            problems.Add($"DASHBOARD_ANONYMOUS: {anonymous} is for loopback only; at {address} everybody signs in");
        Role? role = anonymous switch
        {
            "viewer" => Role.Viewer,
            "operator" => Role.Operator,
            "none" => null,
            _ => isLoopback ? Role.Viewer : null,
        };
        return new AccessOptions(endpoint, role, certificate.Length > 0 ? certificate : null, key.Length > 0 ? key : null);
    }
}
