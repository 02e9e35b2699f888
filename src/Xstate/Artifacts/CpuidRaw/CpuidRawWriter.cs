using System.Globalization;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.CpuidRaw;

/// <summary>
/// Writes a dump as <c>cpuid -r</c> prints it, the one text form that tells every sub-leaf. Answers that the reader could not place are not
/// written.
/// </summary>
internal static class CpuidRawWriter
{
    /// <summary>The text in ASCII; for one that was read without repeated answers, the same bytes.</summary>
    public static byte[] Write(CpuidDump dump)
    {
        ArgumentNullException.ThrowIfNull(dump);
        StringBuilder text = new();
        for (int i = 0; i < dump.Processors.Length; i++)
        {
            // Other formats name processors in ways that this one does not have.
            CpuidProcessor processor = dump.Processors[i];
            text.Append(CultureInfo.InvariantCulture, $"{(CpuidRawReader.IsLabel(processor.Label) ? processor.Label : $"CPU {i}")}:\n");
            foreach (CpuidEntry entry in processor.Cpuid.Entries)
            {
                CpuidRegisters r = entry.Registers;
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"   0x{entry.Leaf:x8} 0x{entry.Subleaf:x2}: eax=0x{r.Eax:x8} ebx=0x{r.Ebx:x8} ecx=0x{r.Ecx:x8} edx=0x{r.Edx:x8}\n");
            }
        }

        return Encoding.ASCII.GetBytes(text.ToString());
    }
}
