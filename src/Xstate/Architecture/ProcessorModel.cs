namespace Xstate.Architecture;

/// <summary>Who made the processor; decides quirks that CPUID does not enumerate.</summary>
public enum ProcessorVendor
{
    /// <summary>Not known, or none of the others.</summary>
    Unknown,

    /// <summary>GenuineIntel.</summary>
    Intel,

    /// <summary>AuthenticAMD.</summary>
    Amd,

    /// <summary>HygonGenuine: Zen 1 derivatives.</summary>
    Hygon,

    /// <summary>CentaurHauls and Shanghai (Zhaoxin): Intel's XSAVE layout.</summary>
    Zhaoxin,
}

/// <summary>Vendor, family, model and stepping as the vendors compute them from leaf 1.</summary>
/// <param name="Vendor">From the string of leaf 0.</param>
/// <param name="Family">Display family: base family plus extended family when the base is 15.</param>
/// <param name="Model">Display model.</param>
/// <param name="Stepping">Stepping.</param>
internal readonly record struct ProcessorModel(ProcessorVendor Vendor, int Family, int Model, int Stepping)
{
    /// <summary>Reads leaves 0 and 1.</summary>
    public static ProcessorModel From(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        ProcessorVendor vendor = VendorOf(cpuid.ReadVendor(stackalloc char[CpuidTable.VendorLength]));
        uint signature = cpuid.Read(1).Eax;
        int family = (int)(signature >> 8 & 0xF);
        int model = (int)(signature >> 4 & 0xF);

        // AMD extends the model only with the family (APM Vol. 3, leaf 1); Intel that of family 6 too, and Zhaoxin that of 7 (KX-7000 is
        // 107).
        if (family == 0xF || (family >= 6 && vendor != ProcessorVendor.Amd))
        {
            model |= (int)(signature >> 12 & 0xF0);
        }

        if (family == 0xF)
        {
            family += (int)(signature >> 20 & 0xFF);
        }

        return new ProcessorModel(vendor, family, model, (int)(signature & 0xF));
    }

    /// <summary>Whether the processor follows AMD's manual rather than Intel's.</summary>
    public bool IsAmdLike => Vendor is ProcessorVendor.Amd or ProcessorVendor.Hygon;

    internal static ProcessorVendor VendorOf(ReadOnlySpan<char> vendor) => vendor switch
    {
        // "GenuineIotel" is a real erratum: one wrong bit in the vendor string of some Haswell parts.
        "GenuineIntel" or "GenuineIotel" => ProcessorVendor.Intel,
        "AuthenticAMD" => ProcessorVendor.Amd,
        "HygonGenuine" => ProcessorVendor.Hygon,
        "CentaurHauls" or "  Shanghai  " => ProcessorVendor.Zhaoxin,
        _ => ProcessorVendor.Unknown,
    };
}
