namespace FlannelFlow.Workflows;

/// <summary>Identity of a workflow instance: 32 hex digits of a version 7 UUID, so ids sort by the time of their start.</summary>
public readonly record struct InstanceId(string Value)
{
    public override string ToString() => Value;
}
