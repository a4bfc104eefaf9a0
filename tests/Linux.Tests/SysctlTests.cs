namespace FlannelFlow.Linux.Tests;

public sealed class SysctlTests
{
    [Fact]
    [Trait("Needs", "kernel")]
    public async Task Ensure_InsideANamespace_ChangesThatOneOnly()
    {
        await using var ns = await TestNamespace.CreateAsync();
        const string path = "net/ipv4/conf/all/send_redirects";
        var home = Sysctl.Read(path);
        Assert.True(ns.Handle.Run(() => Sysctl.Read(path) == "1" ? Sysctl.Ensure(path, "0") : Sysctl.Ensure(path, "1")));
        var inside = ns.Handle.Run(() => Sysctl.Read(path));
        Assert.False(ns.Handle.Run(() => Sysctl.Ensure(path, inside)));
        Assert.Equal(inside, (await ns.Commands.RunCheckedAsync("cat", ["/proc/sys/" + path], null, TestNamespace.Ct)).Trim());
        Assert.Equal(home, Sysctl.Read(path));
    }

    [Fact]
    [Trait("Needs", "kernel")]
    public async Task Write_DeviceNameWithADot_AndRefusedValues_SayWhatWasTried()
    {
        await using var ns = await TestNamespace.CreateAsync();
        await ns.IpAsync("link add flannel.1 type bridge");
        const string path = "net/ipv6/conf/flannel.1/accept_ra";
        ns.Handle.Run(() => Sysctl.Ensure(path, "0"));
        Assert.Equal("0", ns.Handle.Run(() => Sysctl.Read(path)));
        var refused = Assert.Throws<IOException>(() => ns.Handle.Run(() => Sysctl.Ensure(path, "many")));
        Assert.StartsWith($"writing sysctl {path}=many: ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NoSuchSetting_SaysSo()
    {
        var error = Assert.Throws<IOException>(() => Sysctl.Read("net/ipv4/vs/no_such"));
        Assert.Equal("reading sysctl net/ipv4/vs/no_such: no such setting (is its module loaded?)", error.Message);
        Assert.Null(Sysctl.Find("net/ipv4/vs/no_such"));
        Assert.Throws<ArgumentException>(() => Sysctl.Read("../self/stat"));
    }

    [Fact]
    public void HostIdentity_Read_IsStableAndWhole()
    {
        Assert.Equal(HostIdentity.Read(), HostIdentity.Read());
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(), HostIdentity.Read().BootId.ToString());
        Assert.NotEmpty(HostIdentity.Read().HostName);
    }
}
