using System.Net;
using System.Net.Sockets;
using FlannelFlow.Linux.Ipsec;

namespace FlannelFlow.Linux.Tests.Ipsec;

/// <summary>Policies, which a kernel takes also without ESP; iproute2 is the witness.</summary>
[Trait("Needs", "kernel")]
public sealed class IpsecPolicyTests
{
    private static CancellationToken Ct => TestNamespace.Ct;

    [Fact]
    public async Task Policies_AreSet_Replaced_AndCleared_AndOthersStay()
    {
        await using var host = await TestNamespace.CreateAsync();
        using var xfrm = XfrmNetlink.Open(host.Handle);
        await host.IpAsync("xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.7/32 proto udp dport 8473 priority 5 action block");
        IPAddress local = IPAddress.Parse("192.0.2.1"), peer = IPAddress.Parse("192.0.2.2");
        IpsecPolicy[] wanted = [IpsecPolicy.DropOutgoing(8473), IpsecPolicy.RequireIncoming(8473), IpsecPolicy.Protect(local, peer, 8473, 0x1001)];
        Assert.All(await xfrm.ApplyAsync([.. wanted.Select(policy => new IpsecChange.SetPolicy(policy))], Ct), Assert.Null);

        Assert.Equal(Text(wanted), Text(await xfrm.ListPoliciesAsync(Ct)));
        var told = await host.IpAsync("xfrm policy list");
        Assert.Contains("dir out action block priority 8473", told, StringComparison.Ordinal);
        Assert.Contains("src 192.0.2.1/32 dst 192.0.2.2/32 proto udp dport 8473", told, StringComparison.Ordinal);
        Assert.Contains("proto esp spi 0x00001001 reqid 1718382455 mode transport", told, StringComparison.Ordinal);

        var turned = IpsecPolicy.Protect(local, peer, 8473, 0x1002);
        Assert.Null(Assert.Single(await xfrm.ApplyAsync([new IpsecChange.SetPolicy(turned)], Ct)));
        Assert.Equal(Text([wanted[0], wanted[1], turned]), Text(await xfrm.ListPoliciesAsync(Ct)));

        await xfrm.ClearAsync(Ct);
        Assert.Empty(await xfrm.ListPoliciesAsync(Ct));
        Assert.Contains("dst 192.0.2.7/32", await host.IpAsync("xfrm policy list"), StringComparison.Ordinal);
        Assert.Null(Assert.Single(await xfrm.ApplyAsync([new IpsecChange.DeletePolicy(turned)], Ct)));
    }

    [Fact]
    public async Task Trial_SaysWhatIproute2Finds()
    {
        await using var host = await TestNamespace.CreateAsync();
        var witness = await host.Commands.RunAsync(
            "ip", [.. "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode transport aead rfc4106(gcm(aes))".Split(' '), "0x" + new string('0', 72), "128"], null, Ct);
        var trouble = await IpsecTrial.RunAsync(Ct);
        TestContext.Current.SendDiagnosticMessage(trouble ?? "this kernel can");
        if (witness.ExitCode == 0) Assert.Null(trouble);
        else Assert.Matches("^this kernel has no (ESP|AES-GCM for ESP) \\(module", trouble);
    }

    private static string Text(IEnumerable<IpsecPolicy> policies) => string.Join('\n', policies.Select(policy => policy.ToString()).Order(StringComparer.Ordinal));
}

/// <summary>In the guest of tests/lab/uml, whose kernel has ESP: what two hosts send each other to the port of encrypted networks.</summary>
[Trait("Needs", "guest")]
public sealed class IpsecAssociationTests
{
    private const int Port = 8473;
    private static readonly IPAddress A = IPAddress.Parse("192.0.2.1"), B = IPAddress.Parse("192.0.2.2");
    private static readonly IpsecKey Key = new([.. Enumerable.Range(1, IpsecKey.Size).Select(number => (byte)number)]);
    private static CancellationToken Ct => TestNamespace.Ct;

    [Fact]
    public async Task Trial_Succeeds() => Assert.Null(await IpsecTrial.RunAsync(Ct));

