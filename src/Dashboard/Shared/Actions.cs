using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Dashboard.Sessions;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Access;
using FlannelFlow.Workflows;
using MudBlazor;

namespace FlannelFlow.Dashboard.Shared;

/// <summary>What an operator can do, and what that will mean.</summary>
internal sealed record OperatorAction(string Kind, string Verb, string What)
{
    public static IReadOnlyList<OperatorAction> OfWorkflows { get; } =
    [
        new("retry", "Retry", "The step that faulted (or its undoing) is run again now, with the same key, its failures forgotten."),
        new("skip", "Skip", "The faulted step is taken as done without outputs, or its undoing as done, and the workflow goes on. If it comes to undoing, the step is undone like one in doubt."),
        new("compensate", "Compensate", "The workflow gives up: what was done or is in doubt is undone, in reverse. It ends as compensated."),
        new("cancel", "Cancel", "What was done or is in doubt is undone, in reverse, and the workflow ends as cancelled. One that waits for its lanes ends at once."),
        new("terminate", "Terminate", "The workflow ends at once as cancelled. Nothing is undone: what it did stays. Clean up by hand first."),
    ];

    public static IReadOnlyList<OperatorAction> OfDrains { get; } =
    [
        new("retry", "Retry", "The step that failed is run again now, on the drain's host."),
        new("force", "Force", "The wait ends now: connections that are left are cut, and the backend is removed."),
        new("cancel", "Cancel drain", "The drain is called off on all hosts: the container gets new connections again. It is refused while Swarm wants the task to end."),
    ];

    /// <summary>Does it, if whoever sits there still may, and says how it went.</summary>
    public static async Task<bool> DoAsync(CallerOfPage page, ISnackbar snackbar, string what, Func<Caller, Task> act, CancellationToken ct)
    {
        if (await page.FindAsync(ct) is not { } caller || !caller.May(Role.Operator))
        {
            snackbar.Add($"{what}: you are not an operator (any more). Sign in with an operator's token.", Severity.Error);
            return false;
        }

        try
        {
            await act(caller);
            snackbar.Add($"{what}: done.", Severity.Success);
            return true;
        }
        catch (Exception refused) when (refused is AlterationRefusedException or InvalidAlterationException or KeyNotFoundException or BadRequestException
            or HostSilentException or EtcdException or RuntimeStoppedException)
        {
            snackbar.Add($"{what}: {refused.Message}", Severity.Error);
            return false;
        }
    }
}
