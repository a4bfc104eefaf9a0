namespace FlannelFlow.Cluster.Mirror;

/// <summary>Which tasks of a service get what is new: the one rule for names and for load balancers, which ask it of those only that have opened. Pure.</summary>
public static class ServingTasks
{
    /// <summary>As far as the task itself is concerned.</summary>
    public static bool IsAble(ContainerRecord task)
    {
        ArgumentNullException.ThrowIfNull(task);
        return task.IsUp && task.State == ContainerState.Ready;
    }

    /// <summary>
    /// Those that are able, run as far as is known here, and whose host is present. If no host of an able one is: all that are able. Those hosts may be down, or only cut off,
    /// and addresses that may answer are better than none.
    /// </summary>
    /// <param name="tasks">All of one service.</param>
    public static IReadOnlyCollection<ContainerRecord> Of(MirrorState state, IEnumerable<ContainerRecord> tasks)
    {
        ArgumentNullException.ThrowIfNull(state);
        var able = tasks.Where(task => IsAble(task) && state.Runs(task)).ToList();
        var present = able.Where(task => state.IsPresent(task.Host)).ToList();
        return present.Count > 0 ? present : able;
    }
}
