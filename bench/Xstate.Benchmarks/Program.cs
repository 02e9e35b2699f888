using BenchmarkDotNet.Running;
using Xstate.Benchmarks.Processor;

if (args is ["ratios"] && OperatingSystem.IsLinux())
{
    InstructionRatios.Write(Console.Out);
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
