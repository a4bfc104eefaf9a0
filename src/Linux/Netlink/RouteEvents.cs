namespace FlannelFlow.Linux.Netlink;

/// <summary>Something changed in the kernel's tables. A hint to look again, not a log: what counts is the next dump.</summary>
public abstract record RouteEvent;

public sealed record LinkChanged(Link Link) : RouteEvent;

public sealed record LinkDeleted(Link Link) : RouteEvent;

public sealed record NeighbourChanged(Neighbour Neighbour, bool Deleted) : RouteEvent;

public sealed record ForwardingEntryChanged(ForwardingEntry Entry, bool Deleted) : RouteEvent;

public sealed record AddressChanged(InterfaceAddress Address, bool Deleted) : RouteEvent;

public sealed record RouteChanged(Route Route, bool Deleted) : RouteEvent;

/// <summary>The socket's buffer overflowed (ENOBUFS): any number of events is missing; dump everything anew.</summary>
public sealed record EventsLost : RouteEvent;

/// <summary>RTNLGRP_* that a subscription asks for.</summary>
[Flags]
public enum RouteEventGroups
{
    None = 0,
    Links = 1,
    /// <summary>ARP and FDB both.</summary>
    Neighbours = 2,
    Addresses = 4,
    Routes = 8,
    All = Links | Neighbours | Addresses | Routes,
}
