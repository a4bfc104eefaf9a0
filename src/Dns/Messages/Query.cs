using System.Buffers.Binary;

namespace FlannelFlow.Dns.Messages;

public enum QueryProblem
{
    None,

    /// <summary>Nothing to answer: too short to have a header, or a response.</summary>
    NotAQuery,
    FormatError,

    /// <summary>Not the opcode QUERY.</summary>
    NotImplemented,

    /// <summary>An EDNS version that is not 0 (RFC 6891 6.1.3).</summary>
    BadVersion,
}

/// <summary>What a question says. Read in place, nothing is allocated.</summary>
/// <remarks>
/// Only what an answer needs is read: header, the one question, and the OPT record if there is one. Names elsewhere are stepped over, never
/// followed: there is no pointer to chase, and each record takes at least 11 bytes, so that the work is bounded by the datagram's length.
/// </remarks>
public readonly ref struct Query
{
    private Query(ReadOnlySpan<byte> message, int questionEnd, ReadOnlySpan<char> name, bool isText, ushort type, ushort @class, int udpSize)
    {
        Message = message;
        QuestionEnd = questionEnd;
        Name = name;
        IsText = isText;
        Type = type;
        Class = @class;
        EdnsSize = udpSize;
    }

    public ReadOnlySpan<byte> Message { get; }

    /// <summary>The index behind the question; 12 if there is none.</summary>
    public int QuestionEnd { get; }

    /// <summary>Lower case, its labels joined with dots, without one at the end. The root is "".</summary>
    public ReadOnlySpan<char> Name { get; }

    /// <summary>False: a label holds a byte that is not ASCII, or a dot, so that <see cref="Name"/> is not what was asked for.</summary>
    public bool IsText { get; }

    public ushort Type { get; }

    public ushort Class { get; }

    /// <summary>What the sender says it can take by UDP; 0 without an OPT record.</summary>
    public int EdnsSize { get; }

    public bool HasEdns => EdnsSize > 0;

    /// <param name="name">Where the name is put; 255 characters.</param>
    /// <param name="query">Set also with a problem, as far as it was understood, so that it can be answered.</param>
    public static QueryProblem TryRead(ReadOnlySpan<byte> message, Span<char> name, out Query query)
    {
        query = default;
        if (message.Length < Wire.HeaderLength) return QueryProblem.NotAQuery;
        var flags = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        if ((flags & Wire.Response) != 0) return QueryProblem.NotAQuery;
        query = new Query(message, Wire.HeaderLength, default, false, 0, 0, 0);
        if ((flags & Wire.OpcodeMask) != 0) return QueryProblem.NotImplemented;
        if (BinaryPrimitives.ReadUInt16BigEndian(message[4..]) != 1) return QueryProblem.FormatError;

        var at = ReadName(message, Wire.HeaderLength, name, out var length, out var isText);
        if (at < 0 || message.Length - at < 4) return QueryProblem.FormatError;
        var type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        var @class = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]);
        at += 4;
        query = new Query(message, at, name[..length], isText, type, @class, 0);

        var edns = FindOpt(message, at, out var version);
        if (edns < 0) return QueryProblem.FormatError;
        query = new Query(message, at, name[..length], isText, type, @class, edns);
        return version == 0 ? QueryProblem.None : QueryProblem.BadVersion;
    }

    /// <returns>The index behind the name; -1 if it is none, or compressed: a question has nothing before it to point to.</returns>
    private static int ReadName(ReadOnlySpan<byte> message, int at, Span<char> name, out int length, out bool isText)
    {
        length = 0;
        isText = true;
        var start = at;
        while (at < message.Length)
        {
            int label = message[at++];
            if (label == 0) return at;
            if (label > Wire.LongestLabel || message.Length - at < label || at + label - start >= Wire.LongestName) return -1;
            if (length > 0) name[length++] = '.';
            foreach (var octet in message.Slice(at, label))
            {
                isText &= octet < 0x80 && octet != '.';
                name[length++] = (char)(octet is >= (byte)'A' and <= (byte)'Z' ? octet | 0x20 : octet);
            }

            at += label;
        }

        return -1;
    }

    /// <returns>The UDP size of the OPT record, 0 without one; -1 if the records are no records, or two of them are OPT.</returns>
    private static int FindOpt(ReadOnlySpan<byte> message, int at, out byte version)
    {
        version = 0;
        var found = 0;
        var before = BinaryPrimitives.ReadUInt16BigEndian(message[6..]) + BinaryPrimitives.ReadUInt16BigEndian(message[8..]);
        var records = before + BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        for (var i = 0; i < records; i++)
        {
            var isRoot = at < message.Length && message[at] == 0;
            at = StepOverName(message, at);
            if (at < 0 || message.Length - at < 10) return -1;
            var type = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
            if (type == RecordType.Opt)
            {
                if (found > 0 || !isRoot || i < before) return -1;
                // RFC 6891 6.2.3: less than 512 means 512.
                found = Math.Max((int)BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]), Wire.PlainUdpSize);
                version = message[at + 5];
            }

            at += 10 + BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
            if (at > message.Length) return -1;
        }

        return found;
    }

    private static int StepOverName(ReadOnlySpan<byte> message, int at)
    {
        while (at < message.Length)
        {
            int label = message[at++];
            if (label == 0) return at;
            if (label >= 0xc0) return at + 1;
            if (label > Wire.LongestLabel) return -1;
            at += label;
        }

        return -1;
    }
}
