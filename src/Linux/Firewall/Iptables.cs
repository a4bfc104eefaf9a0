namespace FlannelFlow.Linux.Firewall;

/// <summary>A rule in iptables' own words.</summary>
/// <param name="Table">"filter", "nat", "mangle".</param>
/// <param name="Arguments">Matches and target: "-s", "10.1.0.0/20", "-j", "ACCEPT".</param>
public sealed record IptablesRule(string Table, string Chain, params IReadOnlyList<string> Arguments)
{
    public override string ToString() => $"{Chain} {string.Join(' ', Arguments)} (table {Table})";
}

/// <summary>Single rules in chains that others own too, and whole chains of our own, by iptables(8). Each call waits for the xtables lock.</summary>
public sealed class Iptables(CommandRunner runner)
{
    /// <summary>Seconds.</summary>
    private const string LockWait = "5";

    private static readonly string[] SharedChains = ["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING", "DOCKER-USER"];

    /// <summary>Puts it first in its chain, if it is nowhere in it.</summary>
    /// <returns>False if it was there.</returns>
    public async Task<bool> EnsureRuleAsync(IptablesRule rule, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(rule);
        if (await HasRuleAsync(rule, ct)) return false;
        await runner.RunCheckedAsync("iptables", Arguments(rule, "-I"), null, ct);
        return true;
    }

    /// <summary>
    /// Puts each first in its chain that is nowhere in it, all in one transaction; of all programs, one that lists and one that changes. The arguments
    /// must be written as <c>iptables -S</c> writes them.
    /// </summary>
    /// <param name="listed">What <see cref="ListAsync"/> said of the table.</param>
    /// <returns>False if all were there.</returns>
    public async Task<bool> EnsureRulesAsync(string table, IReadOnlyList<string> listed, IEnumerable<IptablesRule> rules, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(listed);
        var missing = rules.Select(Written).Where(rule => !listed.Contains($"-A {rule}")).Select(rule => $"-I {rule}").ToList();
        if (missing.Count > 0) await RestoreAsync($"*{table}\n{string.Join('\n', missing)}\nCOMMIT\n", ct);
        return missing.Count > 0;
    }

    /// <summary>Deletes each as often as it was listed, all in one transaction; the arguments written as <c>iptables -S</c> writes them.</summary>
    /// <returns>False if none was there.</returns>
    public async Task<bool> DeleteRulesAsync(string table, IReadOnlyList<string> listed, IEnumerable<IptablesRule> rules, CancellationToken ct)
    {
        var unwanted = rules.Select(rule => $"-A {Written(rule)}").ToHashSet(StringComparer.Ordinal);
        var there = listed.Where(unwanted.Contains).Select(line => $"-D{line[2..]}").ToList();
        if (there.Count > 0) await RestoreAsync($"*{table}\n{string.Join('\n', there)}\nCOMMIT\n", ct);
        return there.Count > 0;
    }

    /// <summary>Deletes it, however often it is there.</summary>
    /// <returns>False if it was not.</returns>
    public async Task<bool> DeleteRuleAsync(IptablesRule rule, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(rule);
        var was = false;
        while (await HasRuleAsync(rule, ct))
        {
            await runner.RunCheckedAsync("iptables", Arguments(rule, "-D"), null, ct);
            was = true;
        }
        return was;
    }

    /// <summary>Also false if the chain, or the chain the rule jumps to, does not exist.</summary>
    public async Task<bool> HasRuleAsync(IptablesRule rule, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(rule);
        var arguments = Arguments(rule, "-C");
        var result = await runner.RunAsync("iptables", arguments, null, ct);
        if (result.ExitCode == 0) return true;
        return IsAbsence(result) ? false : throw CommandRunner.Failed("iptables", arguments, result);
    }

    /// <summary>
    /// Applies <c>iptables-restore</c> text, without flushing what it does not name: each table is one transaction. A line <c>:CHAIN - [0:0]</c>
    /// makes our own chain or empties it.
    /// </summary>
    /// <exception cref="ArgumentException">It would flush or set the policy of a chain that is not ours.</exception>
    public Task RestoreAsync(string batch, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(batch);
        foreach (var line in batch.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var emptied = words switch
            {
                [var word, ..] when word[0] == ':' => word[1..],
                ["-F" or "--flush" or "-X" or "--delete-chain" or "-P" or "--policy", .. var rest] => rest.Length > 0 ? rest[0] : "",
                _ => null,
            };
            if (emptied is not null && (emptied.Length == 0 || SharedChains.Contains(emptied)))
                throw new ArgumentException($"not ours to empty: {line}", nameof(batch));
        }
        return runner.RunCheckedAsync("iptables-restore", ["--noflush", "-w", LockWait], batch.EndsWith('\n') ? batch : batch + "\n", ct);
    }

    /// <summary>Gives a chain of the kernel's the policy DROP: what no rule accepts is dropped. The policy is everybody's, and nobody's to take back.</summary>
    public Task DropByDefaultAsync(string table, string chain, CancellationToken ct) =>
        runner.RunCheckedAsync("iptables", ["-w", LockWait, "-t", table, "-P", chain, "DROP"], null, ct);

    /// <summary>Empties and deletes a chain of our own. Rules that jump to it must be gone.</summary>
    /// <returns>False if there was none.</returns>
    public async Task<bool> DeleteChainAsync(string table, string chain, CancellationToken ct)
    {
        if (SharedChains.Contains(chain)) throw new ArgumentException($"not ours to delete: {chain}", nameof(chain));
        IReadOnlyList<string> flush = ["-w", LockWait, "-t", table, "-F", chain];
        var result = await runner.RunAsync("iptables", flush, null, ct);
        if (result.ExitCode != 0) return IsAbsence(result) ? false : throw CommandRunner.Failed("iptables", flush, result);
        await runner.RunCheckedAsync("iptables", ["-w", LockWait, "-t", table, "-X", chain], null, ct);
        return true;
    }

    /// <summary>The rules of a table, or of one chain, in the form of <c>iptables -S</c>; empty if there is no such chain.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(string table, string? chain, CancellationToken ct)
    {
        // "-S CHAIN" for a chain that does not exist is "incompatible, use 'nft' tool" to iptables-nft 1.8.9: so the table is taken whole.
        var output = await runner.RunCheckedAsync("iptables", ["-w", LockWait, "-t", table, "-S"], null, ct);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => chain is null || line.Split(' ') is [_, var of, ..] && of == chain)];
    }

    private static string Written(IptablesRule rule) => $"{rule.Chain} {string.Join(' ', rule.Arguments)}";

    private static IReadOnlyList<string> Arguments(IptablesRule rule, string act) => ["-w", LockWait, "-t", rule.Table, act, rule.Chain, .. rule.Arguments];

    /// <summary>The words of iptables 1.8, of both variants: legacy and nf_tables differ in exit code and text.</summary>
    private static bool IsAbsence(CommandResult result) =>
        result.Error.Contains("does a matching rule exist", StringComparison.Ordinal)
        || result.Error.Contains("No chain/target/match by that name", StringComparison.Ordinal)
        || result.Error.Contains("does not exist", StringComparison.Ordinal)
        || result.Error.Contains("Couldn't load target", StringComparison.Ordinal);
}
