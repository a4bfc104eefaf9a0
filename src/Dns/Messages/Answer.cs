using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace FlannelFlow.Dns.Messages;

/// <summary>Writes answers to a query. Each returns its length, which is never above the size it is given, and sets TC where records had to stay out.</summary>
/// <remarks>Nothing is allocated. An answer repeats the question as it was asked, upper case included: some clients use that against forgery.</remarks>
public static class Answer
{
    /// <summary>The most that an answer without records takes: header, question, SOA, OPT.</summary>
    public const int LongestWithoutRecords = Wire.HeaderLength + Wire.LongestName + 4 + SoaLength + OptLength;

    private const int AddressLength = 16;
    private const int OptLength = 11;

    /// <summary>Name pointer, type, class, TTL, length, ".", ".", five numbers.</summary>
    private const int SoaLength = 2 + 2 + 2 + 4 + 2 + 1 + 1 + 20;

    /// <summary>What we say that we take by UDP: RFC 9715 3.1.</summary>
    private const ushort OwnUdpSize = 1232;

    /// <summary>An answer with A records in random order; as many as there is room for, from a random place on.</summary>
    /// <param name="size">What the client takes.</param>
    public static int Addresses(in Query query, ReadOnlySpan<uint> addresses, int ttl, Random random, Span<byte> answer, int size)
    {
        ArgumentNullException.ThrowIfNull(random);
        var at = Begin(query, answer);
        var fit = Math.Clamp((size - at - EdnsLength(query)) / AddressLength, 0, addresses.Length);
        var first = addresses.Length < 2 ? 0 : random.Next(addresses.Length);
        for (var i = 0; i < fit; i++, at += AddressLength)
        {
            // Durstenfeld's shuffle from the inside out: the new one takes the place of an earlier one, which moves to the end.
            var place = fit == 1 ? 0 : random.Next(i + 1);
            var record = answer.Slice(at, AddressLength);
            RecordHead(record, RecordType.A, ttl, 4);
            var earlier = answer.Slice(at - (i - place) * AddressLength + 12, 4);
            earlier.CopyTo(record[12..]);
            MemoryMarshal.Write(earlier, addresses[(first + i) % addresses.Length]);
        }

        return End(query, answer, at, ResponseCode.NoError, fit < addresses.Length, answers: fit, authorities: 0);
    }

    /// <summary>An answer with one PTR record.</summary>
    /// <param name="name">Labels joined with dots.</param>
    public static int NameOfAddress(in Query query, ReadOnlySpan<char> name, int ttl, Span<byte> answer, int size)
    {
        var at = Begin(query, answer);
        var room = size - at - EdnsLength(query) - 12;
        Span<byte> data = stackalloc byte[Wire.LongestName];
        var length = WriteName(name, data);
        if (length == 0) return Empty(query, ResponseCode.NoError, ttl, answer);
        if (length > room) return End(query, answer, at, ResponseCode.NoError, truncated: true, answers: 0, authorities: 0);
        RecordHead(answer[at..], RecordType.DomainPointer, ttl, (ushort)length);
        data[..length].CopyTo(answer[(at + 12)..]);
        return End(query, answer, at + 12 + length, ResponseCode.NoError, truncated: false, answers: 1, authorities: 0);
    }

    /// <summary>"No such record" or "no such name", with the SOA that says for how long this may be remembered (RFC 2308 3).</summary>
    /// <param name="ttl">Seconds.</param>
    public static int Empty(in Query query, ResponseCode code, int ttl, Span<byte> answer)
    {
        var at = Begin(query, answer);
        // Each name of ours is a zone of its own: nothing is said about names beside it.
        var soa = answer.Slice(at, SoaLength);
        RecordHead(soa, RecordType.Soa, ttl, SoaLength - 12);
        soa[12..].Clear();
        BinaryPrimitives.WriteInt32BigEndian(soa[14..], 1);
        BinaryPrimitives.WriteInt32BigEndian(soa[^4..], ttl);
        return End(query, answer, at + SoaLength, code, truncated: false, answers: 0, authorities: 1);
    }

    /// <summary>A code and nothing else.</summary>
    public static int Failure(in Query query, ResponseCode code, Span<byte> answer) =>
        End(query, answer, Begin(query, answer), code, truncated: false, answers: 0, authorities: 0);

    /// <summary>An upstream's answer, made short enough for the client: nothing but TC, so that it asks again by TCP.</summary>
    public static int Truncated(in Query query, Span<byte> answer) =>
        End(query, answer, Begin(query, answer), ResponseCode.NoError, truncated: true, answers: 0, authorities: 0);

    private static int EdnsLength(in Query query) => query.HasEdns ? OptLength : 0;

    private static int Begin(in Query query, Span<byte> answer)
    {
        query.Message[..query.QuestionEnd].CopyTo(answer);
        return query.QuestionEnd;
    }

    private static int End(in Query query, Span<byte> answer, int at, ResponseCode code, bool truncated, int answers, int authorities)
    {
        var asked = BinaryPrimitives.ReadUInt16BigEndian(query.Message[2..]);
        var flags = Wire.Response | Wire.RecursionAvailable | (asked & (Wire.OpcodeMask | Wire.RecursionDesired | Wire.CheckingDisabled));
        if (code is ResponseCode.NoError or ResponseCode.NameError && !truncated) flags |= Wire.Authoritative;
        if (truncated) flags |= Wire.Truncated;
        BinaryPrimitives.WriteUInt16BigEndian(answer[2..], (ushort)(flags | ((int)code & Wire.CodeMask)));
        BinaryPrimitives.WriteUInt16BigEndian(answer[4..], (ushort)(query.QuestionEnd > Wire.HeaderLength ? 1 : 0));
        BinaryPrimitives.WriteUInt16BigEndian(answer[6..], (ushort)answers);
        BinaryPrimitives.WriteUInt16BigEndian(answer[8..], (ushort)authorities);
        BinaryPrimitives.WriteUInt16BigEndian(answer[10..], (ushort)(query.HasEdns ? 1 : 0));
        if (!query.HasEdns) return at;

        var opt = answer.Slice(at, OptLength);
        opt.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(opt[1..], RecordType.Opt);
        BinaryPrimitives.WriteUInt16BigEndian(opt[3..], OwnUdpSize);
        opt[5] = (byte)((int)code >> 4);
        return at + OptLength;
    }

    /// <summary>12 bytes: of the question's name, class IN.</summary>
    private static void RecordHead(Span<byte> record, ushort type, int ttl, ushort length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(record, Wire.QuestionName);
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], type);
        BinaryPrimitives.WriteUInt16BigEndian(record[4..], Wire.ClassInternet);
        BinaryPrimitives.WriteInt32BigEndian(record[6..], ttl);
        BinaryPrimitives.WriteUInt16BigEndian(record[10..], length);
    }

    /// <returns>The length on the wire; 0 if it cannot be written as a name.</returns>
    private static int WriteName(ReadOnlySpan<char> name, Span<byte> to)
    {
        var at = 0;
        foreach (var range in name.Split('.'))
        {
            var label = name[range];
            if (label.Length is 0 or > Wire.LongestLabel || at + label.Length + 2 > to.Length) return 0;
            to[at++] = (byte)label.Length;
            foreach (var character in label)
            {
                if (!char.IsAscii(character)) return 0;
                to[at++] = (byte)character;
            }
        }

        to[at++] = 0;
        return at;
    }
}
