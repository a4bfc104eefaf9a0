namespace FlannelFlow.Dns.Messages;

/// <summary>RCODE, RFC 1035 4.1.1 and RFC 6891 9.</summary>
public enum ResponseCode
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,

    /// <summary>Its upper bits stand in the OPT record.</summary>
    BadVersion = 16,
}

/// <summary>TYPE, RFC 1035 3.2.2 and later ones.</summary>
public static class RecordType
{
    public const ushort A = 1, Soa = 6, DomainPointer = 12, Aaaa = 28, Opt = 41, Any = 255;
}

/// <summary>Numbers of the wire format.</summary>
internal static class Wire
{
    public const int HeaderLength = 12;
    public const ushort ClassInternet = 1;

    /// <summary>RFC 1035 2.3.4: what every client can take by UDP.</summary>
    public const int PlainUdpSize = 512;

    /// <summary>RFC 1035 2.3.4: of a name in wire form, its final zero included.</summary>
    public const int LongestName = 255;
    public const int LongestLabel = 63;

    // The second 16 bits of the header.
    public const ushort Response = 0x8000, OpcodeMask = 0x7800, Authoritative = 0x0400, Truncated = 0x0200, RecursionDesired = 0x0100,
        RecursionAvailable = 0x0080, CheckingDisabled = 0x0010, CodeMask = 0x000f;

    /// <summary>A pointer to the question's name, which always stands behind the header (RFC 1035 4.1.4).</summary>
    public const ushort QuestionName = 0xc000 | HeaderLength;
}
