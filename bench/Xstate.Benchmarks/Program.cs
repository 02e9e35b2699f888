using BenchmarkDotNet.Running;
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

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
