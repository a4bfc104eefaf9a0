using FlannelFlow.Cluster.Addresses;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Pools;
using Microsoft.Extensions.DependencyInjection;

namespace FlannelFlow.Dashboard.Tests.Support;

/// <summary>A small shop on two hosts, with what can go wrong in it: for the pages' looks.</summary>
internal static class Furnished
{
    public static async Task<(string Workflow, string Drain)> AsShopAsync(this Cluster cluster, CancellationToken ct)
    {
        var services = cluster.One.Services;
        var pools = services.GetRequiredService<PoolAllocator>();
        foreach (var (id, name) in new[] { ("netshop00000000000000000a", "shop"), ("netback00000000000000000b", "backend") })
        {
            var pool = await pools.AllocateAsync(new PoolRequest(null, null, "request-" + id), ct);
            await pools.LinkAsync(pool.Cidr, id, ct);
            await services.GetRequiredService<VniAllocator>().AllocateAsync(pool.Cidr, null, ct);
            await cluster.NetworkAsync(id, name, pool.Cidr.ToString(), ct);
            await FillAsync(cluster, pool, id, name, ct);
        }

        var workflow = (await TestWorkflows.RunMendAsync(cluster.One, "net1", "broken-bridge", ct)).Value;
        for (var i = 0; i < 12; i++) await TestWorkflows.RunMendAsync(cluster.One, $"endpoint-{i}", "well", ct);
        var drain = await TestWorkflows.RunDrainAsync(cluster.Two, "broken-kernel", "svcweb-shop", "netshop00000000000000000a", "webshop1", ct);
        return (workflow, drain.Value);
    }

    private static async Task FillAsync(Cluster cluster, PoolRecord pool, string id, string name, CancellationToken ct)
    {
        var addresses = cluster.One.Services.GetRequiredService<AddressAllocator>();
        var layout = pool.Layout();
        var range = AddressRange.Service(layout);
        await addresses.RequestAsync(new AddressRequest(range, AddressKind.Gateway, layout.Gateway, "gateway-" + id, "n1"), ct);
        var subnets = pool.Cidr.Split(pool.HostSubnetSize).Where(layout.IsHostSubnet).Take(2).ToList();
        foreach (var (host, subnet) in new[] { "n1", "n2" }.Zip(subnets))
        {
            var attributes = LeaseAttributes.ForVxlan(IPv4Address.Parse(host == "n1" ? "10.77.0.11" : "10.77.0.12"), new VxlanLeaseData(6514, "02:42:ac:11:00:02"));
            await cluster.PutAsync(cluster.One.Keys.Network(pool.Cidr).Subnet(subnet), attributes.ToJson(), ct);
        }

        foreach (var service in new[] { "web", "api" })
        {
            var vip = await addresses.RequestAsync(new AddressRequest(range, AddressKind.Provisional, null, $"vip-{service}-{id}", "n1"), ct);
            var serviceId = $"svc{service}-{name}";
            await addresses.MarkVipAsync(vip, serviceId, ct);
            await cluster.ServiceAsync(serviceId, service == "web" ? name + "-web" : name + "-api", id, vip.Address.ToString(), ct);
            for (var task = 0; task < 4; task++)
            {
                var (host, subnet) = task % 2 == 0 ? ("n1", subnets[0]) : ("n2", subnets[1]);
                var address = await addresses.RequestAsync(new AddressRequest(AddressRange.Host(pool.Cidr, subnet), AddressKind.Container, null, $"{service}-{task}-{id}", host), ct);
                await cluster.TaskAsync($"{service}{name}{task}", host, serviceId, $"{name}-{service}", id, address.Address.ToString(), ct, drains: service == "web" && task == 1);
            }
        }
    }
}
