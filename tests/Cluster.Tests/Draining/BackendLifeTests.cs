using CsCheck;
using FlannelFlow.Cluster.Draining;

namespace FlannelFlow.Cluster.Tests.Draining;

public sealed class BackendLifeTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DrainLimits Limits = new(TimeSpan.FromSeconds(17), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1));

    private static readonly Gen<DrainLimits> AnyLimits = Gen.Select(
        Gen.Int[0, 30], Gen.Int[0, 5], Gen.Int[0, 5],
        (limit, grace, udp) => new DrainLimits(TimeSpan.FromSeconds(limit), TimeSpan.FromSeconds(grace), TimeSpan.FromSeconds(udp)));

    /// <summary>Steps of a history: what happens, and how many half seconds after the one before.</summary>
    private static readonly Gen<(int What, int Pause, int Number, bool IsLast, DrainLimits Limits)[]> Histories =
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 8], Gen.Int[0, 3], Gen.Bool, AnyLimits).Array[1, 60];

    [Fact]
    public void Drain_WithConnectionsThatEnd_LowersThenRemovesOnce()
    {
        var life = new Life();

        life.Happens(new BackendEvent.Up(3));
        life.Happens(new BackendEvent.DrainBegan(Limits, IsLast: false, Start));
        life.Counts(0.5, 2);
        life.Counts(1, 2);
        life.Counts(1.5, 0);
        life.Counts(2, 0);
        life.Counts(2.5, 0);

        Assert.Equal("weights 3/3; weights 0/0; weights 0/-; remove; Removed Clean", life.ToString());
    }

    [Fact]
    public void Drain_WithAConnectionThatStays_CutsItAtTheDeadlineAndNotBefore()
    {
        var life = new Life();

        life.Happens(new BackendEvent.Up(1));
        life.Happens(new BackendEvent.DrainBegan(Limits with { UdpGrace = TimeSpan.Zero }, IsLast: false, Start));
        life.Counts(16.9, 1);
        Assert.Equal("weights 1/1; weights 0/-; Draining", life.ToString());
        life.Counts(17, 1);

        Assert.Equal("weights 1/1; weights 0/-; remove; Removed Forced", life.ToString());
    }

    [Fact]
    public void LastBackend_IsHeldOpenUntilAnotherIsReady_AndThenHasItsWholeTime()
    {
        var life = new Life();

        life.Happens(new BackendEvent.Up(5));
        life.Happens(new BackendEvent.DrainBegan(Limits with { UdpGrace = TimeSpan.Zero }, IsLast: true, Start));
        life.Counts(100, 0);
        Assert.Equal("weights 5/5; weights 1/1; Draining held open", life.ToString());
        life.Happens(new BackendEvent.OthersChanged(IsLast: false, Start.AddSeconds(100)));
        life.Counts(116, 1);
        Assert.Equal("weights 5/5; weights 1/1; weights 0/-; Draining", life.ToString());
        life.Counts(117, 1);

        Assert.Equal("weights 5/5; weights 1/1; weights 0/-; remove; Removed Forced", life.ToString());
    }

    [Fact]
    public void Drain_CalledOff_IsAWeightAndNoRemoval()
    {
        var life = new Life();

        life.Happens(new BackendEvent.Up(2));
        life.Happens(new BackendEvent.DrainBegan(Limits, IsLast: false, Start));
        life.Happens(new BackendEvent.Up(2));

        Assert.Equal("weights 2/2; weights 0/0; weights 2/2; Ready 2", life.ToString());
    }

    [Fact]
    public void AnyHistory_KeepsTheInvariants() => Histories.Sample(history =>
    {
        var life = new Life();
        var now = Start;
        foreach (var (what, pause, number, isLast, limits) in history)
        {
            now += TimeSpan.FromSeconds(pause / 2.0);
            BackendEvent happened = what switch
            {
                0 or 1 => new BackendEvent.Up(number + 1),
                2 or 3 => new BackendEvent.DrainBegan(limits, isLast, now),
                4 => new BackendEvent.OthersChanged(isLast, now),
                5 or 6 or 7 => new BackendEvent.Counted(number, now),
                8 => new BackendEvent.ProcessEnded(),
                _ => new BackendEvent.Forced(),
            };
            var before = life.State;
            life.Happens(happened);
            Check(before, happened, life, now);
        }
    });

    [Fact]
    public void AnyDrain_ThatIsCountedUntilItsDeadline_Ends() => Gen.Select(AnyLimits, Gen.Bool.Array[0, 10], Gen.Int[0, 3]).Sample((limits, others, open) =>
    {
        var life = new Life();
        life.Happens(new BackendEvent.Up(1));
        life.Happens(new BackendEvent.DrainBegan(limits, others.Length > 0 && others[0], Start));
        var now = Start;
        foreach (var isLast in others)
            life.Happens(new BackendEvent.OthersChanged(isLast, now += TimeSpan.FromSeconds(1)));
        life.Happens(new BackendEvent.OthersChanged(IsLast: false, now));
        now += TimeSpan.FromSeconds(Math.Max(limits.Limit.TotalSeconds, open == 0 ? limits.MinimumGrace.TotalSeconds : 0));

        life.Happens(new BackendEvent.Counted(open, now));

        Assert.IsType<BackendState.Removed>(life.State);
    });

    [Theory]
    [InlineData("", null)]
    [InlineData("a:ready", null)]
    [InlineData("a:5 b:ready", null)]
    [InlineData("a:5", "a")]
    [InlineData("a:5 b:7 c:6", "b")]
    [InlineData("b:5 a:5", "b")]
    public void HeldOpen_IsTheOneThatBeganLast_IfNoneIsReady(string backends, string? expected)
    {
        var living = backends.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => text.Split(':'))
            .Select(parts => (parts[0], parts[1] == "ready" ? (DateTimeOffset?)null : Start.AddSeconds(int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture))));

        Assert.Equal(expected, BackendLife.HeldOpen(living));
    }

    private static void Check(BackendState before, BackendEvent happened, Life life, DateTimeOffset now)
    {
        // One command at most, and only when something changes for the kernel.
        Assert.True(life.Last.Count <= 1);
        switch (life.State)
        {
            case BackendState.Draining { IsHeldOpen: true }:
                Assert.Equal((1, (int?)1), (life.Tcp, life.Udp));
                break;
            case BackendState.Draining draining:
                Assert.Equal(0, life.Tcp);
                Assert.Equal(draining.IsUdpCut ? null : 0, life.Udp);
                Assert.True(draining.Deadline - draining.ZeroSince == draining.Limits.Limit);
                break;
            case BackendState.Ready ready:
                Assert.Equal((ready.Weight, (int?)ready.Weight), (life.Tcp, life.Udp));
                break;
            case BackendState.Pending or BackendState.Removed:
                Assert.Null(life.Tcp);
                break;
        }

        if (life.Last is not [BackendCommand.Remove])
            return;
        switch (before, happened)
        {
            case (BackendState.Draining was, BackendEvent.Counted counted):
                Assert.False(was.IsHeldOpen, "one that is held open was removed by a count");
                Assert.True((counted.Open == 0 && now >= was.ZeroSince + was.Limits.MinimumGrace) || now >= was.Deadline, "removed too early");
                break;
            case (BackendState.Ready or BackendState.Draining, BackendEvent.ProcessEnded) or (BackendState.Draining, BackendEvent.Forced):
                break;
            default:
                Assert.Fail($"{happened} removed a backend that was {before}");
                break;
        }
    }

    /// <summary>A state, and a kernel of one backend.</summary>
    private sealed class Life
    {
        private readonly List<string> _done = [];

        public BackendState State { get; private set; } = new BackendState.Pending();

        public IReadOnlyList<BackendCommand> Last { get; private set; } = [];

        /// <summary>Null: it is not there.</summary>
        public int? Tcp { get; private set; }

        public int? Udp { get; private set; }

        public void Counts(double seconds, int open) => Happens(new BackendEvent.Counted(open, Start.AddSeconds(seconds)));

        public void Happens(BackendEvent happened)
        {
            (State, Last) = BackendLife.Decide(State, happened);
            foreach (var command in Last)
            {
                switch (command)
                {
                    case BackendCommand.SetWeights weights:
                        (Tcp, Udp) = (weights.Tcp, weights.Udp);
                        _done.Add($"weights {weights.Tcp}/{(weights.Udp is { } udp ? udp : "-")}");
                        break;
                    case BackendCommand.Remove:
                        Assert.True(Tcp.HasValue, "a backend that is not there was removed");
                        (Tcp, Udp) = (null, null);
                        _done.Add("remove");
                        break;
                }
            }
        }

        public override string ToString() => string.Join("; ", _done.Append(State switch
        {
            BackendState.Pending => "Pending",
            BackendState.Ready ready => $"Ready {ready.Weight}",
            BackendState.Draining draining => draining.IsHeldOpen ? "Draining held open" : "Draining",
            BackendState.Removed removed => $"Removed {removed.End}",
            _ => throw new InvalidOperationException(),
        }));
    }
}
