namespace FlannelFlow.Host.Tests;

/// <summary>The files that documents and code are compared by.</summary>
internal static class Repository
{
    public static string Root { get; } = Above(new DirectoryInfo(AppContext.BaseDirectory));

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static string Above(DirectoryInfo folder) => File.Exists(Path.Combine(folder.FullName, "FlannelFlow.sln"))
        ? folder.FullName
        : Above(folder.Parent ?? throw new DirectoryNotFoundException("no FlannelFlow.sln above the tests"));
}
