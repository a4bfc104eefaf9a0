using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using FlannelFlow.Dashboard.Tests.Support;
using FlannelFlow.Operations.Access;

namespace FlannelFlow.Dashboard.Tests;

/// <summary>The API over the network: what it tells of the cluster, what each role may, and how it refuses.</summary>
[Trait("Needs", "etcd")]
public sealed class ApiTests(Support.Cluster cluster) : IClassFixture<Support.Cluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cluster_IsTheSameOnEveryHost()
    {
        await cluster.NetworkAsync("net-a", "shop", "10.128.16.0/20", Ct);
        await cluster.ServiceAsync("svc-a", "web", "net-a", "10.128.16.2", Ct);
        await cluster.TaskAsync("c1", "n1", "svc-a", "web", "net-a", "10.128.18.2", Ct);
        await cluster.TaskAsync("c2", "n2", "svc-a", "web", "net-a", "10.128.18.130", Ct, drains: true);
        foreach (var host in new[] { cluster.One, cluster.Two })
        {
            var service = await UntilAsync(host, "/api/v1/services/svc-a", found => found?["networks"]?[0]?["backends"]?.AsArray().Count == 2);
            Assert.Equal(
                ["web.1.c1 n1 10.128.18.2 1 serving", "web.1.c2 n2 10.128.18.130 0 draining"],
                service["networks"]![0]!["backends"]!.AsArray().Select(b => $"{b!["container"]} {b["host"]} {b["address"]} {b["weight"]} {b["condition"]}"));
            Assert.Equal("10.128.16.2", (string?)service["networks"]![0]!["vip"]);
            var network = Assert.Single((await GetAsync(host, "/api/v1/networks")).AsArray(), n => (string?)n!["id"] == "net-a")!;
            Assert.Equal("shop 10.128.16.0/20 n1,n2 web", $"{network["name"]} {network["pool"]} {string.Join(',', network["hosts"]!.AsArray())} {string.Join(',', network["services"]!.AsArray())}");
            Assert.Equal(["n1 up", "n2 up"], (await GetAsync(host, "/api/v1/hosts")).AsArray().Select(h => $"{h!["host"]} {h["state"]}"));
        }
    }

    [Fact]
    public async Task Workflow_OfAnotherHost_IsListedShownAndMended()
    {
        var id = (await TestWorkflows.RunMendAsync(cluster.Two, "k-remote", "broken-remote", Ct)).Value;
        var page = await GetAsync(cluster.One, "/api/v1/workflows?host=n2&text=broken-remote");
        Assert.Equal([id], page["items"]!.AsArray().Select(w => (string?)w!["id"]));
        Assert.Empty((await GetAsync(cluster.One, "/api/v1/workflows?text=broken-remote"))["items"]!.AsArray());
        var everywhere = await GetAsync(cluster.One, "/api/v1/cluster/workflows?text=broken-remote&limit=1");
        Assert.Equal([$"n2 {id}"], everywhere["items"]!.AsArray().Select(w => $"{w!["host"]} {w["workflow"]!["id"]}"));
        if ((string?)everywhere["next"] is { } next) Assert.Empty((await GetAsync(cluster.One, $"/api/v1/cluster/workflows?text=broken-remote&before={next}"))["items"]!.AsArray());
        await UntilAsync(cluster.One, "/api/v1/incidents", found => found!["items"]!.AsArray().Any(i => (string?)i!["instance"] == id && (string?)i["host"] == "n2"));

        Brittle.Mend("broken-remote");
        using var client = cluster.One.Client(cluster.Operator);
        using var retried = await client.PostAsync(
            new Uri($"/api/v1/workflows/{id}/alterations?host=n2", UriKind.Relative), Json("""{"kind":"retry","who":"mallory","reason":"mended by hand"}"""), Ct);

        Assert.Equal(HttpStatusCode.OK, retried.StatusCode);
        var shown = await UntilAsync(cluster.One, $"/api/v1/workflows/{id}?host=n2", found => (string?)found!["workflow"]!["status"] == "finished");
        // Whoever has signed in stands in the audit, whatever the body says.
        Assert.Equal(["Retry otto mended by hand"], shown["audit"]!.AsArray().Select(a => $"{a!["alteration"]} {a["who"]} {a["why"]}"));
    }

    [Theory]
    [InlineData("GET", "/api/v1/workflows?status=fine", null, 400)]
    [InlineData("GET", "/api/v1/workflows?colour=red", null, 400)]
    [InlineData("GET", "/api/v1/workflows/beefbeef", null, 404)]
    [InlineData("GET", "/api/v1/workflows?host=nowhere", null, 404)]
    [InlineData("GET", "/api/v1/cluster/workflows?host=n1", null, 400)]
    [InlineData("GET", "/api/v1/cluster/workflows?before=7", null, 400)]
    [InlineData("GET", "/api/v1/drift?host=nowhere", null, 404)]
    [InlineData("POST", "/api/v1/workflows/{id}/alterations", "{}", 400)]
    [InlineData("POST", "/api/v1/workflows/{id}/alterations", "no json", 400)]
    [InlineData("POST", "/api/v1/workflows/beefbeef/alterations", """{"kind":"retry","reason":"r"}""", 404)]
    [InlineData("POST", "/api/v1/workflows/{id}/alterations", """{"kind":"retry","reason":"r"}""", 409)]
    [InlineData("GET", "/api/v1/networks/nowhere", null, 404)]
    [InlineData("GET", "/api/v1/services/nowhere", null, 404)]
    [InlineData("GET", "/api/v1/drains/beefbeef", null, 404)]
    [InlineData("POST", "/api/v1/drains/beefbeef/retry", """{"reason":"r"}""", 404)]
    [InlineData("POST", "/api/v1/drains/beefbeef/retry", "{}", 400)]
    [InlineData("POST", "/api/v1/signals", "{}", 400)]
    [InlineData("GET", "/api/v1/names?container=nobody&name=web", null, 404)]
    [InlineData("GET", "/api/v1/names?container=nobody", null, 400)]
    [InlineData("GET", "/api/v1/plan?services=many", null, 400)]
    [InlineData("GET", "/api/v1/plan?network-size=99", null, 400)]
    [InlineData("GET", "/api/v1/journal/events?after=first", null, 400)]
    [InlineData("GET", "/elsa/api/workflow-definitions?versionOptions=newest", null, 400)]
    [InlineData("GET", "/elsa/api/workflow-definitions/by-definition-id/nothing", null, 404)]
    [InlineData("GET", "/elsa/api/workflow-definitions/by-id/nothing", null, 404)]
    [InlineData("GET", "/elsa/api/workflow-instances?colour=red", null, 400)]
    [InlineData("GET", "/elsa/api/workflow-instances?page=first", null, 400)]
    [InlineData("GET", "/elsa/api/workflow-instances?pageSize=5000", null, 400)]
    [InlineData("POST", "/elsa/api/workflow-instances", """{"status":"Lost"}""", 400)]
    [InlineData("POST", "/elsa/api/workflow-instances", """{"orderBy":"Name"}""", 400)]
    [InlineData("GET", "/elsa/api/workflow-instances/nothing", null, 404)]
    [InlineData("GET", "/elsa/api/workflow-instances/nothing/execution-state", null, 404)]
    [InlineData("GET", "/elsa/api/workflow-instances/nothing/journal", null, 404)]
    [InlineData("GET", "/elsa/api/workflow-instances/{id}/journal?page=-1", null, 400)]
    [InlineData("GET", "/elsa/api/activity-executions/list", null, 400)]
    [InlineData("GET", "/elsa/api/activity-executions/{id}-99", null, 404)]
    [InlineData("POST", "/elsa/api/cancel/workflow-instances/nothing", null, 404)]
    [InlineData("POST", "/elsa/api/cancel/workflow-instances/{id}", null, 409)]
    [InlineData("POST", "/elsa/api/alterations/run", """{"alterations":[{"type":"Mend"}],"workflowInstanceIds":["{id}"]}""", 400)]
    [InlineData("POST", "/elsa/api/alterations/run", """{"alterations":[{"type":"Cancel"}]}""", 400)]
    [InlineData("POST", "/elsa/api/alterations/workflows/retry", "{}", 400)]
    [InlineData("GET", "/api/v1/nothing", null, 404)]
    [InlineData("GET", "/api/v1/tokens", null, 404)]
    public async Task Refusal_IsAProblem(string method, string path, string? body, int status)
    {
        var id = (await TestWorkflows.RunMendAsync(cluster.One, "k-done", "well", Ct)).Value;
        using var client = cluster.One.Client(cluster.Operator);
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path.Replace("{id}", id, StringComparison.Ordinal), UriKind.Relative));
        if (body is not null) request.Content = Json(body.Replace("{id}", id, StringComparison.Ordinal));
        using var response = await client.SendAsync(request, Ct);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = (await response.Content.ReadFromJsonAsync<JsonObject>(Ct))!;
        Assert.Equal(status, (int)problem["status"]!);
        Assert.NotEmpty((string)problem["detail"]!);
        Assert.NotEmpty((string)problem["title"]!);
    }

    [Fact]
    public async Task Drain_ThatMayNotBeAltered_IsAConflict()
    {
        // Its step is under way: there is nothing to retry. And Swarm wants its task to end: it cannot be called off.
        await cluster.NetworkAsync("net-conflict", "conflict", "10.129.0.0/20", Ct);
        await cluster.ServiceAsync("svc-conflict", "conflict", "net-conflict", "10.129.0.2", Ct);
        await cluster.TaskAsync("c-conflict", "n1", "svc-conflict", "conflict", "net-conflict", "10.129.2.2", Ct, drains: true, FlannelFlow.Cluster.Draining.DrainReason.DesiredState);
        await UntilAsync(cluster.One, "/api/v1/services/svc-conflict", found => found?["networks"]?[0]?["backends"]?.AsArray().Count == 1);
        var id = (await TestWorkflows.StartDrainAsync(cluster.One, "slow-drain", "svc-conflict", "net-conflict", "c-conflict", Ct)).Value;
        await UntilAsync(cluster.One, $"/api/v1/drains/{id}", found => (string?)found?["workflow"]?["workflow"]?["status"] == "running");
        using var client = cluster.One.Client(cluster.Operator);

        Assert.Contains("it is", await RefusedAsync("retry"), StringComparison.Ordinal);
        Assert.Contains("Swarm wants task", await RefusedAsync("cancel"), StringComparison.Ordinal);

        Brittle.Mend("slow-drain");
        await UntilAsync(async () => cluster.One.Runtime.Instance(new FlannelFlow.Workflows.InstanceId(id))!.FinishedAt is not null);

        async Task<string> RefusedAsync(string kind)
        {
            using var refused = await client.PostAsync(new Uri($"/api/v1/drains/{id}/{kind}", UriKind.Relative), Json("""{"reason":"to see"}"""), Ct);
            Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
            return (string)(await refused.Content.ReadFromJsonAsync<JsonObject>(Ct))!["detail"]!;
        }
    }

    [Fact]
    public async Task Names_AreAnsweredAsTheContainersDnsDoes()
    {
        await cluster.NetworkAsync("net-dns", "backend", "10.128.32.0/20", Ct);
        await cluster.NetworkAsync("net-dns-2", "apart", "10.128.48.0/20", Ct);
        await cluster.ServiceAsync("svc-dns", "db", "net-dns", "10.128.32.2", Ct);
        await cluster.ServiceAsync("svc-dns-2", "secret", "net-dns-2", "10.128.48.2", Ct);
        await cluster.TaskAsync("d1", "n1", "svc-dns", "db", "net-dns", "10.128.34.2", Ct);
        await cluster.TaskAsync("d2", "n2", "svc-dns", "db", "net-dns", "10.128.34.130", Ct);
        await cluster.TaskAsync("s1", "n2", "svc-dns-2", "secret", "net-dns-2", "10.128.50.2", Ct);
        await UntilAsync(cluster.One, "/api/v1/networks", found => found!.AsArray().Any(n => (string?)n!["id"] == "net-dns-2" && (int)n["containers"]! == 1));
        await UntilAsync(cluster.One, "/api/v1/networks", found => found!.AsArray().Any(n => (string?)n!["id"] == "net-dns" && (int)n["containers"]! == 2));

        Assert.Equal("found 10.128.32.2=db.backend", await SaidAsync("db.1.d1", "DB"));
        Assert.Equal("found 10.128.32.2=db.backend", await SaidAsync("d2", "db.backend."));
        Assert.Equal("found 10.128.34.130=db.1.d2.backend 10.128.34.2=db.1.d1.backend", await SaidAsync("d1", "tasks.db"));
        Assert.Equal("found 10.128.34.130=db.1.d2.backend", await SaidAsync("d1", "10.128.34.130"));
        // Of a network that it is not in.
        Assert.Equal("unknown", await SaidAsync("d1", "secret"));
        Assert.Equal("unknown", await SaidAsync("d1", "10.128.48.2"));

        async Task<string> SaidAsync(string container, string name)
        {
            var answer = await GetAsync(cluster.One, $"/api/v1/names?container={container}&name={name}");
            return string.Join(' ', answer["addresses"]!.AsArray().Select(a => $"{a!["address"]}={a["holder"]}").Order(StringComparer.Ordinal).Prepend((string?)answer["outcome"]));
        }
    }

    /// <summary>What a tool that knows Elsa 3's API sees and does, by its paths and words.</summary>
    [Fact]
    public async Task Elsa_ReadsAndAlters()
    {
        var id = (await TestWorkflows.RunMendAsync(cluster.One, "k-elsa", "broken-elsa", Ct)).Value;
        var definition = (await GetAsync(cluster.One, "/elsa/api/workflow-definitions/by-definition-id/mend"))!;
        Assert.Equal(("mend", 1, true, "Elsa.Sequence"), ((string?)definition["definitionId"], (int)definition["version"]!, (bool)definition["isLatest"]!, (string?)definition["root"]!["type"]));
        Assert.Equal((string?)definition["id"], (string?)(await GetAsync(cluster.One, $"/elsa/api/workflow-definitions/by-id/{definition["id"]}"))["id"]);
        Assert.Equal(2, (int)(await GetAsync(cluster.One, "/elsa/api/workflow-definitions"))["totalCount"]!);

        var page = await GetAsync(cluster.One, "/elsa/api/workflow-instances?correlationId=k-elsa&status=Running&page=0&pageSize=10");
        Assert.Equal(1, (int)page["totalCount"]!);
        var item = Assert.Single(page["items"]!.AsArray())!;
        Assert.Equal($"{id} mend 1 Running Suspended k-elsa 1", $"{item["id"]} {item["definitionId"]} {item["version"]} {item["status"]} {item["subStatus"]} {item["correlationId"]} {item["incidentCount"]}");
        Assert.Empty((await GetAsync(cluster.One, "/elsa/api/workflow-instances?correlationId=k-elsa&subStatus=Finished"))["items"]!.AsArray());
        var state = (await GetAsync(cluster.One, $"/elsa/api/workflow-instances/{id}"))["workflowState"]!;
        Assert.Equal(("broken-elsa", "mend"), ((string?)state["input"]!["Thing"], (string?)state["incidents"]![0]!["activityId"]));
        var executions = (await GetAsync(cluster.One, $"/elsa/api/activity-executions/list?workflowInstanceId={id}&activityNodeId=mend"))["items"]!.AsArray();
        var execution = await GetAsync(cluster.One, $"/elsa/api/activity-executions/{Assert.Single(executions)!["id"]}");
        Assert.Equal(("Faulted", "broken-elsa is broken", "broken-elsa"), ((string?)execution["status"], (string?)execution["exception"]!["message"], (string?)execution["activityState"]!["thing"]));

        Brittle.Mend("broken-elsa");
        using var client = cluster.One.Client(cluster.Operator);
        var results = await PostAsync("/elsa/api/alterations/workflows/retry", $$"""{"activityIds":["mend"],"workflowInstanceIds":["{{id}}","nothing"]}""");
        Assert.Equal([$"{id} true", "nothing false"], results["results"]!.AsArray().Select(r => $"{r!["workflowInstanceId"]} {r["isSuccessful"]!.ToJsonString()}"));
        await UntilAsync(cluster.One, $"/elsa/api/workflow-instances/{id}/execution-state", found => (string?)found!["subStatus"] == "Finished");
        var journal = await GetAsync(cluster.One, $"/elsa/api/workflow-instances/{id}/journal?pageSize=500");
        Assert.Equal(
            ["Started mend", "Faulted mend", "Suspended workflow", "Altered workflow", "Started mend", "Completed mend", "Finished workflow"],
            journal["items"]!.AsArray().Select(e => $"{e!["eventName"]} {e["activityId"]}").TakeLast(7));

        var other = (await TestWorkflows.RunMendAsync(cluster.One, "k-elsa-2", "broken-for-good", Ct)).Value;
        results = await PostAsync("/elsa/api/alterations/run", $$"""{"alterations":[{"type":"ModifyVariable","variableId":"Handle","value":"by hand"},{"type":"Terminate"}],"workflowInstanceIds":["{{other}}"],"reason":"scrapped"}""");
        Assert.True((bool)results["results"]![0]!["isSuccessful"]!);
        Assert.Equal(["ModifyVariable otto scrapped", "Terminate otto scrapped"], cluster.One.Runtime.Audit(new FlannelFlow.Workflows.InstanceId(other)).Select(a => $"{a.Alteration} {a.Who} {a.Why}"));
        var third = (await TestWorkflows.RunMendAsync(cluster.One, "k-elsa-3", "broken-for-good", Ct)).Value;
        await PostAsync($"/elsa/api/cancel/workflow-instances/{third}", "{}");
        await UntilAsync(cluster.One, $"/elsa/api/workflow-instances/{third}/execution-state", found => $"{found!["status"]} {found["subStatus"]}" == "Finished Cancelled");

        async Task<JsonNode> PostAsync(string path, string body)
        {
            using var answer = await client.PostAsync(new Uri(path, UriKind.Relative), Json(body), Ct);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return (await answer.Content.ReadFromJsonAsync<JsonNode>(Ct))!;
        }
    }

    public static TheoryData<string, string, bool> Operations() => new()
    {
        { "GET", "/api/v1/hosts", false }, { "GET", "/api/v1/networks", false }, { "GET", "/api/v1/networks/x", false }, { "GET", "/api/v1/services", false },
        { "GET", "/api/v1/services/x", false }, { "GET", "/api/v1/incidents", false }, { "GET", "/api/v1/plan", false }, { "GET", "/api/v1/names", false }, { "GET", "/api/v1/drift", false }, { "GET", "/api/v1/workflows", false },
        { "GET", "/api/v1/cluster/workflows", false },
        { "GET", "/api/v1/workflows/x", false }, { "GET", "/api/v1/definitions", false }, { "GET", "/api/v1/definitions/versions", false }, { "GET", "/api/v1/lanes", false },
        { "GET", "/api/v1/signals", false }, { "GET", "/api/v1/drains", false }, { "GET", "/api/v1/drains/x", false }, { "GET", "/api/v1/journal/events?after=x", false },
        { "GET", "/metrics", false }, { "POST", "/api/v1/definitions/check", false }, { "POST", "/api/v1/signals", true }, { "POST", "/api/v1/workflows/x/alterations", true },
        { "GET", "/elsa/api/workflow-definitions", false }, { "GET", "/elsa/api/workflow-definitions/by-definition-id/x", false }, { "GET", "/elsa/api/workflow-definitions/by-id/x", false },
        { "GET", "/elsa/api/workflow-instances", false }, { "POST", "/elsa/api/workflow-instances", false }, { "GET", "/elsa/api/workflow-instances/x", false },
        { "GET", "/elsa/api/workflow-instances/x/execution-state", false }, { "GET", "/elsa/api/workflow-instances/x/journal", false },
        { "GET", "/elsa/api/activity-executions/list", false }, { "GET", "/elsa/api/activity-executions/x", false }, { "POST", "/elsa/api/cancel/workflow-instances/x", true },
        { "POST", "/elsa/api/alterations/run", true }, { "POST", "/elsa/api/alterations/workflows/retry", true },
        { "POST", "/api/v1/drains/x/retry", true }, { "POST", "/api/v1/drains/x/force", true }, { "POST", "/api/v1/drains/x/cancel", true },
    };

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task Operation_ForEachRole(string method, string path, bool needsOperator)
    {
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(method, path, "ff_000000000000_" + new string('0', 64)));
        Assert.Equal(needsOperator, await StatusAsync(method, path, cluster.Viewer) == HttpStatusCode.Forbidden);
        // Without a token one is a viewer on loopback.
        Assert.Equal(needsOperator, await StatusAsync(method, path, null) == HttpStatusCode.Forbidden);
        Assert.NotEqual(HttpStatusCode.Forbidden, await StatusAsync(method, path, cluster.Operator));
        cluster.One.ForgetFailures();
    }

    [Fact]
    public async Task Revoked_IsRefusedWithinSeconds_AndAnotherHostsTokenIsGood()
    {
        var token = await cluster.Two.TokenAsync("short", FlannelFlow.Cluster.Access.Role.Viewer, Ct);
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("GET", "/api/v1/hosts", token.Text));
        await cluster.DeleteAsync(cluster.One.Keys.Token(token.Record.Id), Ct);
        await UntilAsync(async () => await StatusAsync("GET", "/api/v1/hosts", token.Text) == HttpStatusCode.Unauthorized);
        cluster.One.ForgetFailures();
    }

    [Fact]
    public async Task WrongTokens_TooOften_AreNotLookedAt()
    {
        for (var i = 0; i < FailureLimit.Maximum; i++) Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("GET", "/api/v1/hosts", "ff_guess_" + i));
        Assert.Equal(HttpStatusCode.TooManyRequests, await StatusAsync("GET", "/api/v1/hosts", cluster.Operator));
        // Who guesses nothing is served.
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("GET", "/api/v1/hosts", null));
        cluster.One.ForgetFailures();
    }

    [Theory]
    [InlineData("Host", "evil.example", "GET", HttpStatusCode.Forbidden)]
    [InlineData("Host", "localhost:1", "GET", HttpStatusCode.OK)]
    [InlineData("Origin", "http://evil.example", "POST", HttpStatusCode.Forbidden)]
    [InlineData("Origin", "http://evil.example", "GET", HttpStatusCode.OK)]
    public async Task BrowserThatActsForSomebodyElse_IsRefused(string header, string value, string method, HttpStatusCode expected)
    {
        using var client = cluster.One.Client(cluster.Operator);
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(method == "GET" ? "/api/v1/hosts" : "/api/v1/signals", UriKind.Relative));
        if (header == "Host") request.Headers.Host = value;
        else request.Headers.Add(header, value);
        using var response = await client.SendAsync(request, Ct);
        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task HealthAndMetrics_SayHowThingsStand()
    {
        await TestWorkflows.RunMendAsync(cluster.One, "k-metrics", "broken-for-metrics", Ct);
        Assert.Equal("ok", (string?)(await GetAsync(cluster.One, "/health/live"))["status"]);
        Assert.Equal("ok", (string?)(await GetAsync(cluster.One, "/health/ready"))["status"]);
        using var client = cluster.One.Client();
        var metrics = await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), Ct);
        Assert.Contains("flannelflow_hosts{state=\"up\"} 2\n", metrics, StringComparison.Ordinal);
        Assert.Contains("flannelflow_workflows_open{definition=\"mend\",status=\"suspended\"}", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenApi_IsValid_AndLacksNoOperation()
    {
        var text = (await GetAsync(cluster.One, "/api/v1/openapi.json")).ToJsonString();
        var read = Microsoft.OpenApi.OpenApiDocument.Parse(text, "json");
        Assert.Equal("", string.Join('\n', read.Diagnostic!.Errors.Select(error => $"{error.Pointer}: {error.Message}")));
        var documented = read.Document!.Paths
            .SelectMany(path => path.Value.Operations!.Select(operation => (Path: path.Key, Method: operation.Key.Method, Operation: operation.Value))).ToList();

        // Every operation that a role may do over the network is there; those of the test above, which tries each as each role, are among them.
        var mapped = cluster.One.Operations();
        Assert.Equal(mapped.Order(StringComparer.Ordinal), documented.Select(one => $"{one.Method} {one.Path}").Order(StringComparer.Ordinal));
        var tried = Operations().Select(row => $"{row.Data.Item1} {row.Data.Item2.Split('?')[0].Replace("/x", "/{id}", StringComparison.Ordinal)}").ToList();
        Assert.Empty(mapped.Except(tried).Except(["GET /api/v1/openapi.json"]));
        Assert.Equal(documented.Count, documented.Select(one => one.Operation.OperationId).Distinct().Count());
        Assert.All(documented, one =>
        {
            Assert.NotEmpty(one.Operation.Summary!);
            Assert.Superset(new HashSet<string> { "200", "401", "403" }, one.Operation.Responses!.Keys.ToHashSet());
            Assert.Equal(one.Path.Contains('{', StringComparison.Ordinal), one.Operation.Responses.ContainsKey("404"));
        });
    }

    [Fact]
    public async Task Events_GoOnWhereTheReaderWas()
    {
        var seen = cluster.One.Runtime.CommittedSeq;
        await TestWorkflows.RunMendAsync(cluster.One, "k-events", "well", Ct);
        using var client = cluster.One.Client();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/api/v1/journal/events?after=0", UriKind.Relative));
        request.Headers.Add("Last-Event-ID", seen.ToString(System.Globalization.CultureInfo.InvariantCulture));
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Ct));
        Assert.Equal($"id: {seen + 1}", await reader.ReadLineAsync(Ct));
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    private async Task<HttpStatusCode> StatusAsync(string method, string path, string? token)
    {
        using var client = cluster.One.Client(token);
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path, UriKind.Relative));
        if (method == "POST") request.Content = Json("{}");
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Ct);
        return response.StatusCode;
    }

    private static async Task<JsonNode> GetAsync(TestHost host, string path)
    {
        using var client = host.Client();
        return (await client.GetFromJsonAsync<JsonNode>(new Uri(path, UriKind.Relative), Ct))!;
    }

    private static async Task<JsonNode> UntilAsync(TestHost host, string path, Func<JsonNode?, bool> condition)
    {
        JsonNode? found = null;
        using var client = host.Client();
        await UntilAsync(async () =>
        {
            using var response = await client.GetAsync(new Uri(path, UriKind.Relative), Ct);
            found = await response.Content.ReadFromJsonAsync<JsonNode>(Ct);
            return response.IsSuccessStatusCode && condition(found);
        });
        return found!;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var limit = System.Diagnostics.Stopwatch.StartNew(); !await condition();)
        {
            Assert.True(limit.Elapsed < TimeSpan.FromSeconds(60), "it did not come about within a minute");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Ct);
        }
    }
}
