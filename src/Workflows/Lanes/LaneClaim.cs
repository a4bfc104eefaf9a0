namespace FlannelFlow.Workflows;

public enum LaneMode
{
    Shared,
    Exclusive,
}

/// <summary>A claim on a lane, such as Exclusive <c>net/4f2a</c>, held by an instance until it is terminal.</summary>
public sealed record LaneClaim(string Key, LaneMode Mode);

/// <summary>A claim of a definition; {Name} stands for the workflow input of that name.</summary>
public sealed record LaneTemplate(string Key, LaneMode Mode);
