using System.Reflection;
using System.Runtime.InteropServices;
using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Flanneld;
using FlannelFlow.Flanneld.CommandLine;
using FlannelFlow.Flanneld.Logging;
using FlannelFlow.Flanneld.Readiness;
using FlannelFlow.Linux.Netlink;
using Microsoft.Extensions.Logging;

var (options, problems) = CommandLineParser.Parse(args, Environment.GetEnvironmentVariable);
if (options.Help)
{
    await Console.Out.WriteAsync(CommandLineParser.Usage());
    return ExitCodes.Asked;
}
if (options.Version)
{
    await Console.Error.WriteLineAsync($"FlannelFlow {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
    return ExitCodes.Asked;
}

var etcdOptions = new EtcdOptions
{
    Endpoints = [.. options.EtcdEndpoints.Select(e => e.GetLeftPart(UriPartial.Authority))],
    Tls = options.EtcdAuthorityFile is null && options.EtcdCertificateFile is null
        ? null
        : new EtcdTlsOptions(options.EtcdAuthorityFile, options.EtcdCertificateFile, options.EtcdKeyFile),
    Credentials = options.EtcdUsername is null ? null : new EtcdCredentials(options.EtcdUsername, options.EtcdPassword ?? ""),
};
problems = [.. problems, .. problems.Count == 0 ? etcdOptions.Validate() : []];
if (problems.Count > 0)
{
    foreach (var problem in problems) await Console.Error.WriteLineAsync($"flanneld: {problem}");
    await Console.Error.WriteLineAsync("flanneld: -help lists the flags");
    return ExitCodes.BadCommandLine;
}

var time = TimeProvider.System;
var log = new LineLog(Console.Error, options.Verbosity > 0 ? LogLevel.Debug : LogLevel.Information, time);
using var end = new CancellationTokenSource();
void Ask(PosixSignalContext signal)
{
    signal.Cancel = true;   // not the runtime's way of ending, ours
    log.LogInformation("{Signal}: ending, the data plane and the lease stay", signal.Signal);
    end.Cancel();
}
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask);

var notifier = new ServiceNotifier(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), log);
try
{
    using var kernel = RouteNetlink.Open();
    await using var etcd = new EtcdStore(etcdOptions, time, new LineLog<EtcdStore>(log));
    await new Agent(options, etcd, kernel, notifier, time, new Random(), log).RunAsync(end.Token);
    return ExitCodes.Asked;
}
catch (OperationCanceledException) when (end.IsCancellationRequested)
{
    notifier.Stopping();
    return ExitCodes.Asked;
}
catch (FlanneldException e)
{
    log.LogError("{Reason}", e.Message);
    notifier.Status(e.Message);
    return e.ExitCode;
}
catch (NetlinkException e)
{
    log.LogError("{Reason}", e.Message);
    notifier.Status(e.Message);
    return ExitCodes.Failed;
}
