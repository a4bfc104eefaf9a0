using System.Globalization;
using FlannelFlow.Host.Api;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Reconcile;

namespace FlannelFlow.Host.Doctor;

/// <summary>What the running daemon says of itself.</summary>
/// <param name="Host">As it sees itself in the cluster; null: it has not read the cluster's state yet.</param>
/// <param name="JournalSequence">Of the newest event; null: it does not tell.</param>
/// <param name="Incidents">Of all hosts.</param>
public sealed record DaemonAnswers(Health Health, HostView? Host, long? JournalSequence, DriftView? Drift, IncidentPage? Incidents);

/// <param name="Pids">Of the processes that run it in this host's network namespace.</param>
/// <param name="ProgramVersion">Of the program that asks.</param>
/// <param name="FreeBytes">On the disk of STATE_DIRECTORY; null: there is no such folder.</param>
/// <param name="JournalBytes">Null: there is no journal.</param>
public sealed record DaemonFacts(
    string Socket, IReadOnlyList<int> Pids, Asked<DaemonAnswers> Answers, string ProgramVersion, string HostName, string StateDirectory, long? FreeBytes, long? JournalBytes);

/// <summary>The daemon, and what it knows to be wrong. Pure.</summary>
public static class DaemonChecks
{
    /// <summary>A journal that cannot grow takes no new workflows: Docker's calls are refused then.</summary>
    private const long LittleSpace = 200_000_000;

    public static IEnumerable<Finding> Of(DaemonFacts facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        if (facts.Answers.Answer is { } answers)
        {
            foreach (var finding in OfAnswers(facts, answers)) yield return finding;
        }
        else if (facts.Pids.Count == 0)
        {
            yield return Finding.Problem(
                "daemon", "it does not run: traffic goes on, Docker's calls for our networks fail", "systemctl start flannelflow; why it ended: journalctl -u flannelflow");
        }
        else
        {
            yield return Finding.Problem(
                "daemon", $"it runs (pid {string.Join(", ", facts.Pids)}) and does not answer on {facts.Socket}: {facts.Answers.Trouble}",
                "run flannelflow doctor as root; if it is stuck, systemctl restart flannelflow, which cuts no connection");
        }

        if (facts.FreeBytes is { } free)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"{free / 1e6:0} MB are free on the disk of {facts.StateDirectory}; the journal has {(facts.JournalBytes ?? 0) / 1e6:0.0} MB");
            yield return free < LittleSpace
                ? Finding.Problem("disk", text, "make room: with a full disk no workflow begins, and Docker's calls for our networks are refused")
                : Finding.Ok("disk", text);
        }
        else
        {
            yield return Finding.Warning("disk", $"there is no {facts.StateDirectory}: the daemon has never run here", "flannelflow install");
        }
    }

    private static IEnumerable<Finding> OfAnswers(DaemonFacts facts, DaemonAnswers answers)
    {
        var journal = answers.JournalSequence is { } sequence ? string.Create(CultureInfo.InvariantCulture, $", journal at event {sequence}") : "";
        if (answers.Host is { } host)
        {
            yield return host.Version.Length > 0 && host.Version != facts.ProgramVersion
                ? Finding.Warning(
                    "daemon", $"runs version {host.Version}{journal}; this program is {facts.ProgramVersion}",
                    "systemctl restart flannelflow, if this program is the installed one; flannelflow upgrade, if it is newer")
                : Finding.Ok("daemon", $"runs version {facts.ProgramVersion}{journal}");
            yield return host.Behind > 0
                ? Finding.Warning(
                    "daemon", string.Create(CultureInfo.InvariantCulture, $"it does not act by {host.Behind} of the newest revisions of Docker's objects yet"),
                    "it does within a second; if that stays, see its log and flannelflow workflows list --incident")
                : Finding.Ok("daemon", string.Create(CultureInfo.InvariantCulture, $"it acts by every change up to revision {host.AppliedRevision}"));
        }
        else
        {
            yield return Finding.Ok("daemon", $"runs{journal}");
        }

        foreach (var check in answers.Health.Checks.Where(check => !check.Ok))
            yield return Finding.Problem("daemon", $"it is not ready: {check.Name}: {check.Detail}", "see etcd above; it goes on by itself once that answers");

        if (answers.Drift is { } drift)
        {
            foreach (var standing in drift.Standing)
            {
                yield return Finding.Problem(
                    "drift", standing.Text,
                    standing.Command ?? (standing.Workflow is null ? "it is mended at the next look (SYNC_INTERVAL)" : $"the workflow {standing.Workflow} mends it: flannelflow workflows list --definition {standing.Workflow}"));
            }

            if (drift.Trouble is { } trouble)
                yield return Finding.Warning("drift", $"not all could be compared: {trouble}", "it is compared again by itself, once that answers");
            else if (drift.Standing.Count == 0)
                yield return Finding.Ok("drift", drift.Looked is { } looked ? $"none; last compared {looked.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)}" : "not compared yet");
        }

        if (answers.Incidents is { } incidents)
        {
            foreach (var incident in incidents.Items.Where(incident => incident.Host == facts.HostName))
            {
                yield return Finding.Problem(
                    "incident", $"{incident.Definition} {incident.Instance} waits at {incident.Step}: {incident.Error}",
                    $"flannelflow workflows show {incident.Instance}; what each kind means, and what to do: docs/runbook.md");
            }

            var elsewhere = incidents.Items.Where(incident => incident.Host != facts.HostName).GroupBy(incident => incident.Host).Select(host => $"{host.Key} {host.Count()}").ToList();
            if (elsewhere.Count > 0) yield return Finding.Warning("incident", $"on other hosts: {string.Join(", ", elsewhere)}", "flannelflow doctor there, or the dashboard");
            else if (incidents.Items.Count == 0) yield return Finding.Ok("incident", "none");
        }
    }
}
