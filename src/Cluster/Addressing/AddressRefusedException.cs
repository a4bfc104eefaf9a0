namespace FlannelFlow.Cluster.Addressing;

/// <summary>A refusal in words for Docker's <c>Err</c>: what was asked, why it cannot be, with the numbers. Never retried.</summary>
public sealed class AddressRefusedException(string message) : Exception(message);
