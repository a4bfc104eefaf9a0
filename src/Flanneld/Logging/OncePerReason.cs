namespace FlannelFlow.Flanneld.Logging;

/// <summary>Keeps a retry loop from filling the log: says yes only where the reason is another than the last one.</summary>
internal sealed class OncePerReason
{
    private string? _last;

    public bool IsNew(string reason)
    {
        if (reason == _last) return false;
        _last = reason;
        return true;
    }

    /// <summary>True if something had been wrong: the moment to say that it is over.</summary>
    public bool Clear()
    {
        var was = _last is not null;
        _last = null;
        return was;
    }
}
