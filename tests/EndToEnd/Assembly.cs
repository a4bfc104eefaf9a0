using FlannelFlow.EndToEnd.Tests.Harness;

// The labs share two processors: one test at a time, one lab at a time. ./test runs those with the trait Lab in a second process beside the others.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: TestCollectionOrderer(typeof(CollectionsByName))]
