namespace FlannelFlow.Host.Api;

/// <summary>RFC 9457.</summary>
public sealed record Problem(string Title, int Status, string Detail);
