using System.Text;

namespace FlannelFlow.Bridge;

/// <summary>One line per event, `level=… msg="…" key=value…`: dockerd puts a plugin's stderr into its own log and adds time and plugin.</summary>
internal sealed class BridgeLog(Stream output)
{
    private readonly Lock _writing = new();

    public void Info(string message, params ReadOnlySpan<(string Key, string Value)> fields) => Write("info", message, fields);

    public void Warning(string message, params ReadOnlySpan<(string Key, string Value)> fields) => Write("warning", message, fields);

    public void Error(string message, params ReadOnlySpan<(string Key, string Value)> fields) => Write("error", message, fields);

    private void Write(string level, string message, ReadOnlySpan<(string Key, string Value)> fields)
    {
        var line = new StringBuilder("level=").Append(level).Append(" msg=");
        Quote(line, message);
        foreach (var (key, value) in fields)
            Quote(line.Append(' ').Append(key).Append('='), value);
        var bytes = Encoding.UTF8.GetBytes(line.Append('\n').ToString());
        lock (_writing)
        {
            try
            {
                output.Write(bytes);
            }
            catch (IOException)
            {
                // dockerd, which reads this pipe, may be gone or restarting: no reason to fail a call.
            }
        }
    }

    private static void Quote(StringBuilder line, string value)
    {
        line.Append('"');
        foreach (var character in value)
        {
            if (character is '"' or '\\')
                line.Append('\\').Append(character);
            else
                line.Append(char.IsControl(character) ? ' ' : character);
        }
        line.Append('"');
    }
}
