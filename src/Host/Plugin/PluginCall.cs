using System.Text.Json;

namespace FlannelFlow.Host.Plugin;

/// <summary>What a handler knows of its call besides the body.</summary>
/// <param name="RequestId">
/// One per call of dockerd, the same when the bridge sends a call again after a daemon crash: allocations made under it are joined, not
/// repeated.
/// </param>
public readonly record struct PluginCall(string RequestId);

/// <summary>The call cannot be taken as it is (HTTP 400); nothing was changed.</summary>
public sealed class BadCallException(string message) : Exception(message);

/// <summary>The call was understood and is refused (HTTP 500); the message reaches Docker's user or the leader's log.</summary>
public sealed class PluginRefusalException(string message) : Exception(message);

/// <summary>
/// The HTTP edge of a plugin call: body, bound in time, and the form of failures.
/// </summary>
/// <remarks>
/// dockerd sends no Content-Type, so the body is parsed here and not by the framework's binding, which answers 415. A transport retry of
/// dockerd carries an empty body (moby#35459): an empty body is never read as defaults, it is refused with 400.
/// </remarks>
public sealed class PluginCallEdge(PluginOptions options, TimeProvider time, ILogger<PluginCallEdge> logger)
{
    public const string RequestIdHeader = "X-FlannelFlow-Request";
    private const int MaximumBody = 8 * 1024 * 1024;
    private long _calls;

    public async Task AnswerAsync<TRequest, TAnswer>(
        HttpContext http,
        Func<TRequest, PluginCall, CancellationToken, Task<TAnswer>> handler)
        where TRequest : class
    {
        var began = time.GetTimestamp();
        using var bound = new CancellationTokenSource(options.CallTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, http.RequestAborted);
        try
        {
            var request = await ReadAsync<TRequest>(http, either.Token);
            var answer = await handler(request, CallOf(http), either.Token);
            await WriteAsync(http, StatusCodes.Status200OK, answer);
            logger.LogDebug("{Call} answered in {Milliseconds:0.0} ms", http.Request.Path, time.GetElapsedTime(began).TotalMilliseconds);
        }
        catch (BadCallException bad)
        {
            logger.LogWarning("{Call} not taken: {Reason}", http.Request.Path, bad.Message);
            await WriteAsync(http, StatusCodes.Status400BadRequest, ErrorAnswer.Of(bad.Message));
        }
        catch (PluginRefusalException refusal)
        {
            logger.LogWarning("{Call} refused: {Reason}", http.Request.Path, refusal.Message);
            await WriteAsync(http, StatusCodes.Status500InternalServerError, ErrorAnswer.Of(refusal.Message));
        }
        catch (OperationCanceledException) when (bound.IsCancellationRequested)
        {
            var message = $"{Name(http)} was not done within {options.CallTimeout.TotalSeconds:0} s; it goes on and can be seen with " +
                "'flannelflow workflows'";
            logger.LogError("{Call}: {Reason}", http.Request.Path, message);
            await WriteAsync(http, StatusCodes.Status500InternalServerError, ErrorAnswer.Of(message));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            logger.LogInformation("{Call}: the caller went away", http.Request.Path);
        }
#pragma warning disable CA1031 // The HTTP edge is one of the two places where every fault ends.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            logger.LogError(fault, "{Call} failed", http.Request.Path);
            await WriteAsync(http, StatusCodes.Status500InternalServerError, ErrorAnswer.Of($"{Name(http)}: {fault.Message}"));
        }
    }

    private PluginCall CallOf(HttpContext http)
    {
        var given = http.Request.Headers[RequestIdHeader].ToString();
        return new PluginCall(given.Length is > 0 and <= 128
            ? given
            : $"{Environment.ProcessId}-{time.GetUtcNow().ToUnixTimeMilliseconds()}-{Interlocked.Increment(ref _calls)}");
    }

    private static string Name(HttpContext http) => http.Request.Path.Value?.TrimStart('/') ?? "";

    private static async Task<TRequest> ReadAsync<TRequest>(HttpContext http, CancellationToken ct)
        where TRequest : class
    {
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        int read;
        while ((read = await http.Request.Body.ReadAsync(buffer, ct)) > 0)
        {
            await body.WriteAsync(buffer.AsMemory(0, read), ct);
            if (body.Length > MaximumBody)
                throw new BadCallException($"{Name(http)}: the body is longer than {MaximumBody} bytes");
        }

        if (body.Length == 0)
            throw new BadCallException($"{Name(http)}: the body is empty; a call with arguments was expected, nothing was changed");
        try
        {
            return JsonSerializer.Deserialize<TRequest>(body.GetBuffer().AsSpan(0, (int)body.Length), PluginJson.Options)
                ?? throw new BadCallException($"{Name(http)}: the body is null");
        }
        catch (JsonException malformed)
        {
            throw new BadCallException($"{Name(http)}: the body is not what Docker sends: {malformed.Message}");
        }
    }

    public static async Task WriteAsync<T>(HttpContext http, int status, T answer)
    {
        if (http.RequestAborted.IsCancellationRequested)
            return;
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/vnd.docker.plugins.v1.2+json";
        var bytes = JsonSerializer.SerializeToUtf8Bytes(answer, PluginJson.Options);
        http.Response.ContentLength = bytes.Length;
        await http.Response.Body.WriteAsync(bytes, CancellationToken.None);
    }
}
