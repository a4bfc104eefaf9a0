using System.Text.RegularExpressions;

namespace FlannelFlow.Tests;

/// <summary>A line of a shell block, without its comment.</summary>
/// <param name="Page">Path in the repository.</param>
internal sealed record DocumentedLine(string Page, string Line)
{
    public override string ToString() => $"{Page}: {Line}";
}

/// <summary>A line that tests/campaigns/docs types on the hosts of a lab.</summary>
/// <param name="With">What a reader puts in place of the words that stand for something, as shell.</param>
internal sealed record TypedLine(string Page, string Line, params (string Word, string Shell)[] With)
{
    /// <summary>Their numbers in the lab.</summary>
    public int[] Hosts { get; init; } = [1];

    /// <summary>A shell command that is tried until it succeeds, before the line is typed.</summary>
    public string? Until { get; init; }

    /// <summary>How the line ends, as its page has it.</summary>
    public int Code { get; init; }

    /// <summary>What it has to print; the line is typed again until it does, and ends with <see cref="Code"/>. Null: it is typed once.</summary>
    public string? Says { get; init; }

    public string Script => With.Aggregate(Line.Replace("sudo ", "", StringComparison.Ordinal), (line, with) => line.Replace(with.Word, with.Shell, StringComparison.Ordinal));
}

/// <summary>A line that something else than tests/campaigns/docs runs, or nothing.</summary>
/// <param name="By">File of the repository that runs it; null: nothing does.</param>
/// <param name="Witness">What <paramref name="By"/> holds while it does.</param>
internal sealed record LineElsewhere(string Page, string Line, string Reason, string? By = null, string? Witness = null);

/// <summary>Every line of the documents' shell blocks, and who runs it. DocumentationTests of the suite Host compares the two.</summary>
internal static partial class DocumentedCommands
{
    private const string Image = "web:latest";
    private const string NewestWorkflow = "$(flannelflow workflows list | head -n 1 | cut -f 1)";
    private const string NoNetworks = "test -z \"$(docker network ls -q --filter driver=flannelflow:latest)\"";
    private const string OpenDrain = "$(flannelflow drains list | head -n 1 | cut -f 1)";

    /// <summary>Of "slow", once it has clients that stay: those on host 1, whose clients they are.</summary>
    private const string DrainOfSlow = "$(flannelflow drains list | awk -F '\\t' '$2 == \"n1\" && $3 == \"slow\" && $11 > 0 {print $1; exit}')";

    /// <summary>Hosts on which the tarball is installed; on the third it is the package.</summary>
    private static readonly int[] Tarball = [1, 2];
    private static readonly int[] Package = [3];

    /// <summary>A package of another version, as dpkg sees it.</summary>
    private const string PackageOfNew =
        "dpkg-deb -R flannelflow_[0-9]*_amd64.deb new && sed -i 's/^Version: .*/Version: 9.9.9/' new/DEBIAN/control && echo 9.9.9 >new/usr/lib/flannelflow/package/VERSION && " +
        "dpkg-deb -Zgzip --build new flannelflow_NEW_amd64.deb >/dev/null && rm -r new";

    private const string RunsNew = "readlink /proc/$(systemctl show -p MainPID --value flannelflow)/exe | grep -qx /usr/lib/flannelflow/9.9.9/flannelflow";

