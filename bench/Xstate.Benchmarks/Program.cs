using System.Globalization;
using BenchmarkDotNet.Running;
using Xstate.Benchmarks.Fleet;
using Xstate.Benchmarks.Lint;
using Xstate.Benchmarks.Processor;

if (args is ["ratios"] && OperatingSystem.IsLinux())
{
    InstructionRatios.Write(Console.Out);
    return;
}

if (args is ["lint-ratio", .. var files])
{
    LintRatio.Write(Console.Out, files);
    return;
}

if (args is ["fleet", var samples, var folder, var hosts, var vms, var seed])
{
    new FleetGenerator(samples, ulong.Parse(seed, CultureInfo.InvariantCulture))
        .Write(folder, int.Parse(hosts, CultureInfo.InvariantCulture), int.Parse(vms, CultureInfo.InvariantCulture));
    return;
}

if (args is ["fleet-measure", var command, .. var fleets])
{
    FleetMeasure.Write(Console.Out, command, fleets);
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
