using System.Net;
using System.Net.Sockets;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;
using FlannelFlow.Linux.Firewall;
using FlannelFlow.Linux.Namespaces;
using FlannelFlow.Workflows;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Activities.Dns;

/// <summary>A sandbox's DNS server, its probe, and the redirect to it.</summary>
/// <remarks>
/// Made whole or not at all. Until the first <see cref="Probe"/>, and whenever probes cease, Docker's resolver answers; the end of this process
/// needs no tidying up.
/// </remarks>
public sealed class ServedSandbox : IAsyncDisposable
{
    private static readonly TimeSpan FarewellPatience = TimeSpan.FromSeconds(1);

    private readonly NetworkNamespace _namespace;
    private readonly NftTable _table;
    private readonly SandboxServer _server;
    private readonly Socket _probe;
    private readonly Canary _canary;
    private readonly TimeProvider _time;

    private ServedSandbox(NetworkNamespace sandbox, NftTable table, SandboxServer server, OpenedSockets opened, TimeProvider time)
    {
        _namespace = sandbox;
        _table = table;
        _server = server;
        _probe = opened.Probe;
        _canary = opened.Canary;
        _time = time;
    }

    public SandboxServer Server => _server;

    /// <summary>Whether the path means the namespace that is served: paths are used again.</summary>
    public bool IsAt(string path)
    {
        try
        {
            using var there = NetworkNamespace.Open(path);
            return there.Inode == _namespace.Inode;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <param name="path">Of the sandbox's network namespace.</param>
    /// <param name="life">For how long one sign of life is good, see <see cref="DnsRedirect"/>.</param>
    /// <exception cref="IOException">There is none.</exception>
    /// <exception cref="SocketException">Its loopback interface is not up.</exception>
    /// <exception cref="CommandException">nft refused.</exception>
    /// <exception cref="RefusalException">The kernel has no nf_tables for IPv4.</exception>
    public static async Task<ServedSandbox> StartAsync(
        string path, NameBoard board, DnsOptions options, SandboxModel model, TimeSpan life, TimeProvider time, Func<Random> chance, ILogger log, CancellationToken ct)
    {
        var sandbox = NetworkNamespace.Open(path);
        try
        {
            var sockets = new SandboxSockets(sandbox);
            var opened = sockets.OpenServer();
            var server = new SandboxServer(opened.Server, new Responder(board, options, model), new Forwarder(sockets, time), time, chance, log);
            try
            {
                var table = DnsRedirect.TableIn(new CommandRunner(time) { NetworkNamespace = sandbox });
                await table.ReplaceAsync(DnsRedirect.Body(PortsOf(opened), life), ct);
                return new ServedSandbox(sandbox, table, server, opened, time);
            }
            catch (CommandException e) when (e.IsUnsupported)
            {
                // It will not have them a second later: to try again would only cost each container a minute of processes.
                await CloseAsync();
                throw new RefusalException("this kernel has no nf_tables for IPv4, which DNS is redirected by: Docker's resolver goes on answering");
            }
            catch
            {
                await CloseAsync();
                throw;
            }

            async Task CloseAsync()
            {
                await server.DisposeAsync();
                opened.Probe.Dispose();
                opened.Canary.Dispose();
            }
        }
        catch
        {
            sandbox.Dispose();
            throw;
        }
    }

    /// <summary>Asks the server for a sign of life; if it gives one, queries come to it for another life.</summary>
    public void Probe()
    {
        Span<byte> echo = stackalloc byte[1];
        try
        {
            while (_probe.Available > 0) _probe.Receive(echo);
            _probe.Send(ReadOnlySpan<byte>.Empty);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The queue is full, or the namespace's loopback interface went down: no sign of life, so Docker's resolver answers.
        }
    }

    /// <summary>From now on queries go to Docker's resolver. Completes when those that came before are answered, as far as that is up to us.</summary>
    public async Task FarewellAsync()
    {
        using var patience = new CancellationTokenSource(FarewellPatience, _time);
        try
        {
            byte[] farewell = [0];
            await _probe.SendAsync(farewell, SocketFlags.None, patience.Token);
            // Earlier probes' echoes, which are empty, may come first.
            while (await _probe.ReceiveAsync(farewell, SocketFlags.None, patience.Token) == 0)
            {
            }

            await _server.DrainAsync(FarewellPatience);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody is there to say farewell to.
        }
    }

    /// <summary>Says farewell, ends the server and takes the redirect away.</summary>
    public async ValueTask DisposeAsync()
    {
        await FarewellAsync();
        await _server.DisposeAsync();
        _probe.Dispose();
        _canary.Dispose();
        try
        {
            await _table.DeleteAsync(CancellationToken.None);
        }
        catch (CommandException)
        {
            // Without its server the table does nothing, and it goes with the sandbox.
        }

        _namespace.Dispose();
    }

    /// <summary>What is left of a server when its process is killed: nothing but the redirect. For tests.</summary>
    internal async Task DieAsync()
    {
        _canary.Dispose();
        await _server.DisposeAsync();
    }

    private static RedirectPorts PortsOf(OpenedSockets opened) =>
        new(PortOf(opened.Server.Udp), PortOf(opened.Server.Tcp), PortOf(opened.Probe), PortOf(opened.Canary.Near));

    private static int PortOf(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;
}
