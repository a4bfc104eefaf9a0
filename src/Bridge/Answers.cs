using System.Text;
using System.Text.Json;
using FlannelFlow.Bridge.Http;

namespace FlannelFlow.Bridge;

/// <summary>The answers that the bridge gives itself.</summary>
internal static class Answers
{
    // moby pkg/plugins/transport: the media type that dockerd accepts.
    private static readonly HttpHeader ContentType = new("Content-Type", "application/vnd.docker.plugins.v1.2+json");

    /// <summary>
    /// The calls whose answer is the same whatever the daemon does; null for all others. They are always answered here, not only while the
    /// daemon is away: dockerd makes them when it enables the plugin and when it boots, before it serves its API, and does not register the
    /// driver if they fail; it keeps what it was told until the next enable, so a daemon of another version could not change it anyway; and
    /// an answer that depended on who is up would be two truths. DiscoverNew/-Delete tell of gossip that FlannelFlow does not use (hosts
    /// know each other through etcd) and are repeated at every enable.
    /// </summary>
    public static HttpResponse? Standing(string target) => target switch
    {
        "/Plugin.Activate" => Ok("""{"Implements":["NetworkDriver","IpamDriver"]}"""),
        "/NetworkDriver.GetCapabilities" => Ok("""{"Scope":"global","ConnectivityScope":"global"}"""),
        "/NetworkDriver.DiscoverNew" or "/NetworkDriver.DiscoverDelete" => Ok("{}"),
        "/IpamDriver.GetCapabilities" => Ok("""{"RequiresMACAddress":false,"RequiresRequestReplay":false}"""),
        "/IpamDriver.GetDefaultAddressSpaces" => Ok("""{"LocalDefaultAddressSpace":"FlannelLocal","GlobalDefaultAddressSpace":"FlannelGlobal"}"""),
        _ => null,
    };

    /// <summary>A refusal in both of Docker's fields: the network driver reads Err, the IPAM driver Error (moby libnetwork remote api.go).</summary>
    public static HttpResponse Refusal(int status, string message)
    {
        var text = JsonEncodedText.Encode(message).ToString();
        return new HttpResponse(status, Reason(status), [ContentType], Encoding.UTF8.GetBytes($$"""{"Err":"{{text}}","Error":"{{text}}"}"""));
    }

    private static HttpResponse Ok(string json) => new(200, "OK", [ContentType], Encoding.UTF8.GetBytes(json));

    private static string Reason(int status) => status switch
    {
        400 => "Bad Request",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    };
}
