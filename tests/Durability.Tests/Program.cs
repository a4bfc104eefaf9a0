using System.Globalization;
using FlannelFlow.Durability.Tests;
using FlannelFlow.Durability.Tests.Crashes;
using FlannelFlow.Durability.Tests.Journals;
using FlannelFlow.Durability.Tests.Kills;
using FlannelFlow.Durability.Tests.PowerLoss;
using FlannelFlow.Durability.Tests.Simulation;
using Xunit.Runner.InProc.SystemConsole;

// A campaign of tests/campaigns, or the test runner.
try
{
    return args switch
    {
        ["crash", .. var options] => await CrashCommand.RunAsync(new Arguments(options, "--scenario", "--at", "--then", "--every", "--parallel")),
        ["kill", .. var options] => await KillCommand.RunAsync(new Arguments(options, "--cycles", "--seed", "--folder")),
        ["powerloss", .. var options] => await PowerLossCommand.RunAsync(new Arguments(options, "--images", "--cuts", "--seed")),
        ["record", .. var options] => await RecordCommand.RunAsync(new Arguments(options, "--folder", "--version")),
        ["simulate", .. var options] => await SimulationCommand.RunAsync(new Arguments(options, "--from", "--seeds", "--parallel")),
        ["agree", var folder, var kills] => await KillCommand.AgreeAsync(folder, int.Parse(kills, CultureInfo.InvariantCulture)),
        ["victim", .. var arguments] => await Victim.RunAsync(arguments),
        _ => await ConsoleRunner.Run(args),
    };
}
catch (ArgumentException e)
{
    await Console.Error.WriteLineAsync($"{args[0]}: {e.Message}");
    return 2;
}
