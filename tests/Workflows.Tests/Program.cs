using FlannelFlow.Workflows.Tests.Kills;
using Xunit.Runner.InProc.SystemConsole;

// The program under test in KillTests, or, without "victim", the test runner.
return args is ["victim", string folder, string crashPoint]
    ? await Victim.RunAsync(folder, crashPoint)
    : await ConsoleRunner.Run(args);
