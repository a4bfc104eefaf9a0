namespace FlannelFlow.Workflows;

/// <summary>What was found in the journal at start.</summary>
/// <param name="Epoch">Counts the openings of this journal.</param>
/// <param name="Open">Instances that are not terminal.</param>
/// <param name="InDoubt">Steps (or their undoing) that were under way: they run again.</param>
/// <param name="Scheduled">Wait for a retry, or for the time of a delay.</param>
/// <param name="Waiting">Wait for their lanes.</param>
/// <param name="Suspended">Wait for an operator.</param>
/// <param name="FromAnotherBoot">In doubt, and begun under another boot of the kernel.</param>
/// <param name="Took">From opening the file until all was loaded.</param>
public sealed record RecoveryReport(long Epoch, int Open, int InDoubt, int Scheduled, int Waiting, int Suspended, int FromAnotherBoot, TimeSpan Took);