    [Fact]
    public async Task Associations_AreAdded_Listed_AndDeleted()
    {
        await using var host = await TestNamespace.CreateAsync();
        using var xfrm = XfrmNetlink.Open(host.Handle);
        Association one = new(A, B, 0x1001), two = new(A, B, 0xfffffff1);
        await host.Commands.RunCheckedAsync(
            "ip", [.. "xfrm state add src 192.0.2.1 dst 192.0.2.9 proto esp spi 0x77 mode transport aead rfc4106(gcm(aes))".Split(' '), "0x" + new string('0', 72), "128"], null, Ct);
        Assert.All(await xfrm.ApplyAsync([new IpsecChange.AddAssociation(one, Key), new IpsecChange.AddAssociation(two, Key)], Ct), Assert.Null);

        Assert.Equal([one, two], (await xfrm.ListAssociationsAsync(Ct)).Select(installed => installed.Association).OrderBy(association => association.Spi));
        var told = await host.IpAsync("xfrm state list");
        Assert.Contains($"aead rfc4106(gcm(aes)) 0x{Convert.ToHexStringLower(Key.Bytes)} 128", told, StringComparison.Ordinal);
        Assert.Contains("replay_window 2048, bitmap-length 64", told, StringComparison.Ordinal);
        Assert.Contains("sel src 192.0.2.1/32 dst 192.0.2.2/32 proto udp", told, StringComparison.Ordinal);
        Assert.Equal("EEXIST", Assert.Single(await xfrm.ApplyAsync([new IpsecChange.AddAssociation(one, Key)], Ct))?.ErrnoName);

        Assert.Null(Assert.Single(await xfrm.ApplyAsync([new IpsecChange.DeleteAssociation(one)], Ct)));
        Assert.Null(Assert.Single(await xfrm.ApplyAsync([new IpsecChange.DeleteAssociation(one)], Ct)));
        Assert.Equal([two], (await xfrm.ListAssociationsAsync(Ct)).Select(installed => installed.Association));
        await xfrm.ClearAsync(Ct);
        Assert.Empty(await xfrm.ListAssociationsAsync(Ct));
        Assert.Contains("spi 0x00000077", await host.IpAsync("xfrm state list"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Datagrams_GoByTheAssociationThatIsNamed_OrNotAtAll()
    {
        await using TestNamespace a = await TestNamespace.CreateAsync(), b = await TestNamespace.CreateAsync();
        await a.IpAsync($"link add u0 type veth peer name u0 netns {b.Name}");
        foreach (var (host, address) in new[] { (a, A), (b, B) })
        {
            await host.IpAsync($"addr add {address}/24 dev u0");
            await host.IpAsync("link set u0 up");
        }

        using XfrmNetlink inA = XfrmNetlink.Open(a.Handle), inB = XfrmNetlink.Open(b.Handle);
        using var sender = a.Handle.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        using var receiver = b.Handle.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        receiver.Bind(new IPEndPoint(IPAddress.Any, Port));
        Assert.True(Arrives("clear, before there is any policy"));

        await ApplyAsync(inB, new IpsecChange.SetPolicy(IpsecPolicy.RequireIncoming(Port)));
        Assert.False(Arrives("clear, to one that demands ESP"));
        await ApplyAsync(inA, new IpsecChange.SetPolicy(IpsecPolicy.DropOutgoing(Port)));
        Assert.False(Arrives("clear, kept back by the sender"));

        Association first = new(A, B, 0x1001), second = new(A, B, 0x1002);
        await ApplyAsync(inA, new IpsecChange.SetPolicy(IpsecPolicy.Protect(A, B, Port, first.Spi)));
        Assert.False(Arrives("with no association"));
        await ApplyAsync(inB, new IpsecChange.AddAssociation(first, Key));
        await ApplyAsync(inA, new IpsecChange.AddAssociation(first, Key));
        Assert.True(Arrives("by the first association"));

        await ApplyAsync(inB, new IpsecChange.AddAssociation(second, Key));
        await ApplyAsync(inA, new IpsecChange.AddAssociation(second, Key), new IpsecChange.SetPolicy(IpsecPolicy.Protect(A, B, Port, second.Spi)));
        Assert.True(Arrives("by the second association"));
        Assert.Equal(
            [1UL, 1UL], (await inB.ListAssociationsAsync(Ct)).OrderBy(installed => installed.Association.Spi).Select(installed => installed.Packets));

        // Another host's address, by an association that is not its own.
        await ApplyAsync(inB, new IpsecChange.DeleteAssociation(second));
        await a.IpAsync("addr add 192.0.2.3/24 dev u0");
        await ApplyAsync(inB, new IpsecChange.AddAssociation(second with { Source = IPAddress.Parse("192.0.2.3") }, Key));
        Assert.False(Arrives("by an association of another source"));

        static async Task ApplyAsync(XfrmNetlink xfrm, params IpsecChange[] changes) => Assert.All(await xfrm.ApplyAsync(changes, Ct), Assert.Null);

        bool Arrives(string text)
        {
            try
            {
                sender.SendTo(System.Text.Encoding.ASCII.GetBytes(text), new IPEndPoint(B, Port));
            }
            catch (SocketException)
            {
                // Dropped by the sender's own policy.
            }

            // The kernel hands it over a veth within the call that sends it; the first one waits for ARP, for which the sender's queue is long enough.
            if (!receiver.Poll(TimeSpan.FromMilliseconds(700), SelectMode.SelectRead)) return false;
            var buffer = new byte[200];
            Assert.Equal(text, System.Text.Encoding.ASCII.GetString(buffer, 0, receiver.Receive(buffer)));
            return true;
        }
    }
}
