using System.CommandLine;

namespace FlannelFlow.Host.Commands;

/// <summary><c>flannelflow configuration</c>: the reference of all options. Needs no daemon.</summary>
internal static class ConfigurationCommand
{
    public static Command Create()
    {
        var command = new Command("configuration", "Prints all options of the daemon, with default and effect, as Markdown (docs/configuration.md).");
        command.SetAction(parsed => parsed.InvocationConfiguration.Output.Write(ConfigurationReference.Text()));
        return command;
    }
}
