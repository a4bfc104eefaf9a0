namespace FlannelFlow.Host.Tests;

public sealed class SteadyTimeTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);
    private readonly HostClock _host = new();
    private readonly List<string> _said = [];

    [Fact]
    public void Clock_ThatIsNotSet_IsFollowed()
    {
        var time = Steady();
        Pass(TimeSpan.FromHours(5));
        Assert.Equal(Noon.AddHours(5), time.GetUtcNow());

        // What NTP does all the time.
        _host.Now += TimeSpan.FromMilliseconds(40);
        Pass(TimeSpan.FromSeconds(1));
        Assert.Equal(_host.Now, time.GetUtcNow());
        Assert.Empty(_said);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void Clock_ThatIsSetByAnHour_ChangesNoDuration_AndIsFollowedInADay(int hours)
    {
        var time = Steady();
        Pass(TimeSpan.FromMinutes(1));
        var before = time.GetUtcNow();
        _host.Now += TimeSpan.FromHours(hours);
        Assert.Equal(before, time.GetUtcNow());
        Pass(TimeSpan.FromSeconds(20));
        Assert.InRange((time.GetUtcNow() - before).TotalSeconds, 19, 21);
        Assert.Contains(hours > 0 ? "set forward by 01:00:00" : "set back by 01:00:00", Assert.Single(_said), StringComparison.Ordinal);

        for (var i = 0; i < 24 * 60; i++)
        {
            Pass(TimeSpan.FromMinutes(1));
            time.GetUtcNow();
        }

        Assert.Equal(_host.Now, time.GetUtcNow());
        Assert.Equal(2, _said.Count);
    }

    [Fact]
    public void Time_NeverGoesBack_WhateverTheClockDoes()
    {
        var chance = new Random(20_261_128);
        var time = Steady();
        var last = time.GetUtcNow();
        for (var i = 0; i < 10_000; i++)
        {
            if (chance.Next(20) == 0) _host.Now += TimeSpan.FromSeconds(chance.Next(-100_000, 100_000));
            Pass(TimeSpan.FromMilliseconds(chance.Next(0, 5000)));
            var now = time.GetUtcNow();
            Assert.True(now >= last, $"step {i}");
            last = now;
        }
    }

    private SteadyTime Steady()
    {
        var time = new SteadyTime(_host);
        time.Stepped += _said.Add;
        return time;
    }

    private void Pass(TimeSpan time)
    {
        _host.Passed += time;
        _host.Now += time;
    }

    /// <summary>Its time of day and what has passed are two things, as on a host.</summary>
    private sealed class HostClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = Noon;

        public TimeSpan Passed { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => Passed.Ticks;
    }
}
