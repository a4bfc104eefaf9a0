using FlannelFlow.EndToEnd.Tests.Harness;

// The labs share two processors: one test at a time, one lab at a time.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: TestCollectionOrderer(typeof(CollectionsByName))]
