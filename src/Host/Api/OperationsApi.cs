using FlannelFlow.Cluster.Access;
using FlannelFlow.Host.Access;
using FlannelFlow.Host.Reconcile;
using FlannelFlow.Operations;
using FlannelFlow.Operations.Access;
using FlannelFlow.Operations.Cluster;
using FlannelFlow.Operations.Draining;
using FlannelFlow.Operations.Elsa;
using FlannelFlow.Operations.Reconcile;
using FlannelFlow.Operations.Workflows;

namespace FlannelFlow.Host.Api;

/// <summary>Composes what people see and do: the API, health, metrics and the dashboard.</summary>
internal static class OperationsApi
{
    public static IServiceCollection AddOperations(this IServiceCollection services) => services
        .AddSingleton<DrainOperations>().AddSingleton<DrainList>()
        .AddSingleton<HostWorkflows>().AddSingleton<ElsaWorkflows>().AddSingleton<HostOperations>().AddSingleton<OperatorDesk>()
        .AddSingleton(provider => provider.GetRequiredService<FlannelFlowOptions>().Dns)
        .AddSingleton<Func<DriftView>>(provider => provider.GetRequiredService<DriftBook>().View)
        .AddSingleton<AddressMaps>().AddSingleton<Incidents>()
        .AddSingleton<TokenStore>().AddSingleton<Gate>().AddSingleton<Doors>()
        .AddSingleton<MeterTotals>()
        .AddSingleton<IDashboard, LazyDashboard>();

    public static void MapOperations(this IEndpointRouteBuilder routes)
    {
        routes.MapJournal();
        routes.MapWorkflows();
        routes.MapElsa();
        routes.MapDrains();
        routes.MapCluster();
        routes.MapDrift();
        routes.MapTokens();
        routes.MapHealth();
        routes.MapMetrics();
        routes.MapOpenApi();
    }
}
