using System.Net;
using ARSoft.Tools.Net.Dns;
using FlannelFlow.Dns.Names;
using FlannelFlow.Dns.Serving;
using FlannelFlow.Dns.Upstreams;

namespace FlannelFlow.Dns.Tests.Names;

/// <summary>names.md against the responder, each row as queries on the wire; the answers are read by another library.</summary>
public sealed class NameTableTests
{
    private static readonly NameTable Table = NameTable.Read();

    public static TheoryData<string, string, MatchMode> Rows()
    {
        var rows = new TheoryData<string, string, MatchMode>();
        foreach (var row in Table.Cases)
        {
            foreach (var mode in Enum.GetValues<MatchMode>()) rows.Add(row.From, row.Name, mode);
        }

        return rows;
    }

    [Fact]
    public void Table_IsThere() => Assert.InRange(Table.Cases.Count, 60, 1000);

    [Theory]
    [MemberData(nameof(Rows))]
    public void A(string from, string name, MatchMode mode)
    {
        var expected = Table.Addresses(Table.Cases.Single(row => row.From == from && row.Name == name).Expected(mode));
        Assert.Equal(expected, Ask(from, name, RecordType.A, mode));
    }

    /// <summary>Whatever an A query knows, no other type is asked of an upstream: one that does not know the name would deny all of it.</summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void OtherTypes_OfAKnownName_AreEmpty(string from, string name, MatchMode mode)
    {
        var known = Table.Cases.Single(row => row.From == from && row.Name == name).First != "?";
        foreach (var type in new[] { RecordType.Aaaa, RecordType.Mx, RecordType.Txt, RecordType.Srv, RecordType.Https })
            Assert.Equal(known ? "-" : "?", Ask(from, name, type, mode));
    }

    [Fact]
    public void Reverse_OfEveryAddress_IsANameThatFindsIt()
    {
        foreach (var container in Table.Snapshot.Containers)
        {
            foreach (var network in container.Networks)
            {
                var name = network.NetworkId["id-of-".Length..];
                Assert.Equal($"{container.Name}.{name}.".ToUpperInvariant(), Reverse(network.NetworkId, network.Address).ToUpperInvariant());
            }
        }
    }

    [Fact]
    public void Reverse_OfAnAddressOfAnotherNetwork_IsAskedOfAnUpstream() =>
        Assert.Equal("?", Reverse("id-of-green", Table.Address("db@blue")));

    [Theory]
    [InlineData("web.blue", "?")]
    [InlineData("nothing", "-")]
    public void NdotsOfTheContainer_UnknownSingleLabel_IsNotForwarded(string name, string expected)
    {
        var sandbox = new SandboxModel([], [Wire.Upstream], NdotsSet: true);
        Assert.Equal(expected, Wire.Outcome(Wire.Respond(Table.Snapshot, sandbox, MatchMode.FirstNetwork, Wire.Question(name, RecordType.A))));
    }

    /// <summary>As a service that is being moved from overlay has it: Docker's resolver, the upstream, knows its tasks there.</summary>
    [Theory]
    [InlineData("web", "vip:web@blue")]
    [InlineData("tasks.api", "api.1.ddd@blue + api.2.eee@blue")]
    [InlineData("idle", "?")]
    [InlineData("idle.blue", "?")]
    [InlineData("tasks.idle", "?")]
    [InlineData("gone", "?")]
    [InlineData("nothing", "?")]
    public void NetworksOfOtherDriversToo_WhatHasNothingReadyHere_IsAskedOfDocker(string name, string expected)
    {
        var sandbox = new SandboxModel(Table.NetworksOf("B"), [Wire.Upstream], NdotsSet: false, HasOtherNames: true);
        Assert.Equal(Table.Addresses(expected), Wire.Outcome(Wire.Respond(Table.Snapshot, sandbox, MatchMode.FirstNetwork, Wire.Question(name, RecordType.A))));
        Assert.Equal(expected == "?" ? "?" : "-", Wire.Outcome(Wire.Respond(Table.Snapshot, sandbox, MatchMode.FirstNetwork, Wire.Question(name, RecordType.Aaaa))));
    }

    [Fact]
    public void NoUpstream_UnknownName_DoesNotExist()
    {
        var sandbox = new SandboxModel(Table.NetworksOf("B"), [], NdotsSet: false);
        var answer = Wire.Respond(Table.Snapshot, sandbox, MatchMode.FirstNetwork, Wire.Question("nothing", RecordType.A))!;
        Assert.Equal(ReturnCode.NxDomain, answer.ReturnCode);
        Assert.Equal(5, Assert.IsType<SoaRecord>(Assert.Single(answer.AuthorityRecords)).NegativeCachingTTL);
    }

    private static string Ask(string from, string name, RecordType type, MatchMode mode)
    {
        var sandbox = new SandboxModel(Table.NetworksOf(from), [Wire.Upstream], NdotsSet: false);
        return Wire.Outcome(Wire.Respond(Table.Snapshot, sandbox, mode, Wire.Question(name, type)));
    }

    private static string Reverse(string network, IPAddress address)
    {
        var reverse = string.Join('.', address.GetAddressBytes().Reverse()) + ".in-addr.arpa";
        var sandbox = new SandboxModel([network], [Wire.Upstream], NdotsSet: false);
        return Wire.Outcome(Wire.Respond(Table.Snapshot, sandbox, MatchMode.FirstNetwork, Wire.Question(reverse, RecordType.Ptr)));
    }
}
