using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Tests.Artifacts;

/// <summary>A line of the program cpuid that tells one bit.</summary>
internal sealed record DecodedLabel(string Section, uint Leaf, uint Subleaf, CpuidRegister Register, int Bit, string Label)
{
    public static DecodedLabel Parse(string line)
    {
        string[] fields = line.Split('|');
        return new DecodedLabel(
            fields[0], uint.Parse(fields[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            uint.Parse(fields[2], CultureInfo.InvariantCulture),
            Enum.Parse<CpuidRegister>(fields[3], ignoreCase: true), int.Parse(fields[4], CultureInfo.InvariantCulture), fields[5]);
    }
}