    /// <summary>In the order in which they are typed: a person installs, makes networks and services, looks, and leaves.</summary>
    public static IReadOnlyList<TypedLine> Typed { get; } =
    [
        new("docs/install.md", "tar xzf flannelflow-*-linux-x64.tar.gz") { Hosts = Tarball },
        new("docs/install.md", "sudo flannelflow-*-linux-x64/flannelflow install --set ETCD_ENDPOINTS=http://10.0.0.1:2379 --runtime-wrapper", ("10.0.0.1", "10.77.0.1")) { Hosts = Tarball },
        new("docs/install.md", "sudo apt install ./flannelflow_*_amd64.deb") { Hosts = Package },
        new("docs/install.md", "sudo flannelflow install --set ETCD_ENDPOINTS=http://10.0.0.1:2379 --runtime-wrapper", ("10.0.0.1", "10.77.0.1")) { Hosts = Package },
        new("docs/install.md", "sudo flannelflow doctor") { Says = "0 problems", Hosts = [.. Tarball, .. Package] },

        new("README.md", "docker network create -d flannelflow:latest --ipam-driver flannelflow:latest --attachable net1"),
        new("README.md", "docker service create --name web --network net1 --replicas 6 nginx"),
        new("README.md", "docker run -d --name c1 --network net1 nginx"),
        new("README.md", "docker exec c1 curl -s http://web", ("curl -s", "wget -q -O -")) { Says = "" },
        new("README.md", "docker service update --force -d web"),
        new("README.md", "sudo flannelflow drains list") { Says = "web" },
        new("README.md", "sudo flannelflow drains show ID", ("ID", OpenDrain)) { Says = "connection-drain" },

        new("docs/draining.md", "flannelflow drains list")
        {
            Until = $"{{ docker service inspect slow || docker service create --name slow --network net1 --replicas 4 --stop-grace-period 60s {Image}; }} >/dev/null && " +
                "docker exec -d c1 traffic load $(docker service inspect -f '{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}' slow | cut -d / -f 1) 80 0 0 12 600 && " +
                "{ docker stop -t 60 $(docker ps -q --filter label=com.docker.swarm.service.name=slow | head -n 1) >/dev/null 2>&1 & }",
            Says = "slow",
        },
        new("docs/draining.md", "flannelflow drains show ID", ("ID", DrainOfSlow)) { Says = "wait-for-connections" },
        new("docs/draining.md", "flannelflow drains cancel ID --reason TEXT", ("ID", DrainOfSlow), ("TEXT", "docs")) { Says = "cancel: drain" },
        new("docs/draining.md", "flannelflow drains force ID --reason TEXT", ("ID", DrainOfSlow), ("TEXT", "docs"))
        {
            Until = $"docker service scale --detach slow=1 && until [ -n \"{DrainOfSlow}\" ]; do sleep 0.2; done",
            Says = "force: drain",
        },

        new("docs/dashboard.md", "flannelflow token create NAME --role viewer|operator [--days N]", ("NAME", "alice"), ("viewer|operator", "operator"), ("[--days N]", "--days 7")),
        new("docs/dashboard.md", "flannelflow token list") { Says = "alice" },
        new("docs/dashboard.md", "flannelflow token revoke ID", ("ID", "$(flannelflow token list | head -n 1 | cut -f 1)")),
        new("docs/api.md", "curl -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8514/api/v1/workflows?incident=true'", ("$TOKEN", "$(flannelflow token create api --role viewer)")) { Says = "\"items\"" },

        new("docs/load-balancing.md", "docker network create -d flannelflow:latest --ipam-driver flannelflow:latest --attachable shop"),
        new("docs/load-balancing.md", "docker service create --name web --network shop --replicas 6 nginx") { Until = "docker service rm web" },
        new("docs/load-balancing.md", "curl -s --unix-socket /run/flannelflow/api.sock http://localhost/api/v1/load-balancers | jq -r .wanted,.kernel") { Says = "network ffvip" },

        new("docs/docker-names.md", "docker network create -d flannelflow:latest --ipam-driver flannelflow:latest --attachable net1")
        {
            Until = "docker service ls -q --filter name=slow | xargs -r docker service rm; docker ps -aq --filter name=^c1$ | xargs -r docker rm -f; docker network rm net1",
            Says = "",
        },

        new("docs/workflows.md", "flannelflow follow", ("flannelflow", "(sleep 3; docker run --rm --network shop lab:latest true) & timeout 15 flannelflow")) { Code = 124, Says = "finished" },
        new("docs/workflows.md", "flannelflow workflows list") { Says = "endpoint-join" },
        new("docs/workflows.md", "flannelflow workflows list --incident"),
        new("docs/workflows.md", "flannelflow workflows list --all-hosts") { Says = "n3" },
        new("docs/workflows.md", "flannelflow workflows show ID", ("ID", NewestWorkflow)),
        new("docs/workflows.md", "flannelflow workflows show ID --watch", ("ID", "$(flannelflow workflows list --status finished | head -n 1 | cut -f 1)")),
        new("docs/workflows.md", "flannelflow workflows lanes"),
        new("docs/workflows.md", "flannelflow definitions list") { Says = "connection-drain" },
        new("docs/workflows.md", "flannelflow definitions check FILE", ("FILE", "/usr/lib/flannelflow/current/workflows/restore.json")),
        new("docs/workflows.md", "curl --unix-socket /run/flannelflow/api.sock 'http://localhost/api/v1/workflows?incident=true'") { Says = "\"items\"" },

        new("docs/operations.md", "sudo flannelflow doctor") { Says = "ok" },
        new("docs/operations.md", "sudo flannelflow drift") { Says = "" },
        new("docs/operations.md", "ip xfrm policy"),
        new("docs/operations.md", "ip -s xfrm state list nokeys"),
        new("docs/operations.md", "grep XfrmInTmplMismatch /proc/net/xfrm_stat"),
        new("docs/runbook.md", "sudo flannelflow doctor") { Says = "ok" },
        new("docs/runbook.md", "sudo flannelflow workflows list --incident"),
        new("docs/runbook.md", "sudo flannelflow workflows show ID", ("ID", NewestWorkflow)),
        new("docs/runbook.md", "sudo flannelflow drift") { Says = "" },

        new("docs/docker-names.md", "docker plugin disable -f flannelflow") { Hosts = Package },
        new("docs/docker-names.md", "docker plugin set flannelflow FLANNELFLOW_HOLD_SECONDS=5") { Hosts = Package },
        new("docs/docker-names.md", "docker plugin enable flannelflow") { Hosts = Package },

        new("docs/install.md", "sudo flannelflow-NEW-linux-x64/flannelflow upgrade")
        {
            Until = "cp -r flannelflow-[0-9]*-linux-x64 flannelflow-NEW-linux-x64 && echo 9.9.9 >flannelflow-NEW-linux-x64/VERSION",
            Hosts = Tarball,
        },
        new("docs/install.md", "sudo apt install ./flannelflow_NEW_amd64.deb", ("install", "install -y")) { Until = PackageOfNew, Hosts = Package },
        new("docs/install.md", "sudo flannelflow upgrade --to OLD", ("OLD", "$(ls /usr/lib/flannelflow | grep -v '^current$\\|^package$\\|9.9.9')"))
        {
            Until = RunsNew,
            Hosts = [.. Tarball, .. Package],
        },
        new("docs/install.md", "sudo flannelflow uninstall")
        {
            Until = "docker service ls -q | xargs -r docker service rm >/dev/null; docker ps -aq | xargs -r docker rm -f >/dev/null; " +
                $"docker network ls -q --filter driver=flannelflow:latest | xargs -r docker network rm && {NoNetworks}",
        },
        new("docs/install.md", "sudo flannelflow uninstall --purge") { Until = NoNetworks, Hosts = [2] },
        new("docs/install.md", "sudo apt remove flannelflow", ("remove", "remove -y")) { Until = NoNetworks, Hosts = Package },
    ];

