using System.Collections.Immutable;
using System.Globalization;
using FlannelFlow.Cluster.Addressing;
using FlannelFlow.Cluster.Encryption;
using FlannelFlow.Host.Encryption;
using FlannelFlow.Linux.Ipsec;

namespace FlannelFlow.Host.Tests;

/// <summary>
/// Hosts that run the daemon's own plan on kernels made of sets and an etcd made of a dictionary, in any order of looks, restarts, reboots, losses and
/// rotations. What no order may break is checked at each step by <see cref="Cluster"/>.
/// </summary>
public sealed class EncryptionTests
{
    private static readonly TimeSpan Rotation = TimeSpan.FromHours(8);

    [Fact]
    public void Guards_StandBeforeAnythingIsKnown()
    {
        var cluster = new Cluster(1, seed: 1);
        cluster[0].HasDevice = false;
        cluster[0].Look();
        Assert.Equal("IPsec policy in 0.0.0.0/0 to 0.0.0.0/0 UDP port 8473, ESP|IPsec policy out 0.0.0.0/0 to 0.0.0.0/0 UDP port 8473, drop", cluster[0].Policies);
        Assert.Empty(cluster.Records);
    }

    [Fact]
    public void Hosts_ComeToSendToEachOther_AndThenChangeNothing()
    {
        var cluster = new Cluster(3, seed: 2);
        cluster.UntilQuiet();
        cluster.AllReach();
        Assert.Equal(4, cluster[0].Kernel.Associations.Count);
        Assert.All(cluster.Hosts, host => Assert.False(host.Look()));
    }

    [Fact]
    public void Restart_ChangesNothing()
    {
        var cluster = new Cluster(3, seed: 3);
        cluster.UntilQuiet();
        var before = cluster.Text();
        cluster[1].Restart();
        cluster.UntilQuiet();
        Assert.Equal(before, cluster.Text());
    }

    [Fact]
    public void Rotation_AtNoStepASenderHasNoReceiver_AndOldKeysAreForgotten()
    {
        var cluster = new Cluster(3, seed: 4);
        cluster.UntilQuiet();
        var first = cluster.Records["h0"].Epochs.Single();
        cluster.Pass(Rotation);
        while (cluster.Records["h0"].Epochs.Length == 1)
        {
            cluster.LookOfAny();
            cluster.AllReach();
        }

        for (var step = 0; step < 200; step++)
        {
            cluster.LookOfAny();
            cluster.AllReach();
            cluster.Pass(TimeSpan.FromSeconds(1));
        }

        Assert.All(cluster.Records.Values, record => Assert.Single(record.Epochs));
        Assert.NotEqual(first.Secret, cluster.Records["h0"].Epochs.Single().Secret);
        Assert.Equal(4, cluster[0].Kernel.Associations.Count);
    }

