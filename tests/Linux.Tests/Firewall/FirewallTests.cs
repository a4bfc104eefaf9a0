using System.Diagnostics;
using FlannelFlow.Linux.Firewall;

namespace FlannelFlow.Linux.Tests.Firewall;

[Trait("Needs", "kernel")]
public sealed class FirewallTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task NftTable_ReplacedTwice_HoldsTheLastBodyOnly_AndOthersStay()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var foreign = new NftTable(ns.Commands, "inet", "foreign");
        await foreign.AddAsync("chain theirs { counter accept; }", Ct);
        var before = await foreign.ListAsync(Ct);
        var table = new NftTable(ns.Commands, "inet", "flannelflow");
        Assert.Null(await table.ListAsync(Ct));
        Assert.Null(await table.ListJsonAsync(Ct));
        await table.ReplaceAsync("set vips { type ipv4_addr; }\nchain one { ip daddr @vips accept; }", Ct);
        await table.ReplaceAsync("set vips { type ipv4_addr; }\nchain two { ip daddr @vips drop; }", Ct);
        await table.ApplyAsync(["add element inet flannelflow vips { 10.1.0.2, 10.1.0.3 }", "add rule inet flannelflow two counter comment \"a; b }\""], Ct);

        var text = await table.ListAsync(Ct);
        Assert.DoesNotContain("chain one", text, StringComparison.Ordinal);
        Assert.Contains("elements = { 10.1.0.2, 10.1.0.3 }", text, StringComparison.Ordinal);
        var json = await table.ListJsonAsync(Ct);
        Assert.Equal("two", Assert.Single(json ?? [], o => o?["chain"] is not null).At("chain", "name"));
        Assert.Equal(before, await foreign.ListAsync(Ct));
        Assert.True(await table.DeleteAsync(Ct));
        Assert.False(await table.DeleteAsync(Ct));
        Assert.Equal(before, await foreign.ListAsync(Ct));
    }

    [Fact]
    public async Task NftTable_FaultyBody_SaysNftsWordsAndChangesNothing()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var table = new NftTable(ns.Commands, "ip", "flannelflow");
        await table.ReplaceAsync("chain one { }", Ct);
        var error = await Assert.ThrowsAsync<CommandException>(() => table.ReplaceAsync("chain two { nonsense; }", Ct));
        Assert.Matches("^nft -f -: exit code 1: /dev/stdin:4:[-0-9]+: Error: ", error.Message);
        Assert.Contains("chain one", await table.ListAsync(Ct), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("flush ruleset")]
    [InlineData("flush table inet foreign")]
    [InlineData("delete table inet flannelflow-other")]
    [InlineData("add rule inet flannelflow one accept; flush ruleset")]
    [InlineData("add rule inet flannelflow one accept\nflush ruleset")]
    [InlineData("add rule inet flannelflow one comment \"x\"; flush ruleset")]
    [InlineData("include \"/etc/nftables.conf\"")]
    public async Task NftTable_CommandAboutAnotherTable_IsRefused(string command)
    {
        var table = new NftTable(new CommandRunner(TimeProvider.System), "inet", "flannelflow");
        await Assert.ThrowsAsync<ArgumentException>(() => table.ApplyAsync([command], Ct));
    }

    [Theory]
    [InlineData("chain x { }\n}\nflush ruleset\ntable inet y {")]
    [InlineData("chain x {")]
    [InlineData("chain x { comment \"{\" ")]
    public async Task NftTable_BodyThatLeavesTheTable_IsRefused(string body)
    {
        var table = new NftTable(new CommandRunner(TimeProvider.System), "inet", "flannelflow");
        await Assert.ThrowsAsync<ArgumentException>(() => table.ReplaceAsync(body, Ct));
    }

    [Theory]
    [InlineData("inet", "x y")]
    [InlineData("inet", "")]
    [InlineData("inet; flush ruleset", "x")]
    public void NftTable_BadName_IsRefused(string family, string name) =>
        Assert.Throws<ArgumentException>(() => new NftTable(new CommandRunner(TimeProvider.System), family, name));

    [Fact]
    public async Task Iptables_RuleEnsuredAndDeleted_OnceEach()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var iptables = new Iptables(ns.Commands);
        var rule = new IptablesRule("filter", "FORWARD", "-s", "10.1.0.0/20", "-m", "comment", "--comment", "flannelflow a b", "-j", "ACCEPT");
        Assert.True(await iptables.EnsureRuleAsync(rule, Ct));
        Assert.False(await iptables.EnsureRuleAsync(rule, Ct));
        Assert.Equal(["-P FORWARD ACCEPT", "-A FORWARD -s 10.1.0.0/20 -m comment --comment \"flannelflow a b\" -j ACCEPT"], await iptables.ListAsync("filter", "FORWARD", Ct));
        await ns.Commands.RunCheckedAsync("iptables", ["-A", "FORWARD", .. rule.Arguments], null, Ct);   // doubled by someone
        Assert.True(await iptables.DeleteRuleAsync(rule, Ct));
        Assert.False(await iptables.DeleteRuleAsync(rule, Ct));
        Assert.Equal(["-P FORWARD ACCEPT"], await iptables.ListAsync("filter", "FORWARD", Ct));
    }

    [Fact]
    public async Task Iptables_ManyRules_OnlyWhatIsMissingIsAdded_AndAllOfThemDeleted()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var iptables = new Iptables(ns.Commands);
        IptablesRule[] rules = [.. ((string[])["a0", "b0"]).Select(device => new IptablesRule("filter", "FORWARD", "-i", device, "-m", "comment", "--comment", "flannelflow", "-j", "ACCEPT"))];
        await iptables.EnsureRuleAsync(rules[0], Ct);
        Assert.True(await iptables.EnsureRulesAsync("filter", await iptables.ListAsync("filter", null, Ct), rules, Ct));
        Assert.False(await iptables.EnsureRulesAsync("filter", await iptables.ListAsync("filter", null, Ct), rules, Ct));
        Assert.Equal(3, (await iptables.ListAsync("filter", "FORWARD", Ct)).Count);
        await ns.Commands.RunCheckedAsync("iptables", ["-A", "FORWARD", .. rules[1].Arguments], null, Ct);   // doubled by someone
        Assert.True(await iptables.DeleteRulesAsync("filter", await iptables.ListAsync("filter", null, Ct), rules, Ct));
        Assert.False(await iptables.DeleteRulesAsync("filter", await iptables.ListAsync("filter", null, Ct), rules, Ct));
        Assert.Equal(["-P FORWARD ACCEPT"], await iptables.ListAsync("filter", "FORWARD", Ct));
    }

    [Fact]
    public async Task Iptables_ChainsOfOurOwn_RestoredAndDeleted()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var iptables = new Iptables(ns.Commands);
        var jump = new IptablesRule("filter", "FORWARD", "-j", "FLANNELFLOW");
        Assert.False(await iptables.DeleteRuleAsync(jump, Ct));   // the chain it jumps to does not exist either
        Assert.False(await iptables.DeleteChainAsync("filter", "FLANNELFLOW", Ct));
        Assert.Empty(await iptables.ListAsync("filter", "FLANNELFLOW", Ct));
        await iptables.EnsureRuleAsync(new IptablesRule("filter", "FORWARD", "-s", "192.0.2.9", "-j", "DROP"), Ct);
        for (var i = 0; i < 2; i++)
        {
            await iptables.RestoreAsync("*filter\n:FLANNELFLOW - [0:0]\n-A FLANNELFLOW -s 10.1.0.0/20 -j ACCEPT\n-A FLANNELFLOW -d 10.1.0.0/20 -j ACCEPT\nCOMMIT", Ct);
            await iptables.EnsureRuleAsync(jump, Ct);
        }
        Assert.Equal(3, (await iptables.ListAsync("filter", "FLANNELFLOW", Ct)).Count);
        Assert.Equal(["-P FORWARD ACCEPT", "-A FORWARD -j FLANNELFLOW", "-A FORWARD -s 192.0.2.9/32 -j DROP"], await iptables.ListAsync("filter", "FORWARD", Ct));
        Assert.True(await iptables.DeleteRuleAsync(jump, Ct));
        Assert.True(await iptables.DeleteChainAsync("filter", "FLANNELFLOW", Ct));
        Assert.Equal(2, (await iptables.ListAsync("filter", "FORWARD", Ct)).Count);
    }

    [Theory]
    [InlineData("-F")]
    [InlineData("-F FORWARD")]
    [InlineData(":FORWARD DROP [0:0]")]
    [InlineData("-P INPUT DROP")]
    [InlineData("-X")]
    public async Task Iptables_BatchThatEmptiesOthersChains_IsRefused(string line)
    {
        var iptables = new Iptables(new CommandRunner(TimeProvider.System));
        await Assert.ThrowsAsync<ArgumentException>(() => iptables.RestoreAsync($"*filter\n{line}\nCOMMIT\n", Ct));
    }

    [Fact]
    public async Task Iptables_FaultyRule_SaysItsWords()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var iptables = new Iptables(ns.Commands);
        var error = await Assert.ThrowsAsync<CommandException>(() => iptables.EnsureRuleAsync(new IptablesRule("filter", "FORWARD", "--no-such-option"), Ct));
        Assert.Contains("unknown option \"--no-such-option\"", error.Message, StringComparison.Ordinal);
    }
}

