using FlannelFlow.Cluster.Etcd;
using FlannelFlow.Cluster.Operations;
using FlannelFlow.Operations;

namespace FlannelFlow.Host.Draining;

/// <summary>Does what people on other hosts want of this host's workflows, one after the other, and answers in place.</summary>
/// <remarks>A daemon that dies between doing and answering does it again: each of them may be done twice, and its audit then says so.</remarks>
public sealed class RequestLoop(
    OperationsStore store, HostOperations operations, FlannelFlowOptions options, TimeProvider time, ILogger<RequestLoop> logger) : BackgroundService
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await foreach (var (request, entry) in store.RequestsAsync(options.HostName, stoppingToken))
                {
                    var answered = await operations.AnswerAsync(request, stoppingToken);
                    logger.Log(
                        HostOperations.IsRead(request) ? LogLevel.Debug : LogLevel.Information,
                        "{Who} on {From} wants {Kind} of {Instance} ({Why}): {Answer}",
                        request.Who, request.From, request.Kind, request.Instance, request.Why, answered.Refusal ?? "done");
                    await store.AnswerAsync(entry, answered, stoppingToken);
                }
            }
            catch (EtcdException)
            {
                // The mirror's loop says that etcd is away.
                await Task.Delay(RetryPause, time, stoppingToken);
            }
        }
    }
}
