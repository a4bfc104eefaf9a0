using FlannelFlow.Workflows;

namespace FlannelFlow.Activities.Dns;

/// <summary>Our DNS server is in a sandbox for this endpoint no longer. Success also when it never was.</summary>
public sealed class WithdrawDns(DnsServers servers) : Activity<WithdrawDns.In, Nothing>
{
    public sealed record In(string EndpointId);

    public override string Type => "FlannelFlow.WithdrawDns";

    public override async Task<Nothing> ExecuteAsync(In input, ActivityExecution execution, CancellationToken ct)
    {
        await servers.WithdrawAsync(input.EndpointId, ct);
        return Nothing.Instance;
    }
}
