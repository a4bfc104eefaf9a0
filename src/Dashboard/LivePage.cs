using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Operations;
using FlannelFlow.Workflows;
using Microsoft.AspNetCore.Components;

namespace FlannelFlow.Dashboard;

/// <summary>A page that shows how things stand now, and goes on doing so.</summary>
public abstract class LivePage : ComponentBase, IDisposable
{
    private readonly CancellationTokenSource _closed = new();
    private IDisposable? _following;
    private bool _isReading;

    [Inject]
    private IServiceProvider Services { get; set; } = null!;

    /// <summary>Why what is shown may be old or lack something; null: it does not.</summary>
    protected string? Trouble { get; set; }

    protected CancellationToken Closed => _closed.Token;

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Reads what is shown. What it throws of the kinds that pass by themselves is shown as <see cref="Trouble"/>.</summary>
    protected abstract Task ReadAsync();

    protected override Task OnParametersSetAsync() => RefreshAsync();

    protected override void OnAfterRender(bool firstRender)
    {
        // Only a page that is alive is followed, not one that is rendered once for the first sight of it.
        if (firstRender) _following = ((Live)Services.GetService(typeof(Live))!).Follow(() => InvokeAsync(ChangedAsync));
    }

    protected async Task RefreshAsync()
    {
        if (_isReading || _closed.IsCancellationRequested) return;
        _isReading = true;
        try
        {
            Trouble = null;
            await ReadAsync();
        }
        catch (Exception passing) when (passing is EtcdException or RuntimeStoppedException or HostSilentException or KeyNotFoundException or BadRequestException or AlterationRefusedException)
        {
            Trouble = passing.Message;
        }
        catch (OperationCanceledException) when (_closed.IsCancellationRequested)
        {
            // Nobody looks any more.
        }
        finally
        {
            _isReading = false;
        }
    }

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        _following?.Dispose();
        if (!_closed.IsCancellationRequested) _closed.Cancel();
        _closed.Dispose();
    }

    private async Task ChangedAsync()
    {
        if (_closed.IsCancellationRequested) return;
        await RefreshAsync();
        StateHasChanged();
    }
}
