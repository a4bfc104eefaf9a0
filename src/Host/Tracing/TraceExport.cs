using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using FlannelFlow.Host.Mirror;
using FlannelFlow.Workflows;

namespace FlannelFlow.Host.Tracing;

/// <summary>Sends the traces of workflows to a collector, by OTLP over HTTP.</summary>
/// <remarks>
/// It reads the journal behind the workflows, which never wait for it. How far it has sent stands in a file beside the journal, written after the
/// collector's answer: while the collector is away, or the daemon, nothing is lost, as long as the journal keeps it.
/// </remarks>
internal sealed class TraceExport(
    TracingOptions options, WorkflowRuntime runtime, string cursorPath, TimeProvider time, ILogger<TraceExport> logger) : BackgroundService
{
    /// <summary>What ends within this is sent together.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromSeconds(1);

    /// <summary>OTEL_BSP_MAX_EXPORT_BATCH_SIZE's default.</summary>
    private const int Batch = 512;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly WorkflowSpans _workflows = new(runtime);
    private readonly HttpClient _client = new() { Timeout = options.Timeout };

    public override void Dispose()
    {
        _client.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var spans = new List<Span>();
        var after = Cursor();
        logger.LogInformation("traces of workflows go to {Endpoint}, from event {Seq} of the journal on", options.Endpoint, after);
        await foreach (var e in runtime.FollowAsync(after, stoppingToken))
        {
            spans.AddRange(_workflows.EndedBy(e));
            if (spans.Count < Batch)
            {
                if (e.Seq < runtime.CommittedSeq) continue;
                await Task.Delay(Gathering, time, stoppingToken);
                if (e.Seq < runtime.CommittedSeq && spans.Count == 0) continue;
            }

            if (spans.Count > 0) await SendAsync(spans, stoppingToken);
            spans.Clear();
            Remember(e.Seq);
        }
    }

    /// <summary>Until the collector has taken them, or has refused them for good.</summary>
    private async Task SendAsync(List<Span> spans, CancellationToken ct)
    {
        var request = OtlpTraces.Request(options.Resource, "flannelflow.workflows", ThisHost.Version, spans);
        var pause = FirstPause;
        for (var attempt = 1; ; attempt++)
        {
            string trouble;
            var wait = pause;
            try
            {
                using var message = new HttpRequestMessage(HttpMethod.Post, options.Endpoint) { Content = new ByteArrayContent(request) };
                message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
                foreach (var (name, value) in options.Headers) message.Headers.TryAddWithoutValidation(name, value);
                using var response = await _client.SendAsync(message, ct);
                if (response.IsSuccessStatusCode)
                {
                    if (attempt > 1) logger.LogInformation("traces of workflows go to {Endpoint} again", options.Endpoint);
                    return;
                }

                trouble = $"it answered {(int)response.StatusCode} {response.ReasonPhrase}";
                // OTLP 1.x, "failures": only these may be tried again.
                if (response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout))
                {
                    logger.LogError("{Count} spans are lost: {Endpoint} refuses them: {Trouble}", spans.Count, options.Endpoint, trouble);
                    return;
                }

                wait = response.Headers.RetryAfter?.Delta ?? pause;
            }
            catch (HttpRequestException e)
            {
                trouble = e.Message;
            }
            catch (TaskCanceledException) when (!ct.IsCancellationRequested)
            {
                trouble = $"no answer within {options.Timeout.TotalSeconds} s";
            }

            if (attempt == 1) logger.LogWarning("traces of workflows wait: {Endpoint}: {Trouble}", options.Endpoint, trouble);
            await Task.Delay(wait, time, ct);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    /// <summary>Of the last event whose spans the collector has; at first, from now on.</summary>
    private long Cursor()
    {
        var now = runtime.CommittedSeq;
        // A journal that is younger than the file counts from 1 again.
        if (File.Exists(cursorPath) && long.TryParse(File.ReadAllText(cursorPath), NumberStyles.None, CultureInfo.InvariantCulture, out var seq) && seq <= now) return seq;
        Remember(now);
        return now;
    }

    private void Remember(long seq)
    {
        File.WriteAllText(cursorPath + ".new", seq.ToString(CultureInfo.InvariantCulture));
        File.Move(cursorPath + ".new", cursorPath, overwrite: true);
    }
}
