using FlannelFlow.Linux.Interop;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Linux.Ipvs;

/// <summary>The virtual services by firewall mark of one network namespace, by generic netlink. Services of other kinds are left out of sight.</summary>
/// <remarks>Safe for concurrent callers: requests are sent one after the other. A request once sent is not cancelled.</remarks>
public sealed class IpvsNetlink : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly ushort _family;

    private IpvsNetlink(NetlinkSocket socket, ushort family)
    {
        _socket = socket;
        _family = family;
    }

    /// <summary>Makes the kernel load ip_vs by itself, where it has it as a module (MODULE_ALIAS_GENL_FAMILY).</summary>
    /// <param name="networkNamespace">Null: the calling thread's. The socket stays in it, whichever thread uses it.</param>
    /// <returns>Null if this kernel has no IPVS.</returns>
    public static async Task<IpvsNetlink?> TryOpenAsync(NetworkNamespace? networkNamespace, CancellationToken ct)
    {
        var socket = NetlinkSocket.Open(NetlinkProtocol.Generic, networkNamespace);
        try
        {
            if (await GenericNetlink.FindFamilyAsync(socket, IpvsProtocol.Family, ct) is { } family)
            {
                var opened = new IpvsNetlink(socket, family);
                socket = null;
                return opened;
            }

            return null;
        }
        finally
        {
            socket?.Dispose();
        }
    }

    public void Dispose() => _socket.Dispose();

    public async Task<IReadOnlyList<IpvsService>> ListServicesAsync(CancellationToken ct) =>
        await _socket.DumpAsync("listing IPVS services", IpvsCodec.ListServices(_family), IpvsCodec.ParseService, ct);

    public async Task<IpvsService?> FindServiceAsync(uint mark, CancellationToken ct)
    {
        try
        {
            var found = await _socket.RequestAsync($"reading {Service(mark)}", IpvsCodec.GetService(_family, mark), IpvsCodec.ParseService, ct);
            return found.Count > 0 ? found[0] : null;
        }
        catch (NetlinkException e) when (e.Errno == Errno.ESRCH)
        {
            return null;
        }
    }

    /// <summary>Empty if there is no such service: the kernel tells no difference.</summary>
    public async Task<IReadOnlyList<IpvsDestinationStatus>> ListDestinationsAsync(uint mark, CancellationToken ct) =>
        await _socket.DumpAsync($"listing the destinations of {Service(mark)}", IpvsCodec.ListDestinations(_family, mark), IpvsCodec.ParseDestination, ct);

    public async Task<IpvsTimeouts> GetTimeoutsAsync(CancellationToken ct) =>
        (await _socket.RequestAsync("reading IPVS timeouts", IpvsCodec.GetTimeouts(_family), IpvsCodec.ParseTimeouts, ct)).FirstOrDefault()
        ?? throw new NetlinkException("reading IPVS timeouts", Errno.EPROTO, "the kernel gave none and no error");

    /// <param name="timeouts">0 leaves one as it is.</param>
    public Task SetTimeoutsAsync(IpvsTimeouts timeouts, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(timeouts);
        return _socket.RequestAsync($"setting IPVS timeouts ({timeouts})", IpvsCodec.SetTimeouts(_family, timeouts), ct);
    }

    /// <summary>
    /// Many changes in few system calls, in this order, each for itself: one that fails keeps none of the others from being made. One result
    /// per change, in order: null is success. Deleting what is not there is success; adding what is there is EEXIST, whatever its weight.
    /// </summary>
    public async Task<IReadOnlyList<NetlinkException?>> ApplyAsync(IReadOnlyList<IpvsChange> changes, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var results = await _socket.BatchAsync(
            [.. changes.Select(change => (change.Act, (Action<NetlinkRequest, ushort>)((request, flags) => IpvsCodec.Write(request, _family, change, flags))))],
            ct);
        for (var i = 0; i < results.Length; i++)
        {
            if (results[i] is { } error) results[i] = IsHoldingAlready(changes[i], error.Errno) ? null : Explain(changes[i], error);
        }
        return results;
    }

    private static bool IsHoldingAlready(IpvsChange change, int errno) =>
        change is IpvsChange.DeleteService or IpvsChange.DeleteDestination && errno is Errno.ESRCH or Errno.ENOENT;

    /// <summary>What the errors of ip_vs_genl_set_cmd mean, as measured (dataplane-facts.md, 3.1): the kernel gives numbers only.</summary>
    private static NetlinkException Explain(IpvsChange change, NetlinkException error) => new(error.Act, error.Errno, error.KernelMessage ?? (change, error.Errno) switch
    {
        (IpvsChange.AddService add, Errno.ENOENT) => $"the kernel has no scheduler '{add.Service.Scheduler}'",
        (IpvsChange.SetService set, Errno.ENOENT) => $"the kernel has no scheduler '{set.Service.Scheduler}'",
        (IpvsChange.AddService, Errno.EEXIST) => "there is one with this mark already",
        (IpvsChange.AddDestination, Errno.EEXIST) => "there is one with this address and port already",
        (IpvsChange.SetDestination, Errno.ENOENT) => "there is no such destination",
        (_, Errno.ESRCH) => "there is no such service",
        (IpvsChange.AddDestination or IpvsChange.SetDestination, Errno.ERANGE) => "the weight is negative, or the lower threshold above the upper one",
        _ => null,
    });

    private static string Service(uint mark) => new IpvsService(mark, "").ToString();
}