    [Fact]
    public void Rotation_WaitsForAHostWhoseDaemonIsAway_AndCutsItOffNever()
    {
        var cluster = new Cluster(3, seed: 5);
        cluster.UntilQuiet();
        cluster[2].IsAway = true;
        cluster.Pass(Rotation);
        for (var step = 0; step < 100; step++)
        {
            cluster.LookOfAny();
            cluster.AllReach();
            cluster.Pass(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(2, cluster.Records["h0"].Epochs.Length);
        cluster[2].IsAway = false;
        cluster.UntilQuiet();
        cluster.AllReach();
        Assert.All(cluster.Records.Values, record => Assert.Single(record.Epochs));
    }

    [Fact]
    public void Reboot_UsesNoKeyAgain()
    {
        var cluster = new Cluster(2, seed: 6);
        cluster.UntilQuiet();
        var before = cluster[0].Kernel.Associations.ToHashSet();
        cluster[0].Reboot();
        cluster.UntilQuiet();
        cluster.AllReach();
        Assert.Empty(before.Intersect(cluster[0].Kernel.Associations));
    }

    [Fact]
    public void Association_RemovedByAnotherHand_IsNotAddedAgain()
    {
        var cluster = new Cluster(2, seed: 7);
        cluster.UntilQuiet();
        var gone = cluster[0].Kernel.Associations.First();
        cluster.Pass(EpochPlan.Pause);
        cluster[0].Kernel.Associations.Remove(gone);
        cluster[0].IsBroken = true;
        cluster.UntilQuiet();
        cluster.AllReach();
        Assert.DoesNotContain(gone, cluster[0].Kernel.Associations);
    }

    [Fact]
    public void Policy_ChangedByAnotherHand_IsSetAgain_AndNothingElse()
    {
        var cluster = new Cluster(2, seed: 8);
        cluster.UntilQuiet();
        var before = cluster.Text();
        cluster[0].Kernel.Policies.RemoveAll(policy => policy.Template is null);
        Assert.True(cluster[0].Look());
        Assert.Equal(before, cluster.Text());
    }

    [Fact]
    public void WithoutEtcd_TheKernelStaysAsItIs()
    {
        var cluster = new Cluster(2, seed: 9);
        cluster.UntilQuiet();
        var before = cluster.Text();
        cluster[0].Restart();
        cluster[0].IsWithoutEtcd = true;
        Assert.False(cluster[0].Look());
        Assert.Equal(before, cluster.Text());
    }

    [Fact]
    public void HostThatLeaves_IsForgotten()
    {
        var cluster = new Cluster(3, seed: 10);
        cluster.UntilQuiet();
        cluster[2].Leave();
        cluster.UntilQuiet();
        Assert.Equal(2, cluster[0].Kernel.Associations.Count);
        Assert.DoesNotContain("10.0.0.3", cluster[0].Policies, StringComparison.Ordinal);
    }

    [Fact]
    public void RecordOfADeadHost_WhoseAddressAnotherHas_IsPassedOver()
    {
        var cluster = new Cluster(3, seed: 11);
        cluster.UntilQuiet();
        foreach (var dead in new[] { "a-dead-host", "z-dead-host" })
            cluster.Etcd = cluster.Etcd.With(dead, (cluster.Records["h1"] with { Host = dead }).ToJson());
        cluster.Pass(EpochPlan.Pause);
        cluster[1].Reboot();
        cluster.UntilQuiet();
        cluster.AllReach();
        Assert.Equal(4, cluster[0].Kernel.Associations.Count);
    }

    [Fact]
    public void Association_WhoseSpiIsTaken_ComesByAnotherEpoch()
    {
        var other = new Cluster(2, seed: 12);
        other.UntilQuiet();
        var cluster = new Cluster(2, seed: 12);
        foreach (var (_, destination, spi) in other[0].Kernel.Associations) cluster[0].Kernel.Foreign.Add((destination, spi));
        cluster.UntilQuiet();
        cluster.AllReach();
        Assert.Empty(other[0].Kernel.Associations.Intersect(cluster[0].Kernel.Associations));
    }

    [Fact]
    public void AnyOrderOfEvents_EndsWithAllSendingToAll()
    {
        for (var seed = 100; seed < 130; seed++)
        {
            var random = new Random(seed);
            var cluster = new Cluster(3, seed);
            for (var step = 0; step < 120; step++)
            {
                var host = cluster[random.Next(3)];
                switch (random.Next(40))
                {
                    case 0:
                        host.Restart();
                        break;
                    case 1:
                        host.Reboot();
                        break;
                    case 2 when host.Kernel.Associations.Count > 0:
                        host.Kernel.Associations.Remove(host.Kernel.Associations.ElementAt(random.Next(host.Kernel.Associations.Count)));
                        host.IsBroken = true;
                        break;
                    case 3:
                        cluster.Pass(Rotation);
                        break;
                    case 4:
                        host.IsAway = !host.IsAway;
                        break;
                    case 5:
                        host.IsWithoutEtcd = !host.IsWithoutEtcd;
                        break;
                    default:
                        host.Look();
                        cluster.Pass(TimeSpan.FromMilliseconds(random.Next(3000)));
                        break;
                }
            }

            foreach (var host in cluster.Hosts) (host.IsAway, host.IsWithoutEtcd) = (false, false);
            cluster.UntilQuiet();
            cluster.AllReach();
            Assert.All(cluster.Records.Values, record => Assert.Single(record.Epochs));
        }
    }

    [Theory]
    [InlineData(1, 10, null, 0, null)]
    [InlineData(1, 3, "lost", 0, null)] // too soon after the last
    [InlineData(1, 6, "lost", 0, "lost")]
    [InlineData(2, 6, "lost", 0, "lost")] // what was lost is of the newest
    [InlineData(1, 28_800, null, 0, "the keys are 8 hours old")]
    [InlineData(1, -28_801, null, 0, "the keys are 8 hours old")] // the clock was set back
    [InlineData(2, 28_800, null, 0, null)] // the last rotation is not over
    [InlineData(1, 10, null, 1UL << 32, "ESP association 80000001 from 10.0.0.1 to 10.0.0.2 has carried 4294967296 packets")]
    public void Epoch_BeginsFor(int epochs, int age, string? lost, ulong packets, string? reason)
    {
        var now = DateTimeOffset.UnixEpoch;
        var own = Enumerable.Range(0, epochs).Select(number => new OwnEpoch(new Epoch($"{number}", now - TimeSpan.FromSeconds(age)), IsOwn: true)).ToImmutableArray();
        InstalledAssociation[] carried = [new(new Association(System.Net.IPAddress.Parse("10.0.0.1"), System.Net.IPAddress.Parse("10.0.0.2"), 0x8000_0001), packets)];
        Assert.Equal(reason, EpochPlan.FindReason(own, lost, carried, Rotation, now));
    }

    /// <summary>A cluster that checks itself: no key is used twice, and what a host sends can be received.</summary>
    private sealed class Cluster
    {
        private readonly Random _random;
        private readonly HashSet<(string Host, Association Association)> _used = [];
        private int _secrets;

        public Cluster(int count, int seed)
        {
            _random = new Random(seed);
            Hosts = [.. Enumerable.Range(0, count).Select(number => new SimulatedHost(this, number))];
        }

        public IReadOnlyList<SimulatedHost> Hosts { get; }

        public SimulatedHost this[int number] => Hosts[number];

        public DateTimeOffset Now { get; private set; } = DateTimeOffset.UnixEpoch;

        public EncryptionState Etcd { get; set; } = EncryptionState.Empty;

        public ImmutableDictionary<string, EncryptionRecord> Records => Etcd.Records;

        public void Pass(TimeSpan time) => Now += time;

        public byte[] Secret(int size)
        {
            var secret = new byte[size];
            BitConverter.TryWriteBytes(secret, ++_secrets);
            return secret;
        }

        public void LookOfAny() => Hosts[_random.Next(Hosts.Count)].Look();

        public void Use(string host, Association association) =>
            Assert.True(_used.Add((host, association)), $"{host} uses the key of {association} again");

        /// <summary>Looks of all, until none changes anything for longer than old keys are kept.</summary>
        public void UntilQuiet()
        {
            for (var (round, quiet) = (0, 0); quiet < 15; round++)
            {
                if (round == 300) Assert.Fail("the hosts do not come to rest:\n" + Text());
                var before = Text();
                foreach (var host in Hosts.OrderBy(_ => _random.Next()).ToList()) host.Look();
                quiet = Text() == before ? quiet + 1 : 0;
                Pass(TimeSpan.FromSeconds(1));
            }

            foreach (var host in Hosts) host.IsBroken = host.HasLeft;
        }

        /// <summary>Every host that carries a network sends to every other by an association that the other has.</summary>
        public void AllReach()
        {
            foreach (var (from, to) in Hosts.SelectMany(from => Hosts.Where(to => to != from).Select(to => (from, to))))
            {
                if (from.SendsBy(to) is not { } by || !to.Kernel.Associations.Contains(by)) Assert.Fail($"{from.Name} does not reach {to.Name}:\n{Text()}");
            }
        }

        /// <summary>What a host sends can be received, unless the receiver itself has lost something.</summary>
        public void CheckSenders()
        {
            foreach (var (from, to) in Hosts.SelectMany(from => Hosts.Where(to => to != from && !to.IsBroken).Select(to => (from, to))))
            {
                if (from.SendsBy(to) is { } by && !to.Kernel.Associations.Contains(by)) Assert.Fail($"what {from.Name} sends to {to.Name} is lost:\n{Text()}");
            }
        }

        public string Text() => string.Join('\n', Hosts.Select(host => $"{host.Name}: {host.Policies}\n  {string.Join("\n  ", host.Kernel.Associations.Select(one => one.ToString()).Order(StringComparer.Ordinal))}")
            .Concat(Etcd.Texts.OrderBy(text => text.Key, StringComparer.Ordinal).Select(text => text.Value)));
    }

    private sealed class SimulatedKernel
    {
        public HashSet<Association> Associations { get; } = [];

        /// <summary>Of another program.</summary>
        public HashSet<(System.Net.IPAddress Destination, uint Spi)> Foreign { get; } = [];

        public List<IpsecPolicy> Policies { get; } = [];
    }

    private sealed class SimulatedHost
    {
        private readonly Cluster _cluster;
        private readonly IPv4Address _address;
        private OwnKeys _keys;
        private bool _hasReadEtcd;
        private EncryptionState _seen = EncryptionState.Empty;

        public SimulatedHost(Cluster cluster, int number)
        {
            _cluster = cluster;
            Name = string.Create(CultureInfo.InvariantCulture, $"h{number}");
            _address = IPv4Address.Parse(string.Create(CultureInfo.InvariantCulture, $"10.0.0.{number + 1}"));
            _keys = NewKeys();
        }

        public string Name { get; }

        public SimulatedKernel Kernel { get; private set; } = new();

        public bool HasDevice { get; set; } = true;

        /// <summary>Its daemon does not run; its kernel does.</summary>
        public bool IsAway { get; set; }

        public bool IsWithoutEtcd { get; set; }

        /// <summary>It has lost an association since all was right.</summary>
        public bool IsBroken { get; set; } = true;

        public bool HasLeft { get; private set; }

        public string Policies => string.Join('|', Kernel.Policies.Select(policy => policy.ToString()).Order(StringComparer.Ordinal));

        public void Restart() => (_keys, _hasReadEtcd) = (NewKeys(), false);

        public void Reboot()
        {
            Restart();
            (Kernel, IsBroken) = (new SimulatedKernel(), true);
        }

        public void Leave()
        {
            (HasLeft, IsBroken) = (true, true);
            Kernel = new SimulatedKernel();
            _keys.Close();
            _cluster.Etcd = _cluster.Etcd.With(Name, null);
        }

        public Association? SendsBy(SimulatedHost to)
        {
            var spi = Kernel.Policies.SingleOrDefault(policy => policy.Direction == IpsecDirection.Out && policy.Destination.Network.Equals(to._address.ToIPAddress()))?.Template?.Spi;
            return spi is { } named && new Association(_address.ToIPAddress(), to._address.ToIPAddress(), named) is var association && Kernel.Associations.Contains(association) ? association : null;
        }

        /// <summary>As EncryptionLoop does it.</summary>
        /// <returns>Whether the kernel was changed.</returns>
        public bool Look()
        {
            if (IsAway || HasLeft) return false;
            if (!IsWithoutEtcd) (_seen, _hasReadEtcd) = (_cluster.Etcd, true);
            if (_hasReadEtcd) _keys.Open(_seen, _cluster.Now);
            var changes = EncryptionPlan.Of(View()).Changes;
            foreach (var change in changes)
            {
                Apply(change);
                _cluster.CheckSenders();
            }

            if (!_hasReadEtcd || IsWithoutEtcd || !HasDevice) return !changes.IsEmpty;
            var view = View();
            var steps = EncryptionPlan.Of(view);
            _cluster.Etcd = _cluster.Etcd.With(Name, _keys.RecordOf(_address, steps).ToJson());
            _keys.Advance(steps, view.Associations, _cluster.Now);
            return !changes.IsEmpty;
        }

        private OwnKeys NewKeys() => new(Name, Rotation, _cluster.Secret);

        private EncryptionView View() => new()
        {
            Host = Name,
            Address = HasDevice ? _address : null,
            Ports = [8473],
            Own = _keys.Epochs,
            Records = _hasReadEtcd ? [.. _seen.Records.Values] : null,
            Added = _keys.Added,
            Associations = [.. Kernel.Associations.Select(association => new InstalledAssociation(association, 0))],
            Policies = Kernel.Policies,
        };

        private void Apply(IpsecChange change)
        {
            switch (change)
            {
                case IpsecChange.AddAssociation { Association: var (_, destination, spi) } when Kernel.Foreign.Contains((destination, spi)):
                    _keys.Used(change);
                    break;
                case IpsecChange.AddAssociation add:
                    _cluster.Use(Name, add.Association);
                    Assert.True(Kernel.Associations.Add(add.Association), $"{add.Association} is there already");
                    _keys.Used(add);
                    break;
                case IpsecChange.DeleteAssociation delete:
                    Kernel.Associations.Remove(delete.Association);
                    break;
                case IpsecChange.SetPolicy set:
                    Kernel.Policies.RemoveAll(policy => policy.IsInPlaceOf(set.Policy));
                    Kernel.Policies.Add(set.Policy);
                    break;
                case IpsecChange.DeletePolicy delete:
                    Kernel.Policies.RemoveAll(policy => policy.IsInPlaceOf(delete.Policy));
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(change), change, "no such change");
            }
        }
    }
}
