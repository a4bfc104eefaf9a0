using System.CommandLine;

namespace FlannelFlow.Host.Commands;

/// <summary>The program's commands. Exit codes: 0 done, 1 refused or failed, 2 not understood, 78 the daemon's configuration.</summary>
public static class CommandTree
{
    public const int Failed = 1;
    public const int Usage = 2;

    /// <summary>The daemon is the default.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand("FlannelFlow: a Docker network and IPAM plugin whose every operation is a durable workflow.")
        {
            RunCommand.Create(),
            FollowCommand.Create(),
            WorkflowsCommand.Create(),
            DefinitionsCommand.Create(),
            DrainsCommand.Create(),
            TokenCommand.Create(),
            PlanCommand.Create(),
            InstallCommand.CreateInstall(),
            InstallCommand.CreateUpgrade(),
            InstallCommand.CreateUninstall(),
            DriftCommand.Create(),
            DoctorCommand.Create(),
            ConfigurationCommand.Create(),
        };
        root.SetAction((_, ct) => Daemon.RunAsync(ct));
        return root;
    }

    public static async Task<int> InvokeAsync(string[] args, InvocationConfiguration? configuration = null)
    {
        var parsed = Create().Parse(args);
        var code = await parsed.InvokeAsync(configuration);
        return parsed.Errors.Count > 0 ? Usage : code;
    }
}
