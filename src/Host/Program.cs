using FlannelFlow.Host.Commands;

// flannelflow              the daemon
// flannelflow run          the same
// flannelflow follow       the workflows of a running daemon, step by step
// flannelflow workflows    … to see and to mend them
// flannelflow drains       the connection drains of all hosts
// flannelflow definitions  what they are made of
// flannelflow token        who may sign in to the dashboard and the API
// flannelflow plan         what an address space holds
// flannelflow drift        what differs on this host
// flannelflow doctor       what is well on this host, and what is not
// flannelflow configuration  all options
// flannelflow install      this host as FlannelFlow wants it; upgrade, uninstall
return await CommandTree.InvokeAsync(args);
