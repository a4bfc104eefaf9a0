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

/// <summary>Three hosts whose containers run under the runtime wrapper, with a web server and clients in the image.</summary>
public sealed class DrainingHosts : Lab
{
    protected override int Count => 3;

    protected override string Name => "draining";

    protected override string Tools => Path.Combine(Run.Root, "artifacts/traffic/traffic");

    protected override string DockerdOptions => $"--add-runtime flannelflow={Path.Combine(Run.Daemon, "flannelflow-runc")} --default-runtime flannelflow";
}

[CollectionDefinition(DrainingHostsCollection.Name)]
public sealed class DrainingHostsCollection : ICollectionFixture<DrainingHosts>
{
    public const string Name = "3 draining hosts";
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
