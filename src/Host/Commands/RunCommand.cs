using System.CommandLine;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow run</c>: the daemon, in the foreground, as systemd wants it.</summary>
public static class RunCommand
{
    public static Command Create()
    {
        var command = new Command("run", "Runs the daemon (the default). Options come from the environment and appsettings.json.");
        command.SetAction((_, ct) => Daemon.RunAsync(ct));
        return command;
    }
}
