using FlannelFlow.Linux.Namespaces;

namespace FlannelFlow.Linux.Tests.Namespaces;

public sealed class NetworkNamespaceTests
{
    [Fact]
    [Trait("Needs", "kernel")]
    public async Task Open_ByPathAndByThread_SameIdentity()
    {
        await using var ns = await TestNamespace.CreateAsync();
        using var again = NetworkNamespace.Open("/run/netns/" + ns.Name);
        using var home = NetworkNamespace.OfProcess(Environment.ProcessId);
        using var current = NetworkNamespace.Current();
        Assert.Equal(ns.Handle.Inode, again.Inode);
        Assert.Equal(home.Inode, current.Inode);
        Assert.NotEqual(home.Inode, again.Inode);
        Assert.Equal(ns.Handle.Inode, ns.Handle.Run(() =>
        {
            using var inside = NetworkNamespace.Current();
            return inside.Inode;
        }));
    }

    [Fact]
    [Trait("Needs", "kernel")]
    public async Task Run_Throws_CallerGetsTheSameException()
    {
        await using var ns = await TestNamespace.CreateAsync();
        var error = Assert.Throws<InvalidOperationException>(() => ns.Handle.Run<int>(() => throw new InvalidOperationException("inside")));
        Assert.Equal("inside", error.Message);
    }

    [Theory]
    [InlineData("/etc/hostname", "/etc/hostname is not a network namespace")]
    [InlineData("/proc/self/ns/mnt", "/proc/self/ns/mnt is not a network namespace")]
    public void Open_SomethingElse_SaysSo(string path, string message) => Assert.Equal(message, Assert.Throws<IOException>(() => NetworkNamespace.Open(path)).Message);

    [Fact]
    public void Open_NoSuchPath_IsNotFound() => Assert.ThrowsAny<IOException>(() => NetworkNamespace.Open("/run/netns/fft-none"));
}
