namespace FlannelFlow.Workflows.Tests;

public sealed class RetryPolicyTests
{
    private static readonly RetryPolicy Doubling = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(5), 4, 0.5);

    [Theory]
    [InlineData(1, 0, 1.0)]
    [InlineData(2, 0, 2.0)]
    [InlineData(3, 0, 4.0)]
    [InlineData(4, 0, 5.0)]
    [InlineData(60, 0, 5.0)]
    [InlineData(2, 0.5, 1.5)]
    public void DelayAfter_BacksOffToTheMaximum_LessJitter(int failures, double chance, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Doubling.DelayAfter(failures, chance));

    [Fact]
    public void IsExhausted_AtItsAttempts_WithoutEndIfNull()
    {
        Assert.False(Doubling.IsExhausted(3));
        Assert.True(Doubling.IsExhausted(4));
        Assert.True(RetryPolicy.Never.IsExhausted(1));
        Assert.False((Doubling with { Attempts = null }).IsExhausted(int.MaxValue));
    }
}
