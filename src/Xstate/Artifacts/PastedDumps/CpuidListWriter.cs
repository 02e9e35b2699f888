using System.Globalization;
using System.Text;
using Xstate.Architecture;

namespace Xstate.Artifacts.PastedDumps;

/// <summary>
/// Writes a CPUID as a JSON list of <c>function</c>, <c>index</c>, <c>flags</c> and the registers, as Cloud Hypervisor's
/// <c>common_cpuid</c> and most VMMs' own records have it.
/// </summary>
internal static class CpuidListWriter
{
    /// <summary>The text, one answer a line.</summary>
    public static byte[] Write(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        StringBuilder text = new("[\n");
        for (int i = 0; i < cpuid.Entries.Length; i++)
        {
            CpuidEntry entry = cpuid.Entries[i];
            CpuidRegisters r = entry.Registers;
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {{\"function\":{entry.Leaf},\"index\":{entry.Subleaf},\"flags\":{(entry.SubleafSignificant ? 1 : 0)},\"eax\":{r.Eax},"
                + $"\"ebx\":{r.Ebx},\"ecx\":{r.Ecx},\"edx\":{r.Edx}}}");
            text.Append(i + 1 < cpuid.Entries.Length ? ",\n" : "\n");
        }

        return Encoding.ASCII.GetBytes(text.Append("]\n").ToString());
    }
}
