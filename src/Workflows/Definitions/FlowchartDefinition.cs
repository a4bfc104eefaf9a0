namespace FlannelFlow.Workflows;

/// <summary>A way from a node's port to another node.</summary>
public sealed record FlowConnection(string Source, string Port, string Target);

/// <summary>Elsa.Flowchart: nodes and the ways between them; loops are allowed.</summary>
/// <remarks>
/// A token runs along the connections. Ways that part run at once; where ways meet, a node waits for every token that can still reach
/// it, and runs once for all of them. The chart is done when no token is left.
/// </remarks>
public sealed record FlowchartDefinition(
    string Id, IReadOnlyList<ActivityDefinition> Activities, IReadOnlyList<FlowConnection> Connections, string Start) : ActivityDefinition(Id, ElsaTypes.Flowchart)
{
    public const string Done = "Done";
    public const string True = "True";
    public const string False = "False";

    private readonly ILookup<string, FlowConnection> _from = Connections.ToLookup(c => c.Source, StringComparer.Ordinal);

    internal override IEnumerable<ActivityDefinition> Children => Activities;

    internal ActivityDefinition Activity(string id) => Activities.First(a => a.Id == id);

    internal IEnumerable<string> Targets(string source, string port) =>
        _from[source].Where(c => c.Port == port).Select(c => c.Target);

    /// <summary>Whether some way of at least one connection leads there, through none of the nodes that are closed.</summary>
    internal bool CanReach(string from, string to, IReadOnlyCollection<string> closed)
    {
        var seen = new HashSet<string>(closed, StringComparer.Ordinal);
        var open = new Stack<string>(_from[from].Select(c => c.Target));
        while (open.TryPop(out string? id))
        {
            if (id == to) return true;
            if (!seen.Add(id)) continue;
            foreach (FlowConnection connection in _from[id]) open.Push(connection.Target);
        }
        return false;
    }

    internal static IReadOnlyList<string> PortsOf(ActivityDefinition node) => node switch
    {
        GatewayDefinition { Type: ElsaTypes.FlowDecision } => [True, False],
        GatewayDefinition { Type: ElsaTypes.End } => [],
        _ => [Done],
    };
}