public sealed class CommandRunnerTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_InputOutputErrorAndExitCode_AreGivenBack()
    {
        var runner = new CommandRunner(TimeProvider.System);
        var result = await runner.RunAsync("sh", ["-c", "cat; echo bad >&2; exit 3"], "in\n", Ct);
        Assert.Equal(new CommandResult(3, "in\n", "bad\n"), result);
        var error = await Assert.ThrowsAsync<CommandException>(() => runner.RunCheckedAsync("sh", ["-c", "echo bad >&2; exit 3"], null, Ct));
        Assert.Equal(("sh -c echo bad >&2; exit 3: exit code 3: bad", 3), (error.Message, error.ExitCode));
    }

    [Fact]
    public async Task Run_MuchInputAndOutput_DoesNotLockUp()
    {
        var text = new string('x', 1 << 20);
        Assert.Equal(text, await new CommandRunner(TimeProvider.System).RunCheckedAsync("cat", [], text, Ct));
        Assert.Equal("", await new CommandRunner(TimeProvider.System).RunCheckedAsync("true", [], text, Ct));   // reads nothing
    }

    [Fact]
    public async Task Run_LongerThanAllowed_IsKilled()
    {
        var clock = Stopwatch.StartNew();
        var runner = new CommandRunner(TimeProvider.System) { Timeout = TimeSpan.FromMilliseconds(200) };
        var error = await Assert.ThrowsAsync<CommandException>(() => runner.RunAsync("sleep", ["60"], null, Ct));
        Assert.Equal("sleep 60: killed, as it did not end within 0.2 s", error.Message);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task Run_NoSuchProgram_SaysSo()
    {
        var error = await Assert.ThrowsAsync<CommandException>(() => new CommandRunner(TimeProvider.System).RunAsync("fft-no-such", ["a"], null, Ct));
        Assert.StartsWith("fft-no-such a: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("No such file", error.Message, StringComparison.Ordinal);
    }
}
