namespace FlannelFlow.Linux.Namespaces;

/// <summary>An open network namespace: the handle keeps it alive. Identity is the inode of nsfs (namespaces(7)).</summary>
public sealed class NetworkNamespace : IDisposable
{
    /// <summary>Opens <c>/run/docker/netns/…</c>, <c>/run/netns/NAME</c> or <c>/proc/PID/ns/net</c>.</summary>
    /// <exception cref="FileNotFoundException">No such path.</exception>
    public static NetworkNamespace Open(string path) => throw new NotImplementedException();

    public static NetworkNamespace OfProcess(int pid) => throw new NotImplementedException();

    /// <summary>The calling thread's.</summary>
    public static NetworkNamespace Current() => throw new NotImplementedException();

    /// <summary>What was opened, for messages.</summary>
    public string Path { get; } = "";

    /// <summary>Equal inodes: the same namespace (as long as both are open).</summary>
    public ulong Inode { get; }

    /// <summary>
    /// Runs <paramref name="create"/> inside, on a thread of its own that ends afterwards. Only for making sockets and other things that
    /// stay in their namespace: nothing asynchronous, no Process.Start, no logging, as threads begun inside would stay inside.
    /// </summary>
    public T Run<T>(Func<T> create) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
