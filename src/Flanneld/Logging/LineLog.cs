using System.Globalization;
using Microsoft.Extensions.Logging;

namespace FlannelFlow.Flanneld.Logging;

/// <summary>One line per event: <c>2026-11-24T03:43:05.123Z info message</c>. Line ends inside a message become spaces.</summary>
internal sealed class LineLog(TextWriter output, LogLevel least, TimeProvider time) : ILogger
{
    private readonly Lock _writing = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel)) return;
        var message = formatter(state, exception);
        if (exception is not null) message = $"{message}: {exception.Message}";
        var line = string.Create(CultureInfo.InvariantCulture,
            $"{time.GetUtcNow():yyyy-MM-ddTHH:mm:ss.fff}Z {Word(logLevel)} {message.ReplaceLineEndings(" ")}\n");
        lock (_writing)
        {
            output.Write(line);
            output.Flush();
        }
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error or LogLevel.Critical or LogLevel.None => "error",
        _ => throw new ArgumentOutOfRangeException(nameof(level), level, "not a log level"),
    };
}

/// <summary>The same log under the name of a category, for libraries that ask for one.</summary>
internal sealed class LineLog<T>(LineLog log) : ILogger<T>
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => log.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        log.Log(logLevel, eventId, state, exception, formatter);
}
