using FlannelFlow.Host.Commands;

// flannelflow              the daemon
// flannelflow run          the same
// flannelflow follow       the workflows of a running daemon, step by step
// flannelflow workflows    … to see and to mend them
// flannelflow drains       the connection drains of all hosts
// flannelflow definitions  what they are made of
return await CommandTree.InvokeAsync(args);
