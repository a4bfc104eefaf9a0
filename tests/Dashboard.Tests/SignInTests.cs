using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using FlannelFlow.Cluster.Access;
using FlannelFlow.Cluster.Tests.Support;
using FlannelFlow.Dashboard.Tests.Support;
using FlannelFlow.Host.Access;
using FlannelFlow.Operations.Access;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>A dashboard where nobody is anybody without a token, over TLS.</summary>
[Trait("Needs", "etcd")]
public sealed partial class SignInTests(EtcdProcess etcd) : IClassFixture<EtcdProcess>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WithoutAToken_ThereIsOnlyTheSignIn_AndItsCookieOpensThePagesOnly()
    {
        var folder = Directory.CreateTempSubdirectory("fft-tls-").FullName;
        var (certificate, key) = (Path.Combine(folder, "cert.pem"), Path.Combine(folder, "key.pem"));
        using (var rsa = RSA.Create(2048))
        using (var made = new CertificateRequest("CN=localhost", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1)))
        {
            await File.WriteAllTextAsync(certificate, made.ExportCertificatePem(), Ct);
            await File.WriteAllTextAsync(key, rsa.ExportPkcs8PrivateKeyPem(), Ct);
        }

        await using var host = await TestHost.StartAsync(
            etcd, etcd.NewKeys(), "n1",
            new Dictionary<string, string?> { ["DASHBOARD_ANONYMOUS"] = "none", ["DASHBOARD_CERTIFICATE"] = certificate, ["DASHBOARD_CERTIFICATE_KEY"] = key }, Ct);
        Directory.Delete(folder, recursive: true);
        var token = await host.TokenAsync("vera", Role.Viewer, Ct);
        using var client = host.Client();

        // 1. Nothing without a token.
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("/api/v1/hosts"));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("/metrics"));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("/_blazor"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/health/live"));
        using (var page = await client.GetAsync(new Uri("/networks?x=1", UriKind.Relative), Ct))
            Assert.Equal("/sign-in?to=%2Fnetworks%3Fx%3D1", page.Headers.Location?.OriginalString);

        // 2. The form, its own cookie, and the token make a session.
        using var form = await client.GetAsync(new Uri("/sign-in", UriKind.Relative), Ct);
        var antiforgery = FormToken().Match(await form.Content.ReadAsStringAsync(Ct)).Groups[1].Value;
        using var signIn = new HttpRequestMessage(HttpMethod.Post, new Uri("/sign-in", UriKind.Relative))
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["__RequestVerificationToken"] = antiforgery, ["token"] = token.Text, ["to"] = "/networks" }),
        };
        signIn.Headers.Add("Cookie", CookieOf(form));
        using var signedIn = await client.SendAsync(signIn, Ct);
        Assert.Equal("/networks", signedIn.Headers.Location?.OriginalString);
        var said = Assert.Single(signedIn.Headers.GetValues("Set-Cookie"), cookie => cookie.StartsWith("flannelflow=", StringComparison.Ordinal));
        Assert.All(["secure", "httponly", "samesite=strict"], flag => Assert.Contains(flag, said, StringComparison.OrdinalIgnoreCase));

        // 3. It opens the pages, not the API, and ends with the token.
        var session = said.Split(';')[0];
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/networks", session));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("/api/v1/hosts", session));
        await etcd.Store.DeleteAsync(FlannelFlow.Cluster.Etcd.EtcdKeys.One(host.Keys.Token(token.Record.Id)), Ct);
        for (var limit = System.Diagnostics.Stopwatch.StartNew(); await StatusAsync("/networks", session) != HttpStatusCode.Found;)
        {
            Assert.True(limit.Elapsed < TimeSpan.FromSeconds(60), "a revoked token's session goes on");
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Ct);
        }

        async Task<HttpStatusCode> StatusAsync(string path, string? cookie = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative));
            if (cookie is not null) request.Headers.Add("Cookie", cookie);
            using var response = await client.SendAsync(request, Ct);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task AddressThatIsTaken_CostsTheDashboardOnly()
    {
        await using var host = await TestHost.StartAsync(etcd, etcd.NewKeys(), "n1", ct: Ct);
        var endpoint = IPEndPoint.Parse(host.Address.Authority);
        Assert.Null(NetworkSocket.Bind(new AccessOptions(endpoint, null, null, null), Serilog.Core.Logger.None));
    }

    private static string CookieOf(HttpResponseMessage response) => string.Join("; ", response.Headers.GetValues("Set-Cookie").Select(cookie => cookie.Split(';')[0]));

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex FormToken();
}
