using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Tests;

public sealed class DefinitionsTests
{
    internal static string Folder { get; } = FindFolder();

    [Fact]
    public void Definitions_OfThisRepository_Load()
    {
        var definitions = DefinitionLoader.LoadFolder(Folder, Catalog());
        Assert.Equal(
            [
                "address-release", "backend-add", "backend-remove", "balancing-mend", "balancing-read", "cluster-mend", "connection-drain", "endpoint-dns", "endpoint-join",
                "endpoint-leave", "endpoint-mend",
                "network-allocate", "network-create", "network-free", "network-idle", "network-remove", "network-restore", "network-resume",
                "pool-allocate", "pool-release", "restore", "service-publish", "service-withdraw", "sync",
            ],
            definitions.Select(definition => definition.Id).Order(StringComparer.Ordinal));
    }

    /// <summary>
    /// A failed network-create leaves nothing on the host: every step that makes something here is compensated. network-restore serves
    /// containers that run, so it compensates nothing.
    /// </summary>
    [Fact]
    public void NetworkCreateAndRestore_SameSteps_OnlyCreateCompensates()
    {
        var definitions = DefinitionLoader.LoadFolder(Folder, Catalog()).ToDictionary(definition => definition.Id);
        var create = definitions["network-create"];
        var restore = definitions["network-restore"];
        Assert.Equal(create.Steps.Select(step => (step.Id, step.Type)), restore.Steps.Select(step => (step.Id, step.Type)));
        Assert.Equal(
            ["write-flannel-env", "start-flannel", "create-bridge", "install-forwarding-rules"],
            create.Steps.Where(step => step.Compensate).Select(step => step.Id));
        Assert.DoesNotContain(restore.Steps, step => step.Compensate);
        Assert.Equal((FaultPolicy.Compensate, FaultPolicy.Suspend), (create.OnFault, restore.OnFault));
    }

    [Theory]
    [InlineData("network-create", "net/{NetworkId} Exclusive")]
    [InlineData("network-remove", "net/{NetworkId} Exclusive")]
    [InlineData("endpoint-join", "ep/{EndpointId} Exclusive, net/{NetworkId} Shared")]
    [InlineData("endpoint-dns", "dns/{EndpointId} Exclusive")]
    [InlineData("endpoint-leave", "ep/{EndpointId} Exclusive, net/{NetworkId} Shared")]
    [InlineData("endpoint-mend", "ep/{EndpointId} Exclusive, net/{NetworkId} Shared")]
    [InlineData("service-publish", "net/{NetworkId} Shared, balancing/{NetworkId} Exclusive")]
    [InlineData("service-withdraw", "net/{NetworkId} Shared, balancing/{NetworkId} Exclusive")]
    [InlineData("connection-drain", "backend/{ServiceId}/{NetworkId}/{Address} Exclusive")]
    [InlineData("backend-add", "net/{NetworkId} Shared, balancing/{NetworkId} Shared, backend/{ServiceId}/{NetworkId}/{Address} Exclusive")]
    [InlineData("backend-remove", "net/{NetworkId} Shared, balancing/{NetworkId} Shared, backend/{ServiceId}/{NetworkId}/{Address} Exclusive")]
    public void Lanes_OfNetworksAndEndpoints_KeepThemApart(string definitionId, string lanes)
    {
        var definition = DefinitionLoader.LoadFolder(Folder, Catalog()).Single(candidate => candidate.Id == definitionId);
        Assert.Equal(lanes, string.Join(", ", definition.Lanes.Select(lane => $"{lane.Key} {lane.Mode}")));
    }

    // Loading looks at types and properties only; nothing is executed.
    internal static ActivityCatalog Catalog() =>
        new ActivitySet(null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!, null!).Catalog();

    private static string FindFolder()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "FlannelFlow.sln")))
            directory = directory.Parent ?? throw new DirectoryNotFoundException("no FlannelFlow.sln above the tests");
        return Path.Combine(directory.FullName, "workflows");
    }
}
