using FlannelFlow.Host.Docker;
using Microsoft.Extensions.Time.Testing;

namespace FlannelFlow.Host.Tests;

public sealed class SwarmRoleTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly SwarmRole _role;
    private int _asked;

    public SwarmRoleTests() => _role = new SwarmRole(_time);

    [Fact]
    public async Task AManager_IsAskedEachTime()
    {
        Assert.Equal("1", await AskAsync(isManager: true));
        Assert.Equal("2", await AskAsync(isManager: true));
    }

    [Fact]
    public async Task AWorker_IsAskedOnceAMinute()
    {
        Assert.Null(await AskAsync(isManager: false));
        _time.Advance(SwarmRole.Memory - TimeSpan.FromSeconds(1));
        Assert.Null(await AskAsync(isManager: true));
        Assert.Equal(1, _asked);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("2", await AskAsync(isManager: true));
    }

    [Fact]
    public async Task AWorker_OfWhichAManagersEventWasHeard_IsAskedAgain()
    {
        Assert.Null(await AskAsync(isManager: false));
        _role.Heard();
        Assert.Equal("2", await AskAsync(isManager: true));
    }

    [Fact]
    public async Task WhatIsHeardWhileItAnswers_IsNewerThanTheAnswer()
    {
        Assert.Null(await _role.AskManagerAsync(() =>
        {
            _role.Heard();
            return Task.FromResult<string?>(null);
        }));
        Assert.Equal("1", await AskAsync(isManager: true));
    }

    [Fact]
    public async Task AnEngineThatDoesNotAnswer_IsAskedAgain()
    {
        await Assert.ThrowsAsync<IOException>(() => _role.AskManagerAsync<string>(() => throw new IOException()));
        Assert.Equal("1", await AskAsync(isManager: true));
    }

    private Task<string?> AskAsync(bool isManager) => _role.AskManagerAsync(() => Task.FromResult(++_asked is var asked && isManager ? $"{asked}" : null));
}
