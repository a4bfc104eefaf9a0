using System.CommandLine;
using FlannelFlow.Host;
using FlannelFlow.Host.Commands;

// flannelflow            the daemon
// flannelflow run        the same
// flannelflow follow     the workflows of a running daemon, step by step
var root = new RootCommand("FlannelFlow: a Docker network and IPAM plugin whose every operation is a durable workflow.")
{
    RunCommand.Create(),
    FollowCommand.Create(),
};
root.SetAction((_, ct) => Daemon.RunAsync(ct));
return await root.Parse(args).InvokeAsync();
