using FlannelFlow.Linux.Interop;

namespace FlannelFlow.Linux.Netlink;

public sealed partial class RouteNetlink
{
    public async Task<IReadOnlyList<Link>> ListLinksAsync(CancellationToken ct)
    {
        var links = await _socket.DumpAsync("listing links", LinkCodec.List(), LinkCodec.Parse, ct);
        return links.ConvertAll(Remember);
    }

    public Task<Link?> FindLinkAsync(string name, CancellationToken ct) => FindLinkAsync($"reading link {name}", LinkCodec.Get(name), ct);

    public Task<Link?> FindLinkAsync(int index, CancellationToken ct) => FindLinkAsync($"reading {NameOf(index)}", LinkCodec.Get(index), ct);

    private async Task<Link?> FindLinkAsync(string act, NetlinkRequest request, CancellationToken ct)
    {
        try
        {
            var found = await _socket.RequestAsync(act, request, LinkCodec.Parse, ct);
            return found.Count > 0 ? Remember(found[0]) : null;
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENODEV)
        {
            return null;
        }
    }

    /// <exception cref="NetlinkException">ENODEV if there is none.</exception>
    public async Task<Link> GetLinkAsync(string name, CancellationToken ct) =>
        await FindLinkAsync(name, ct) ?? throw new NetlinkException($"reading link {name}", Errno.ENODEV, "there is no such link");

    /// <summary>Makes it; EEXIST throws.</summary>
    /// <returns>The new link; of a veth pair the near end.</returns>
    public async Task<Link> AddLinkAsync(LinkConfig config, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(config);
        await _socket.RequestAsync($"adding link {config.Name}", LinkCodec.Create(config), ct);
        var link = await GetLinkAsync(config.Name, ct);
        if (config.Alias is null) return link;
        await ChangeLinkAsync(link.Index, new LinkChange { Alias = config.Alias }, ct);
        return link with { Alias = config.Alias };
    }

    /// <summary>
    /// Makes it, or brings an existing one of the same kind to the wanted MTU, MAC, alias, bridge and state. An incompatible vxlan device
    /// is replaced; a compatible one keeps its MAC, which other hosts know it by.
    /// </summary>
    /// <exception cref="NetlinkException">EEXIST if a device of another kind has the name, or another vxlan device the VNI.</exception>
    public async Task<EnsuredLink> EnsureLinkAsync(LinkConfig config, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (await FindLinkAsync(config.Name, ct) is not { } found) return new(await AddLinkAsync(config, ct), EnsureOutcome.Created);
        var kind = KindOf(config);
        if (found.Kind != kind)
            throw new NetlinkException($"adding link {config.Name}", Errno.EEXIST, $"the name belongs to a {found.Kind ?? "physical"} device, not to a {kind}");
        if (config is VxlanConfig vxlan && !vxlan.IsCompatibleWith(found))
        {
            await DeleteLinkAsync(found.Index, ct);
            return new(await AddLinkAsync(config, ct), EnsureOutcome.Replaced);
        }
        var change = Difference(found, config);
        if (change == new LinkChange()) return new(found, EnsureOutcome.Kept);
        await ChangeLinkAsync(found.Index, change, ct);
        return new(await GetLinkAsync(config.Name, ct), EnsureOutcome.Changed);
    }

    private static string KindOf(LinkConfig config) => config switch
    {
        BridgeConfig => "bridge",
        DummyConfig => "dummy",
        VethConfig => "veth",
        VxlanConfig => "vxlan",
        _ => throw new ArgumentException($"no such kind of link: {config.GetType().Name}", nameof(config)),
    };

    /// <summary>What must be changed in place. "Down" is not wanted of an existing link: it may just be in use.</summary>
    private static LinkChange Difference(Link found, LinkConfig wanted) => new()
    {
        Up = wanted.Up && !found.IsUp ? true : null,
        Mtu = wanted.Mtu is { } mtu && mtu != found.Mtu ? mtu : null,
        Mac = wanted is not VxlanConfig && wanted.Mac is { } mac && mac != found.Mac ? mac : null,
        Alias = wanted.Alias is { } alias && alias != found.Alias ? alias : null,
        Master = wanted is VethConfig { Master: { } master } && master != found.Master ? master : null,
    };

    public Task ChangeLinkAsync(int index, LinkChange change, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(change);
        return _socket.RequestAsync($"changing {NameOf(index)} ({Text(change)})", LinkCodec.Change(index, change), ct);
    }

    /// <summary>
    /// Whether a bridge may send a frame back through the port it came in by. A container that reaches itself by way of an address translated
    /// on this host needs it: with br_netfilter the bridge translates, and would drop the frame as one that is where it belongs already.
    /// </summary>
    /// <exception cref="NetlinkException">EINVAL if the link is no port of a bridge.</exception>
    public Task SetHairpinAsync(int index, bool on, CancellationToken ct) =>
        _socket.RequestAsync($"setting hairpin mode of {NameOf(index)} {(on ? "on" : "off")}", LinkCodec.SetHairpin(index, on), ct);

    private static string Text(LinkChange change)
    {
        var parts = new List<string>();
        if (change.Up is { } up) parts.Add(up ? "up" : "down");
        if (change.Mtu is { } mtu) parts.Add($"mtu {mtu}");
        if (change.Mac is { } mac) parts.Add($"address {mac}");
        if (change.Master is { } master) parts.Add(master == 0 ? "no bridge" : $"bridge {master}");
        if (change.Name is { } name) parts.Add($"name {name}");
        if (change.Alias is { } alias) parts.Add($"alias '{alias}'");
        if (change.Namespace is { } target) parts.Add($"namespace {target.Path}");
        if (change.NamespaceOfPid is { } pid) parts.Add($"namespace of process {pid}");
        return string.Join(", ", parts);
    }

    /// <returns>False if there was none.</returns>
    public Task<bool> DeleteLinkAsync(string name, CancellationToken ct) =>
        RequestUnlessAsync($"deleting link {name}", LinkCodec.Delete(name), Absent, ct);

    /// <returns>False if there was none.</returns>
    public Task<bool> DeleteLinkAsync(int index, CancellationToken ct) =>
        RequestUnlessAsync($"deleting {NameOf(index)}", LinkCodec.Delete(index), Absent, ct);
}
