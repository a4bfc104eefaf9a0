using CsCheck;

namespace FlannelFlow.Workflows.Tests;

public sealed class LaneTests
{
    private static readonly Gen<LaneClaim> GenClaim =
        Gen.Select(Gen.Int[1, 4], Gen.Bool, (lane, shared) => new LaneClaim($"net/{lane}", shared ? LaneMode.Shared : LaneMode.Exclusive));

    /// <summary>True: the next instance enters with these claims; false: a holder leaves.</summary>
    private static readonly Gen<(bool Enter, LaneClaim[] Claims, int Pick)[]> GenHistory =
        Gen.Select(Gen.Bool, GenClaim.Array[0, 3], Gen.Int[0, 1000]).Array[1, 60];

    /// <summary>Against the rule itself: who is in may run iff nobody who came before and is still in conflicts.</summary>
    [Fact]
    public void AnyHistory_HoldersNeverConflict_EachRunsAsSoonAsNobodyBeforeItConflicts()
    {
        GenHistory.Sample(history =>
        {
            var table = new LaneTable();
            var inside = new List<(InstanceId Id, LaneClaim[] Claims)>();
            var running = new HashSet<InstanceId>();
            int next = 0;
            foreach ((bool enter, LaneClaim[] claims, int pick) in history)
            {
                if (enter)
                {
                    var id = new InstanceId($"i{next++}");
                    inside.Add((id, claims));
                    if (table.Enter(id, claims)) running.Add(id);
                }
                else if (running.Count > 0)
                {
                    InstanceId leaver = running.Order(Comparer<InstanceId>.Create((a, b) => string.CompareOrdinal(a.Value, b.Value))).ElementAt(pick % running.Count);
                    running.Remove(leaver);
                    inside.RemoveAll(i => i.Id == leaver);
                    foreach (InstanceId granted in table.Leave(leaver)) Assert.True(running.Add(granted), $"{granted} granted twice");
                }
                var expected = inside.Where((i, n) => !inside.Take(n).Any(before => Conflict(before.Claims, i.Claims))).Select(i => i.Id);
                Assert.Equal(expected.ToHashSet(), running);
            }

            // No starvation: as holders leave, all come to run, those that conflict in the order of their arrival.
            var order = new List<InstanceId>(running);
            for (int i = 0; i < order.Count; i++) order.AddRange(table.Leave(order[i]));
            Assert.Equal(inside.Select(i => i.Id).ToHashSet(), order.ToHashSet());
            foreach (var (a, b) in inside.SelectMany((a, n) => inside.Skip(n + 1).Select(b => (a, b))).Where(p => Conflict(p.a.Claims, p.b.Claims)))
                Assert.True(order.IndexOf(a.Id) < order.IndexOf(b.Id));
        });
    }

    private static bool Conflict(LaneClaim[] a, LaneClaim[] b) =>
        a.Any(x => b.Any(y => x.Key == y.Key && (x.Mode == LaneMode.Exclusive || y.Mode == LaneMode.Exclusive)));
}
