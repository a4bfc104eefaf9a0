using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using FlannelFlow.Traffic;

// A web server that ends as one should, clients that count what fails, and one that watches a name; in the labs' image.
//   traffic serve PORT [FILE]                         FILE gets a line for each connection that comes after SIGTERM
//   traffic ask ADDRESS PORT TIMES                    prints the name of each server that answers; ends with 1 where one does not
//   traffic rate ADDRESS PORT SECONDS                 connects and resets, one after the other; prints how many in a second
//   traffic load ADDRESS PORT SHORT KEPT DOWNLOADS SECONDS
//                                                     of a name, too, which each connection looks up; until SIGTERM or SIGINT; then a line of JSON with the counts
//   traffic name SERVER PORT NAME                     until SIGTERM or SIGINT: a line for each change of the name's addresses (NameWatch)
using var stop = new CancellationTokenSource();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
switch (args)
{
    case ["serve", var port]:
        await new Server(Number(port), lateFile: null).RunAsync(stop.Token);
        return 0;
    case ["serve", var port, var lateFile]:
        await new Server(Number(port), lateFile).RunAsync(stop.Token);
        return 0;
    case ["load", var address, var port, var shorts, var kept, var downloads, var seconds]:
        Console.WriteLine(await new Load(address, Number(port), TimeSpan.FromSeconds(Number(seconds)))
            .RunAsync(Number(shorts), Number(kept), Number(downloads), stop.Token));
        return 0;
    case ["ask", var address, var port, var times]:
        return await new Load(address, Number(port), TimeSpan.Zero).AskAsync(Number(times)) ? 0 : 1;
    case ["rate", var address, var port, var seconds]:
        Console.WriteLine(Rate.Measure(new IPEndPoint(IPAddress.Parse(address), Number(port)), TimeSpan.FromSeconds(Number(seconds))));
        return 0;
    case ["name", var server, var port, var name]:
        await new NameWatch(new IPEndPoint(IPAddress.Parse(server), Number(port)), name).RunAsync(stop.Token);
        return 0;
    default:
        Console.Error.WriteLine(
            "traffic: serve PORT [FILE] | ask ADDRESS PORT TIMES | rate ADDRESS PORT SECONDS | load ADDRESS PORT SHORT KEPT DOWNLOADS SECONDS | name SERVER PORT NAME");
        return 2;
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
