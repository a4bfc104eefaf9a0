namespace FlannelFlow.Linux;

/// <summary>Which machine, and which run of it.</summary>
/// <param name="HostName">The kernel's, whole: Environment.MachineName cuts it at the first dot.</param>
/// <param name="BootId">Another one after each boot; pids and kernel objects of another boot mean nothing.</param>
public sealed record HostIdentity(string HostName, Guid BootId)
{
    public static HostIdentity Read() => new(Sysctl.Read("kernel/hostname"), Guid.Parse(Sysctl.Read("kernel/random/boot_id")));
}
