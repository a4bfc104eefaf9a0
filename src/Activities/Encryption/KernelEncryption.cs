using FlannelFlow.Linux.Ipsec;
using FlannelFlow.Linux.Netlink;

namespace FlannelFlow.Activities.Encryption;

/// <summary>This host's IPsec, opened with the first encrypted network, so that a host without one is left as it is.</summary>
/// <remarks>
/// Who changes it holds the turn (<see cref="EnterAsync"/>), and reads in it which networks there are: the guards of a network that is just coming are not
/// taken away by whoever saw none a moment before.
/// </remarks>
public sealed class KernelEncryption : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private XfrmNetlink? _xfrm;
    private bool _can;

    /// <summary>Whether anything of ours may be in the kernel, by this daemon's doing.</summary>
    public bool MayHold { get; private set; }

    /// <returns>Null: this kernel can encrypt; else what is missing, in words. What was missing is tried again.</returns>
    public async Task<string?> FindTroubleAsync(CancellationToken ct)
    {
        if (_can) return null;
        try
        {
            var trouble = await IpsecTrial.RunAsync(ct);
            _can = trouble is null;
            return trouble;
        }
        catch (IOException e)
        {
            return $"whether this kernel can could not be tried: {e.Message}";
        }
    }

    /// <summary>After it nothing leaves or enters this host by this UDP port but in ESP. It needs no keys; until there are some, nothing goes at all.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public async Task GuardAsync(int port, CancellationToken ct)
    {
        using var turn = await EnterAsync(ct);
        var missing = GuardsOf(port).Except(await turn.Xfrm.ListPoliciesAsync(ct));
        var results = await turn.Xfrm.ApplyAsync([.. missing.Select(policy => new IpsecChange.SetPolicy(policy))], ct);
        if (results.FirstOrDefault(result => result is not null) is { } failed) throw failed;
    }

    public static IEnumerable<IpsecPolicy> GuardsOf(int port) => [IpsecPolicy.DropOutgoing(port), IpsecPolicy.RequireIncoming(port)];

    /// <summary>Until it is disposed of, nobody else changes this host's IPsec.</summary>
    /// <exception cref="NetlinkException">This kernel has no IPsec.</exception>
    public async Task<Turn> EnterAsync(CancellationToken ct)
    {
        await _turn.WaitAsync(ct);
        try
        {
            var turn = new Turn(this, _xfrm ??= XfrmNetlink.Open(networkNamespace: null));
            MayHold = true;
            return turn;
        }
        catch
        {
            _turn.Release();
            throw;
        }
    }

    public void Dispose()
    {
        _xfrm?.Dispose();
        _turn.Dispose();
    }

    public sealed class Turn(KernelEncryption owner, XfrmNetlink xfrm) : IDisposable
    {
        public XfrmNetlink Xfrm => xfrm;

        public async Task ClearAsync(CancellationToken ct)
        {
            await xfrm.ClearAsync(ct);
            owner.MayHold = false;
        }

        public void Dispose() => owner._turn.Release();
    }
}
