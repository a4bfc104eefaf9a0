using FlannelFlow.Workflows;

namespace FlannelFlow.Dashboard.Drawing;

/// <param name="Type">Of the activity.</param>
/// <param name="IsStep">False: a gateway, which has no effect.</param>
internal sealed record GraphNode(string Id, string Type, double X, double Y, bool IsStep)
{
    public const double Width = 190;
    public const double Height = 44;
}

/// <param name="IsBack">It leads upwards, in a loop.</param>
internal sealed record GraphEdge(double X1, double Y1, double X2, double Y2, string Label, bool IsBack);

/// <summary>A frame around a container that is not just a sequence.</summary>
internal sealed record GraphFrame(string Label, double X, double Y, double Width, double Height);

/// <summary>Where each activity of a definition stands in the drawing. Pure; all numbers are pixels.</summary>
internal sealed class GraphLayout
{
    private const double Gap = 26;
    private const double Margin = 14;
    private const double Title = 18;
    private readonly List<GraphNode> _nodes = [];
    private readonly List<GraphEdge> _edges = [];
    private readonly List<GraphFrame> _frames = [];

    private GraphLayout()
    {
    }

    public IReadOnlyList<GraphNode> Nodes => _nodes;

    public IReadOnlyList<GraphEdge> Edges => _edges;

    public IReadOnlyList<GraphFrame> Frames => _frames;

    public double Width { get; private set; }

    public double Height { get; private set; }

    public static GraphLayout Of(WorkflowDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        var layout = new GraphLayout();
        var size = Measure(definition.Root);
        layout.Place(definition.Root, Margin, Margin);
        layout.Width = size.Width + 2 * Margin;
        layout.Height = size.Height + 2 * Margin;
        return layout;
    }

    private static (double Width, double Height) Measure(ActivityDefinition activity) => activity switch
    {
        SequenceDefinition sequence => Column(sequence.Activities),
        ForkDefinition fork => Framed(Row(fork.Branches)),
        IfDefinition choice => Framed(Row(Branches(choice).Select(branch => branch.Activity))),
        ForEachDefinition each => Framed(Measure(each.Body)),
        FlowchartDefinition chart => Framed(Column(chart.Activities)),
        _ => (GraphNode.Width, GraphNode.Height),
    };

    private static (double Width, double Height) Column(IEnumerable<ActivityDefinition> activities)
    {
        var sizes = activities.Select(Measure).ToList();
        return sizes.Count == 0 ? (GraphNode.Width, 0) : (sizes.Max(size => size.Width), sizes.Sum(size => size.Height) + Gap * (sizes.Count - 1));
    }

    private static (double Width, double Height) Row(IEnumerable<ActivityDefinition> activities)
    {
        var sizes = activities.Select(Measure).ToList();
        return sizes.Count == 0 ? (GraphNode.Width, 0) : (sizes.Sum(size => size.Width) + Gap * (sizes.Count - 1), sizes.Max(size => size.Height));
    }

    private static (double Width, double Height) Framed((double Width, double Height) inner) => (inner.Width + 2 * Margin, inner.Height + 2 * Margin + Title);

    private static IEnumerable<(string Label, ActivityDefinition Activity)> Branches(IfDefinition choice)
    {
        if (choice.Then is { } then) yield return ("then", then);
        if (choice.Else is { } otherwise) yield return ("else", otherwise);
    }

    private void Place(ActivityDefinition activity, double x, double y)
    {
        var (width, height) = Measure(activity);
        switch (activity)
        {
            case SequenceDefinition sequence:
                PlaceColumn(sequence.Activities, x, y, width, connects: true);
                break;
            case ForkDefinition fork:
                Frame($"{fork.Id}: at once{(fork.Join == JoinMode.WaitAny ? ", until the first is done" : "")}");
                PlaceRow(fork.Branches);
                break;
            case IfDefinition choice:
                Frame($"{choice.Id}: {string.Join(" | ", Branches(choice).Select(branch => branch.Label))}");
                PlaceRow([.. Branches(choice).Select(branch => branch.Activity)]);
                break;
            case ForEachDefinition each:
                Frame($"{each.Id}: for each");
                Place(each.Body, x + Margin, y + Margin + Title);
                break;
            case FlowchartDefinition chart:
                Frame(chart.Id);
                PlaceColumn(chart.Activities, x + Margin, y + Margin + Title, width - 2 * Margin, connects: false);
                Connect(chart);
                break;
            default:
                _nodes.Add(new GraphNode(activity.Id, activity.Type, x, y, activity is StepDefinition));
                break;
        }

        void Frame(string label) => _frames.Add(new GraphFrame(label, x, y, width, height));

        void PlaceRow(IReadOnlyList<ActivityDefinition> branches)
        {
            var left = x + Margin;
            foreach (var branch in branches)
            {
                Place(branch, left, y + Margin + Title);
                left += Measure(branch).Width + Gap;
            }
        }
    }

    private void PlaceColumn(IReadOnlyList<ActivityDefinition> activities, double x, double y, double width, bool connects)
    {
        for (var i = 0; i < activities.Count; i++)
        {
            var size = Measure(activities[i]);
            Place(activities[i], x + (width - size.Width) / 2, y);
            y += size.Height;
            if (connects && i < activities.Count - 1) _edges.Add(new GraphEdge(x + width / 2, y, x + width / 2, y + Gap, "", IsBack: false));
            y += Gap;
        }
    }

    /// <summary>Downwards between neighbours, in a bow beside the column otherwise.</summary>
    private void Connect(FlowchartDefinition chart)
    {
        var places = _nodes.ToDictionary(node => node.Id, StringComparer.Ordinal);
        foreach (var way in chart.Connections)
        {
            if (!places.TryGetValue(way.Source, out var from) || !places.TryGetValue(way.Target, out var to)) continue;
            var label = way.Port == FlowchartDefinition.Done ? "" : way.Port;
            _edges.Add(new GraphEdge(
                from.X + GraphNode.Width / 2, from.Y + GraphNode.Height, to.X + GraphNode.Width / 2, to.Y, label, to.Y <= from.Y || to.Y - from.Y > GraphNode.Height + Gap + 1));
        }
    }
}
