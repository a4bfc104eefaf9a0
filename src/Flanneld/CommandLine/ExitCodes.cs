namespace FlannelFlow.Flanneld.CommandLine;

/// <summary>
/// How this process ends. Whoever supervises it restarts it after any end it did not ask for; the data plane and the lease stay in
/// place in every case, so that a restart costs no traffic.
/// </summary>
internal static class ExitCodes
{
    public const int Asked = 0;
    public const int Failed = 1;
    public const int BadCommandLine = 2;
    public const int LeaseLost = 3;
    public const int AlreadyRunning = 4;

    public const string Explanation =
        """
        Exit codes:
          0  asked to end (SIGTERM, SIGINT), -version, -help
          1  cannot work: no such interface, VNI in use, configuration refused, no free subnet
          2  bad command line
          3  the lease was deleted or taken by another host; started again, a subnet is leased anew (the same if it is free)
          4  another flanneld runs with the same subnet file
        In every case devices, routes and the lease stay, and traffic goes on.

        """;
}

/// <summary>The end of this process with a reason for the person who reads the log.</summary>
internal sealed class FlanneldException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
