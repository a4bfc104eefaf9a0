using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FlannelFlow.Dns.Messages;
using FlannelFlow.Dns.Names;

namespace FlannelFlow.Dns.Serving;

public enum Response
{
    /// <summary>An answer was written.</summary>
    Answered,

    /// <summary>Not ours: an upstream is to be asked.</summary>
    Forward,

    /// <summary>No answer is due.</summary>
    Silence,
}

/// <summary>Answers the queries of one sandbox from the names at hand. Allocates nothing for a name in one network.</summary>
/// <remarks>Any thread may call it. The names and the sandbox's own state are each read once per query, so an answer is of one moment.</remarks>
public sealed class Responder(NameBoard board, DnsOptions options, SandboxModel sandbox)
{
    private const string Reverse = ".in-addr.arpa";

    private volatile View _view = new(NameIndex.Empty, sandbox, []);

    /// <summary>Replaceable at any time.</summary>
    public SandboxModel Sandbox
    {
        get => _view.Sandbox;
        set => _view = new View(NameIndex.Empty, value, []);
    }

    /// <param name="answer">At least <paramref name="size"/> and <see cref="Answer.LongestWithoutRecords"/> long.</param>
    /// <param name="size">The most that the transport takes: 65,535 by TCP. By UDP what the query says counts too.</param>
    public Response Respond(ReadOnlySpan<byte> message, bool isUdp, Span<byte> answer, int size, Random random, out int length)
    {
        Span<char> text = stackalloc char[Wire.LongestName];
        length = 0;
        switch (Query.TryRead(message, text, out var query))
        {
            case QueryProblem.NotAQuery:
                return Response.Silence;
            case QueryProblem.FormatError:
                length = Answer.Failure(query, ResponseCode.FormatError, answer);
                return Response.Answered;
            case QueryProblem.NotImplemented:
                length = Answer.Failure(query, ResponseCode.NotImplemented, answer);
                return Response.Answered;
            case QueryProblem.BadVersion:
                length = Answer.Failure(query, ResponseCode.BadVersion, answer);
                return Response.Answered;
            case QueryProblem.None:
                break;
        }

        var view = Current();
        if (isUdp) size = Math.Min(size, UdpSize(query));
        if (query.Class == Wire.ClassInternet && query.IsText && query.Name.Length > 0)
        {
            if (query.Type == RecordType.DomainPointer && TryReadReverse(query.Name, out var address) && NameResolver.FindAddress(address, view.Networks) is { } name)
            {
                length = Answer.NameOfAddress(query, name, options.Ttl, answer, size);
                return Response.Answered;
            }

            var found = NameResolver.Find(query.Name, view.Networks, options.Mode, served: view.Sandbox.HasOtherNames);
            if (found.Kind == NameKind.Found && query.Type is RecordType.A or RecordType.Any)
            {
                length = Answer.Addresses(query, found.Addresses.Span, options.Ttl, random, answer, size);
                return Response.Answered;
            }

            // Known, but not with such a record. An upstream must never be asked: it would say that there is no such name at all. Unless it may know more.
            if (found.Kind == NameKind.Found || (found.Kind == NameKind.NoAddress && !view.Sandbox.HasOtherNames)) return Empty(query, ResponseCode.NoError, answer, out length);
            if (view.Sandbox.NdotsSet && query.Type is RecordType.A or RecordType.Aaaa && !query.Name.Contains('.'))
                return Empty(query, ResponseCode.NoError, answer, out length);
        }

        return view.Sandbox.Upstreams.IsEmpty ? Empty(query, ResponseCode.NameError, answer, out length) : Response.Forward;
    }

    /// <summary>What a client takes by UDP.</summary>
    internal static int UdpSize(in Query query) => query.HasEdns ? query.EdnsSize : Wire.PlainUdpSize;

    private Response Empty(in Query query, ResponseCode code, Span<byte> answer, out int length)
    {
        length = Answer.Empty(query, code, options.Ttl, answer);
        return Response.Answered;
    }

    private View Current()
    {
        var view = _view;
        var names = board.Current;
        if (ReferenceEquals(view.Names, names)) return view;
        var fresh = new View(names, view.Sandbox, NameResolver.Select(names, view.Sandbox.Networks));
        // Lost if the sandbox changed meanwhile; the next query makes it again.
        Interlocked.CompareExchange(ref _view, fresh, view);
        return fresh;
    }

    /// <param name="address">As in <see cref="NetworkNames"/>.</param>
    private static bool TryReadReverse(ReadOnlySpan<char> name, out uint address)
    {
        address = 0;
        if (!name.EndsWith(Reverse)) return false;
        name = name[..^Reverse.Length];
        Span<byte> octets = stackalloc byte[4];
        var at = 4;
        foreach (var range in name.Split('.'))
        {
            if (--at < 0 || !byte.TryParse(name[range], System.Globalization.NumberStyles.None, null, out octets[at])) return false;
        }

        address = MemoryMarshal.Read<uint>(octets);
        return at == 0;
    }

    private sealed record View(NameIndex Names, SandboxModel Sandbox, ImmutableArray<NetworkNames> Networks);
}
