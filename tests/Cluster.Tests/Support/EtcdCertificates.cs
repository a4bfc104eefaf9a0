using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FlannelFlow.Cluster.Tests.Support;

/// <summary>An authority of its own, a certificate by it for 127.0.0.1 and one for a client, as PEM files. The folder goes with it.</summary>
public sealed class EtcdCertificates : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("fft-tls-").FullName;
    private readonly X509Certificate2 _authority;

    public EtcdCertificates()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        _authority = request.CreateSelfSigned(Before, After);
        File.WriteAllText(Authority, _authority.ExportCertificatePem());
        Issue("server");
        Issue("client");
    }

    public string Authority => PathOf("authority.pem");

    public string PathOf(string file) => Path.Combine(_directory, file);

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private static DateTimeOffset Before => TimeProvider.System.GetUtcNow().AddDays(-1);

    private static DateTimeOffset After => TimeProvider.System.GetUtcNow().AddDays(1);

    private void Issue(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(_authority, Before, After, RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(PathOf($"{name}.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(PathOf($"{name}.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