    private const string Developer = "on a developer's machine: ";

    public static IReadOnlyList<LineElsewhere> Elsewhere { get; } =
    [
        .. new[]
        {
            "docker network ls -q --filter driver=overlay | xargs docker network inspect -f '{{.Name}} {{range .IPAM.Config}}{{.Subnet}}{{end}}'",
            "docker network create -d flannelflow:latest --ipam-driver flannelflow:latest --attachable shop2",
            "docker network connect shop2 NAME",
            "docker service update --network-add shop2 web",
            "docker service update --network-rm shop web",
            "docker network disconnect shop NAME",
            "docker network rm shop",
        }.Select(line => new LineElsewhere("docs/moving.md", line, "the page as a whole is a test of its own", "tests/EndToEnd/MovingTests.cs", "\"docs/moving.md\"")),
        .. new[]
        {
            "build/package.sh",
            "cd try",
            "docker compose up -d --build --wait",
            "docker compose exec host1 docker network create -d flannelflow:latest --ipam-driver flannelflow:latest --attachable net1",
            "docker compose exec host1 docker service create --name web --network net1 --replicas 6 localhost/demo",
            "docker compose exec host2 docker run --rm --network net1 localhost/demo wget -qO- http://web/cgi-bin/who",
            "docker compose exec host1 docker service update --force -d web",
            "docker compose exec host3 flannelflow drains list",
            "docker compose exec host3 flannelflow workflows list --all-hosts",
            "docker compose exec host3 flannelflow doctor",
            "docker compose kill host2",
            "docker compose up -d --wait host2",
            "docker compose exec host1 docker node ls",
            "docker compose down -v --rmi all",
        }.Select(line => new LineElsewhere("docs/try.md", line, "the page as a whole is a test of its own", "tests/campaigns/try", "docs/try.md")),
        new("docs/draining.md", "flannelflow drains retry ID --reason TEXT", "needs a step that failed, which a kernel that refuses has to make", "tests/EndToEnd/DrainTests.cs", "drains retry"),
        new("docs/dashboard.md", "ssh -L 8514:127.0.0.1:8514 HOST", "is OpenSSH's alone; the labs have no server of it"),
        new("CONTRIBUTING.md", "dotnet build src/Host", Developer + "part of ./test", "test", "dotnet build FlannelFlow.sln"),
        new("CONTRIBUTING.md", "./test Host Cluster", Developer + "./test, which the CI runs, of fewer suites", ".ci/run", "./test"),
        new("CONTRIBUTING.md", "./test", Developer + "the CI runs it", ".ci/run", "./test"),
        new("CONTRIBUTING.md", "dotnet format FlannelFlow.sln --verify-no-changes --severity warn", Developer + "the CI runs it", ".ci/run", "dotnet format FlannelFlow.sln --verify-no-changes --severity warn"),
        new("CONTRIBUTING.md", "tests/lab/lab", Developer + "prints what it can do; the end-to-end suite does it", "tests/EndToEnd/Harness/Run.cs", "tests/lab/lab"),
    ];

    /// <summary>The lines of a page's shell blocks (<c>```sh</c>), in order.</summary>
    /// <param name="root">The repository.</param>
    public static IReadOnlyList<DocumentedLine> Of(string root, string page) =>
    [
        .. ShellBlock().Matches(File.ReadAllText(Path.Combine(root, page)))
            .SelectMany(block => block.Groups[1].Value.Split('\n'))
            .Select(line => Comment().Replace(line, "").Trim())
            .Where(line => line.Length > 0)
            .Select(line => new DocumentedLine(page, line)),
    ];

    [GeneratedRegex(@"^ *```sh\n(.*?)^ *```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex ShellBlock();

    [GeneratedRegex(@"(^|\s+)#.*$")]
    private static partial Regex Comment();
}
