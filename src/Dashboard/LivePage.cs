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
    private bool _isOutOfDate;

    protected LivePage() => Closed = _closed.Token;

    [Inject]
    private IServiceProvider Services { get; set; } = null!;

    /// <summary>Why what is shown may be old or lack something; null: it does not.</summary>
    protected string? Trouble { get; set; }

    /// <summary>Cancelled when the page is left; also to be read after that.</summary>
    protected CancellationToken Closed { get; }

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
        // Asked meanwhile for something else, perhaps: it is read again.
        _isOutOfDate = true;
        if (_isReading) return;
        _isReading = true;
        try
        {
            while (_isOutOfDate && !_closed.IsCancellationRequested)
            {
                _isOutOfDate = false;
                await ReadOnceAsync();
            }
        }
        finally
        {
            _isReading = false;
        }
    }

    private async Task ReadOnceAsync()
    {
        try
        {
            await ReadAsync();
            Trouble = null;
        }
        catch (Exception passing) when (passing is EtcdException or RuntimeStoppedException or HostSilentException or KeyNotFoundException or BadRequestException or AlterationRefusedException)
        {
            Trouble = passing.Message;
        }
        catch (OperationCanceledException) when (_closed.IsCancellationRequested)
        {
            // Nobody looks any more.
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
        // Nothing is due that is being read.
        if (_isReading || _closed.IsCancellationRequested) return;
        try
        {
            await RefreshAsync();
            if (!_closed.IsCancellationRequested) StateHasChanged();
        }
        catch (Exception broken)
        {
            // To the page's error boundary, and the log: nobody else awaits this.
            await DispatchExceptionAsync(broken);
        }
    }
}
