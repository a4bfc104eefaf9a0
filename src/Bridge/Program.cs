using System.Globalization;
using System.Runtime.InteropServices;
using FlannelFlow.Bridge;

var log = new BridgeLog(Console.OpenStandardError());
var wrong = new List<string>();
var options = BridgeOptions.Read(Environment.GetEnvironmentVariable, wrong);
foreach (var line in wrong)
    log.Error(line);

// As PID 1 of the plugin the process gets no default action for signals: without a handler, SIGTERM would do nothing.
using var stop = new CancellationTokenSource();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);

var idPrefix = new Random().NextInt64().ToString("x16", CultureInfo.InvariantCulture);
try
{
    await new BridgeServer(options, idPrefix, TimeProvider.System, log).RunAsync(listening: static () => { }, stop.Token);
    return 0;
}
catch (Exception fault) when (fault is IOException or System.Net.Sockets.SocketException or UnauthorizedAccessException)
{
    log.Error($"listening on {options.ListenSocket}: {fault.Message}");
    return 1;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    log.Info("stopping", ("signal", signal.Signal.ToString()));
    stop.Cancel();
}
