namespace FlannelFlow.Linux.Netlink;

/// <summary>The kernel refused a request, or answered something that is not netlink. Message: "act object: ERRNO: kernel's words".</summary>
public sealed class NetlinkException : Exception
{
    public NetlinkException(string act, int errno, string? kernelMessage)
        : base(kernelMessage is null ? $"{act}: {Interop.Errno.Name(errno)}" : $"{act}: {Interop.Errno.Name(errno)}: {kernelMessage}")
    {
        Act = act;
        Errno = errno;
        KernelMessage = kernelMessage;
    }

    /// <summary>What was asked, "adding link flannel.6514".</summary>
    public string Act { get; }

    /// <summary>Positive errno; EPROTO for a malformed answer.</summary>
    public int Errno { get; }

    public string ErrnoName => Interop.Errno.Name(Errno);

    /// <summary>NLMSGERR_ATTR_MSG, e.g. "A VXLAN device with the specified VNI already exists".</summary>
    public string? KernelMessage { get; }
}
