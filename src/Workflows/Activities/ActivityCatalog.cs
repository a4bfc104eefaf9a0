using System.Diagnostics.CodeAnalysis;

namespace FlannelFlow.Workflows;

/// <summary>The activity types that definitions can name. Filled once by the composition root, then only read.</summary>
public sealed class ActivityCatalog
{
    private readonly Dictionary<string, ActivityType> _types = new(StringComparer.Ordinal);

    public IEnumerable<string> Types => _types.Keys.Order(StringComparer.Ordinal);

    public ActivityCatalog Add<TInput, TOutput>(Activity<TInput, TOutput> activity)
        where TInput : class
        where TOutput : class
    {
        ArgumentNullException.ThrowIfNull(activity);
        return Add(new BoundActivityType<TInput, TOutput>(activity));
    }

    internal ActivityCatalog Add(ActivityType type)
    {
        if (!_types.TryAdd(type.Name, type)) throw new ArgumentException($"activity type {type.Name} is registered twice", nameof(type));
        return this;
    }

    internal IEnumerable<string> Tables => _types.Values.Select(t => t.Tables).OfType<string>();

    internal bool TryGet(string type, [NotNullWhen(true)] out ActivityType? found) => _types.TryGetValue(type, out found);
}
