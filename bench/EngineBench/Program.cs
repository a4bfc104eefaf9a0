using System.Diagnostics;
using System.Globalization;
using FlannelFlow.Durability.Tests.Disks;
using FlannelFlow.EngineBench;
using FlannelFlow.Workflows;

var options = new Dictionary<string, string> { ["--folder"] = Path.GetTempPath(), ["--seconds"] = "5", ["--rounds"] = "3", ["--open"] = "10000", ["--finished"] = "100000" };
if (args is ["recover", string recovered, string known]) return await Recovery.RecoverAsync(recovered, int.Parse(known, CultureInfo.InvariantCulture));
for (int i = 0; i < args.Length; i += 2)
{
    if (i + 1 == args.Length || !options.ContainsKey(args[i]))
    {
        await Console.Error.WriteLineAsync($"bench/engine: {args[i]}: unknown, or without a value (see bench/engine --help)");
        return 2;
    }
    options[args[i]] = args[i + 1];
}
int Number(string name) => int.Parse(options[name], CultureInfo.InvariantCulture);

string folder = Directory.CreateDirectory(Path.Combine(options["--folder"], $"flannelflow-bench-{Environment.ProcessId}")).FullName;
try
{
    Throughput On(string disk, string groupedBound) => new(folder, disk, groupedBound, TimeSpan.FromSeconds(Number("--seconds")), Number("--rounds"));
    Console.WriteLine($"== the disk of {options["--folder"]} as it is");
    await On("the disk as it is", groupedBound: "").RunAsync();
    Console.WriteLine("== 4 ms more for each sync");
    DiskShim.Watch(folder, new SlowDisk(TimeSpan.FromMilliseconds(4)));
    await On("4 ms more per sync", groupedBound: ">=0.5").RunAsync();
    DiskShim.Forget(folder);
    if (Number("--open") > 0) await Recovery.RunAsync(folder, Number("--open"));
    if (Number("--finished") > 0) await Memory.RunAsync(folder, Number("--finished"));
    return 0;
}
finally
{
    Directory.Delete(folder, recursive: true);
}
