using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Restore;

/// <summary>What differs between Docker, etcd, the kernel and this host's files, of one scope; nothing is done about it.</summary>
public sealed class FindDifferences(IHostUpkeep upkeep) : Activity<FindDifferences.In, FindDifferences.Out>
{
    /// <param name="Scope">A <see cref="DriftScope"/>; "All" for all of them.</param>
    public sealed record In(string Scope);

    /// <param name="Differences">Their names; <see cref="MendDifference"/> takes each.</param>
    public sealed record Out(string[] Differences);

    public override string Type => "FlannelFlow.FindDifferences";

    public override async Task<Out> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct) =>
        new([.. await upkeep.FindDifferencesAsync(ScopeOf(input.Scope), ct)]);

    private static DriftScope? ScopeOf(string scope) =>
        scope == "All" ? null
        : Enum.TryParse<DriftScope>(scope, out var one) ? one
        : throw new InvalidOperationException($"\"{scope}\" is none of {string.Join(", ", Enum.GetNames<DriftScope>())}, All");
}
