using System.Text;
using FlannelFlow.Cluster.Addressing;

namespace FlannelFlow.Flanneld.Leases;

/// <summary>subnet.env in flannel's form (flannel pkg/subnet/subnet.go, WriteSubnetFile).</summary>
internal static class SubnetFile
{
    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <param name="mtu">The vxlan device's.</param>
    public static string Text(IPv4Network network, IPv4Network subnet, int mtu) =>
        $"FLANNEL_NETWORK={network}\nFLANNEL_SUBNET={subnet.FirstUsable}/{subnet.Length}\nFLANNEL_MTU={mtu}\nFLANNEL_IPMASQ=false\n";

    /// <summary>Replaces it as a whole: readers see the old one or the new one, also after a crash.</summary>
    public static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var unfinished = path + ".new";
        using (var file = new FileStream(unfinished, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Write(Encoding.ASCII.GetBytes(text));
            file.Flush(flushToDisk: true);
        }
        if (OperatingSystem.IsLinux()) File.SetUnixFileMode(unfinished, Readable);   // whatever the umask
        File.Move(unfinished, path, overwrite: true);
    }

    /// <summary>The subnet that was leased when the file was written; null if there is no file or no such line.</summary>
    public static IPv4Network? PreviousSubnet(string path)
    {
        try
        {
            return PreviousSubnetIn(File.ReadLines(path));
        }
        catch (IOException)
        {
            return null;
        }
    }

    public static IPv4Network? PreviousSubnetIn(IEnumerable<string> lines)
    {
        const string name = "FLANNEL_SUBNET=";
        var line = lines.FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        return line is not null && IPv4Network.TryParseMasked(line[name.Length..].Trim(), out var subnet, out _) ? subnet : null;
    }
}
