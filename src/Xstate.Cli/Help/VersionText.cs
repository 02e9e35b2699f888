using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Cli.Help;

/// <summary>What --version tells: name, version, commit, runtime, and up to which kernel behaviours are known.</summary>
internal static class VersionText
{
    private const int CommitDigits = 12;

    private static readonly string[] Parts =
        (typeof(VersionText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0").Split('+');

    /// <summary>The number alone.</summary>
    public static string Number => Parts[0];

    /// <summary>The whole line.</summary>
    public static string Line
    {
        get
        {
            string commit = Parts.Length < 2 ? "" : $" ({Parts[1][..Math.Min(CommitDigits, Parts[1].Length)]})";
            string form = RuntimeFeature.IsDynamicCodeSupported ? "" : " native";
            string runtime = $"{RuntimeInformation.FrameworkDescription}{form} on {RuntimeInformation.RuntimeIdentifier}";
            return $"{App.Name} {Number}{commit}, {runtime}, kernels known up to {KernelNames.Newest}";
        }
    }
}
