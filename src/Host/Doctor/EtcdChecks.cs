using System.Globalization;
using FlannelFlow.Cluster.Etcd;

namespace FlannelFlow.Host.Doctor;

/// <param name="Asked">What each endpoint said.</param>
/// <param name="IsEmbedded">The daemon's own.</param>
/// <param name="ClientCertificateEnds">Of ETCD_CERT_FILE.</param>
public sealed record EtcdFacts(IReadOnlyList<(string Endpoint, Asked<EtcdMember> Member)> Asked, bool IsEmbedded, DateTimeOffset? ClientCertificateEnds);

/// <summary>etcd, endpoint by endpoint. Pure.</summary>
public static class EtcdChecks
{
    /// <summary>A step of a workflow is some requests: so slow, a container's start takes seconds.</summary>
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(100);

    /// <summary>etcd tells whole seconds.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan CertificateNotice = TimeSpan.FromDays(14);

    public static IEnumerable<Finding> Of(EtcdFacts facts, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(facts);
        foreach (var (endpoint, member) in facts.Asked)
        {
            if (member.Answer is { } answer)
            {
                foreach (var finding in Of(endpoint, answer, now)) yield return finding;
            }
            else
            {
                yield return Unanswered(facts, endpoint, member.Trouble);
            }
        }

        var clusters = facts.Asked.Where(asked => asked.Member.Answer is not null).GroupBy(asked => asked.Member.Answer!.ClusterId).ToList();
        if (clusters.Count > 1)
        {
            yield return Finding.Problem(
                "etcd",
                "ETCD_ENDPOINTS names members of different clusters: " + string.Join(" | ", clusters.Select(cluster => string.Join(", ", cluster.Select(asked => asked.Endpoint)))),
                "name the members of one cluster only; two hosts that ask different ones give out the same addresses");
        }

        if (facts.ClientCertificateEnds is { } ends && CertificateFinding("ETCD_CERT_FILE", ends, now) is { } certificate) yield return certificate;
    }

    private static Finding Unanswered(EtcdFacts facts, string endpoint, string? trouble)
    {
        var others = facts.Asked.Any(asked => asked.Member.Answer is not null);
        if (facts.IsEmbedded)
            return Finding.Problem("etcd", $"the daemon's own does not answer: {trouble}", "start the daemon, which runs it; why it ended stands in STATE_DIRECTORY/etcd.log");
        return others
            ? Finding.Warning("etcd", $"{endpoint} does not answer, others do: {trouble}", "start that member, or take it out of ETCD_ENDPOINTS")
            : Finding.Problem(
                "etcd",
                $"{endpoint} does not answer: {trouble}",
                "traffic, names and load balancers go on; new networks and containers are refused until a majority of etcd's members runs and is reached from here");
    }

    private static IEnumerable<Finding> Of(string endpoint, EtcdMember member, DateTimeOffset now)
    {
        var text = string.Create(
            CultureInfo.InvariantCulture, $"{endpoint}: version {member.Version}, {(member.CertificateEnds is null ? "" : "TLS, ")}answers in {member.Latency.TotalMilliseconds:0.0} ms");
        yield return !member.HasLeader ? Finding.Problem("etcd", $"{endpoint} has no leader", "start the other members: a majority must run")
            : member.Latency > Slow ? Finding.Warning("etcd", $"{text}: slow", "give etcd a disk of its own; see its log for \"took too long\"")
            : Finding.Ok("etcd", text);

        foreach (var alarm in member.Alarms ?? [])
        {
            yield return alarm == "NOSPACE"
                ? Finding.Problem("etcd", $"{endpoint} is full and takes no writes (alarm NOSPACE)", "etcdctl compact, defrag, then etcdctl alarm disarm; raise --quota-backend-bytes")
                : Finding.Problem("etcd", $"{endpoint} has the alarm {alarm}", "restore that member from the others, or etcd from a backup (docs/operations.md)");
        }

        if (member.Quota > 0)
        {
            var size = string.Create(CultureInfo.InvariantCulture, $"{endpoint} holds {Megabytes(member.DatabaseSize)} of {Megabytes(member.Quota)} MB");
            yield return member.DatabaseSize > member.Quota * 0.8
                ? Finding.Warning("etcd", $"{size}: full, it takes no writes", "etcdctl defrag, after a compaction; let it compact by itself (--auto-compaction-retention), or raise --quota-backend-bytes")
                : Finding.Ok("etcd", size);
        }

        if (member.ClockOffset is { } offset)
        {
            var seconds = string.Create(CultureInfo.InvariantCulture, $"{Math.Abs(offset.TotalSeconds):0.0} s");
            yield return offset.Duration() > ClockTolerance
                ? Finding.Warning(
                    "clock", $"this host's is {seconds} {(offset > TimeSpan.Zero ? "behind" : "ahead of")} that of {endpoint}",
                    "let both keep time (chrony, systemd-timesyncd); ages and times in lists are wrong by as much, and certificates may seem to have ended")
                : Finding.Ok("clock", $"this host's and that of {endpoint} agree, as far as can be told (to a second)");
        }

        if (member.CertificateEnds is { } ends && CertificateFinding(endpoint, ends, now) is { } certificate) yield return certificate;
    }

    /// <summary>Null: it is good for long enough.</summary>
    private static Finding? CertificateFinding(string whose, DateTimeOffset ends, DateTimeOffset now)
    {
        var date = ends.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        return ends <= now ? Finding.Problem("etcd", $"the certificate of {whose} ended on {date}", "renew it; then systemctl restart flannelflow")
            : ends - now < CertificateNotice ? Finding.Warning("etcd", $"the certificate of {whose} ends on {date}", "renew it; then systemctl restart flannelflow")
            : null;
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture);
}
