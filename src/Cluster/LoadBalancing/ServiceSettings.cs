using System.Collections.Immutable;
using System.Globalization;

namespace FlannelFlow.Cluster.LoadBalancing;

/// <summary>What the labels of a service or of a container say about load balancing. What cannot be is refused in words, and the default stands.</summary>
/// <param name="Scheduler">By IPVS's name.</param>
/// <param name="Weight">1 to <see cref="MaximumWeight"/>.</param>
/// <param name="Refused">A sentence for each label that was refused, naming it, its value and what stands instead.</param>
public sealed record ServiceSettings(string Scheduler, int Weight, ImmutableArray<string> Refused)
{
    public const string SchedulerLabel = "flannelflow.scheduler";
    public const string WeightLabel = "flannelflow.weight";

    /// <summary>Each backend in turn, as often as its weight says.</summary>
    public const string DefaultScheduler = "wrr";
    public const int DefaultWeight = 1;

    /// <summary>A plane without weights of its own repeats a backend as often as its weight says: the bound is for that one.</summary>
    public const int MaximumWeight = 100;

    /// <summary>ipvsadm(8), without those that count on a cache (lblc, lblcr), on an overload bound per backend (ovf) or on priorities (fo).</summary>
    public static ImmutableArray<string> Schedulers { get; } = ["rr", "wrr", "lc", "wlc", "sh", "mh", "sed", "nq"];

    public static ServiceSettings Of(IReadOnlyDictionary<string, string> labels)
    {
        var refused = ImmutableArray.CreateBuilder<string>();
        var scheduler = DefaultScheduler;
        if (labels.TryGetValue(SchedulerLabel, out var wanted))
        {
            if (Schedulers.Contains(wanted)) scheduler = wanted;
            else refused.Add($"label {SchedulerLabel}=\"{wanted}\" is none of {string.Join(", ", Schedulers)}; {DefaultScheduler} stands");
        }

        var weight = DefaultWeight;
        if (labels.TryGetValue(WeightLabel, out var text))
        {
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= MaximumWeight) weight = number;
            else
            {
                refused.Add(string.Create(
                    CultureInfo.InvariantCulture, $"label {WeightLabel}=\"{text}\" is not a whole number from 1 to {MaximumWeight}; {DefaultWeight} stands"));
            }
        }

        return new ServiceSettings(scheduler, weight, refused.ToImmutable());
    }
}
