using FlannelFlow.Dns.Names;

namespace FlannelFlow.Dns.Serving;

/// <summary>The names that this host's servers answer from. One writer replaces them whole, each query reads them once.</summary>
public sealed class NameBoard
{
    private volatile NameIndex _current = NameIndex.Empty;

    public NameIndex Current => _current;

    /// <summary>False: nothing was published yet, so that nothing is known, not even that there is nothing.</summary>
    public bool IsReady => !ReferenceEquals(_current, NameIndex.Empty);

    public void Publish(NameIndex names) => _current = names;
}
