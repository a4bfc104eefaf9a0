using FlannelFlow.Cluster.Etcd;
using Microsoft.Extensions.Configuration;

namespace FlannelFlow.Host.Tests;

public sealed class ConfigurationTests
{
    private static readonly string ExistingFile = Environment.ProcessPath!;

    [Fact]
    public void Read_NothingSet_GivesTheDefaultsOfTheReference()
    {
        var options = Read([]);

        Assert.Equal("/var/lib/flannelflow", options.StateDirectory);
        Assert.Equal("/var/lib/flannelflow/plugin/daemon.sock", options.Plugin.Socket);
        Assert.Equal(TimeSpan.FromSeconds(25), options.Plugin.CallTimeout);
        Assert.Equal("10.128.0.0/12", options.Addresses.AvailableSubnets);
        Assert.Equal((20, 25, 6514), (options.Addresses.NetworkSubnetSize, options.Addresses.DefaultHostSubnetSize, options.Addresses.VniStart));
        Assert.Empty(options.Etcd.Endpoints);
        Assert.Equal(["http://127.0.0.1:12379"], EmbeddedEtcd.EndpointsOf(options));
        Assert.False(options.StopsChildren);
    }

    [Fact]
    public void Read_ManyMistakes_NamesThemAllAtOnce()
    {
        var refused = Assert.Throws<ConfigurationException>(() => Read(new()
        {
            ["STATE_DIRECTORY"] = "var/lib",
            ["AVAILABLE_SUBNETS"] = "10.1.2.3/16",
            ["VNI_START"] = "lots",
            ["ETCD_ENDPOINTS"] = "10.0.0.1:2379",
            ["ETCD_PREFIX"] = "flannelflow",
            ["PLUGIN_CALL_TIMEOUT"] = "90",
            ["LOG_LEVEL"] = "loud",
            ["CHILDREN_ON_STOP"] = "maybe",
            ["DOCKER_HOST"] = "docker",
            ["Flannel:Binary"] = "/nowhere/flanneld",
        }));

        Assert.Equal(
            [
                "STATE_DIRECTORY: \"var/lib\" is not an absolute path",
                "DOCKER_HOST: \"docker\" is not an address of the form unix://, tcp://, http://, https://",
                "LOG_LEVEL: \"loud\" is none of Verbose, Debug, Information, Warning, Error",
                "PLUGIN_CALL_TIMEOUT: \"90\" is not a number of seconds from 1 to 29",
                "ETCD_ENDPOINTS: \"10.0.0.1:2379\" is not of the form http://HOST:PORT or https://HOST:PORT",
                "ETCD_PREFIX: \"flannelflow\" must begin with / and name at least one level, like /flannelflow",
                "Flannel:Binary: there is no file /nowhere/flanneld",
                "CHILDREN_ON_STOP: \"maybe\" is none of keep, stop",
                "VNI_START: \"lots\" is not a whole number from 1 to 9999999",
            ],
            refused.Problems.Take(9));
        Assert.Contains(refused.Problems, problem => problem.StartsWith("AVAILABLE_SUBNETS: ", StringComparison.Ordinal));
        Assert.All(refused.Problems, problem => Assert.Contains(problem, refused.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318", "http://collector:4318/v1/traces")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=https://collector/otlp/", "https://collector/otlp/v1/traces")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1;OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://b:2/x", "http://b:2/x")]
    [InlineData("OTEL_TRACES_EXPORTER=otlp", "http://localhost:4318/v1/traces")]
    [InlineData("OTEL_TRACES_EXPORTER=none;OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", null)]
    [InlineData("OTEL_SDK_DISABLED=true;OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1", null)]
    public void Tracing_HasOpenTelemetrysOwnOptions(string settings, string? endpoint) =>
        Assert.Equal(endpoint, Read(Given(settings)).Tracing?.Endpoint.ToString());

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: \"collector:4318\" is not of the form http://HOST:PORT or https://HOST:PORT")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1;OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\" is not http/protobuf, the only one there is here")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1;OTEL_EXPORTER_OTLP_TIMEOUT=soon", "OTEL_EXPORTER_OTLP_TIMEOUT: \"soon\" is not a number of milliseconds")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:1;OTEL_EXPORTER_OTLP_HEADERS=token", "OTEL_EXPORTER_OTLP_HEADERS: \"token\" is not of the form NAME=VALUE")]
    [InlineData("ENCRYPTION_PORT=8472", "ENCRYPTION_PORT: 8472 is that of unencrypted networks")]
    [InlineData("ENCRYPTION_PORT=7946", "ENCRYPTION_PORT: 7946 is that of Docker's gossip between nodes")]
    [InlineData("ENCRYPTION_PORT=4789", "ENCRYPTION_PORT: 4789 is that of Docker's overlay networks")]
    [InlineData("ENCRYPTION_ROTATION=1", "ENCRYPTION_ROTATION: \"1\" is not a number of seconds from 30 to 2592000")]
    [InlineData("OTEL_TRACES_EXPORTER=zipkin", "OTEL_TRACES_EXPORTER: \"zipkin\" is neither otlp nor none")]
    public void Tracing_OptionsThatCannotBe_AreRefusedInWords(string settings, string problem) =>
        Assert.Equal([problem], Assert.Throws<ConfigurationException>(() => Read(Given(settings))).Problems);

    private static Dictionary<string, string?> Given(string settings) =>
        settings.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(one => one.Split('=', 2)).ToDictionary(one => one[0], string? (one) => one[1]);

    [Theory]
    [InlineData("off", "auto", null)]
    [InlineData("127.0.0.1:8514", "auto", null)]
    [InlineData("localhost:8514", "operator", null)]
    [InlineData("[::1]:8514", "none", null)]
    [InlineData("everywhere", "auto", "DASHBOARD_ADDRESS: \"everywhere\" is neither off nor of the form 127.0.0.1:8514 or [::1]:8514")]
    [InlineData("0.0.0.0:8514", "auto", "DASHBOARD_ADDRESS: 0.0.0.0:8514 is not loopback: it needs DASHBOARD_CERTIFICATE and DASHBOARD_CERTIFICATE_KEY, or whoever listens on the way reads along")]
    [InlineData("10.0.0.1:8514", "viewer", "DASHBOARD_ANONYMOUS: viewer is for loopback only; at 10.0.0.1:8514 everybody signs in")]
    public void Dashboard_IsOpenOnLoopbackOnly(string address, string anonymous, string? problem)
    {
        var values = new Dictionary<string, string?> { ["DASHBOARD_ADDRESS"] = address, ["DASHBOARD_ANONYMOUS"] = anonymous };
        if (problem is null) Read(values);
        else Assert.Contains(problem, Assert.Throws<ConfigurationException>(() => Read(values)).Problems);
    }

    [Fact]
    public void Dashboard_NotOnLoopback_HasNoAnonymousRole()
    {
        var options = Read(new()
        {
            ["DASHBOARD_ADDRESS"] = "10.0.0.1:8514",
            ["DASHBOARD_CERTIFICATE"] = ExistingFile,
            ["DASHBOARD_CERTIFICATE_KEY"] = ExistingFile,
        });
        Assert.Null(options.Access.Anonymous);
        Assert.Equal(Cluster.Access.Role.Viewer, Read([]).Access.Anonymous);
    }

    [Fact]
    public void Read_EtcdWithTlsAndPassword_IsTakenWhole_OrRefusedInWords()
    {
        using var password = new TemporaryFile("secret\n");
        var etcd = Read(new()
        {
            ["ETCD_ENDPOINTS"] = "https://10.0.0.1:2379",
            ["ETCD_CA_FILE"] = ExistingFile,
            ["ETCD_CERT_FILE"] = ExistingFile,
            ["ETCD_KEY_FILE"] = ExistingFile,
            ["ETCD_USERNAME"] = "flannelflow",
            ["ETCD_PASSWORD_FILE"] = password.Path,
        }).Etcd;
        Assert.Equal(new EtcdTlsOptions(ExistingFile, ExistingFile, ExistingFile), etcd.Tls);
        Assert.Equal(new EtcdCredentials("flannelflow", "secret"), etcd.Credentials);
        Assert.DoesNotContain("secret", etcd.ToString(), StringComparison.Ordinal);

        var refused = Assert.Throws<ConfigurationException>(() => Read(new()
        {
            ["ETCD_ENDPOINTS"] = "http://10.0.0.1:2379, https://10.0.0.2:2379",
            ["ETCD_CA_FILE"] = "/nowhere/ca.pem",
            ["ETCD_CERT_FILE"] = ExistingFile,
            ["ETCD_USERNAME"] = "flannelflow",
        }));
        Assert.Equal(
            [
                "ETCD_CA_FILE: there is no file /nowhere/ca.pem",
                "ETCD_CERT_FILE and ETCD_KEY_FILE belong together: one of them is missing",
                "ETCD_ENDPOINTS: \"http://10.0.0.1:2379\" is plain http, although TLS files are configured",
                "ETCD_USERNAME and ETCD_PASSWORD_FILE belong together: one of them is missing",
            ],
            refused.Problems);
    }

    private static FlannelFlowOptions Read(Dictionary<string, string?> values)
    {
        values.TryAdd("Flannel:Binary", ExistingFile);
        return new ConfigurationReader(new ConfigurationBuilder().AddInMemoryCollection(values).Build()).Read();
    }

    private sealed class TemporaryFile : IDisposable
    {
        public TemporaryFile(string text) => File.WriteAllText(Path, text);

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
