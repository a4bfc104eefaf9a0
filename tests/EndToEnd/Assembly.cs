using FlannelFlow.EndToEnd.Tests.Harness;

// The labs share two processors: one test at a time, one lab at a time. ./test runs shares of the suite
// side by side, each in a process of its own, with labs of its own: what has the trait Share, and the rest.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: TestCollectionOrderer(typeof(CollectionsByName))]
[assembly: LogsOfFailure]
