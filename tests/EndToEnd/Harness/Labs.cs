namespace FlannelFlow.EndToEnd.Tests.Harness;

public sealed class ThreeHosts : Lab
{
    protected override int Count => 3;

    protected override string Name => "three-hosts";
}

public sealed class OneHost : Lab
{
    protected override int Count => 1;

    protected override string Name => "one-host";

    /// <summary>The normal end state of CrashTests, reached without a crash; made by the first test that needs it.</summary>
    public Snapshot? Uncrashed { get; set; }
}

[CollectionDefinition(ThreeHostsCollection.Name)]
public sealed class ThreeHostsCollection : ICollectionFixture<ThreeHosts>
{
    public const string Name = "1 three hosts";
}

[CollectionDefinition(OneHostCollection.Name)]
public sealed class OneHostCollection : ICollectionFixture<OneHost>
{
    public const string Name = "2 one host";
}
