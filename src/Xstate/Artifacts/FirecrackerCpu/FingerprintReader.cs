using Xstate.Architecture;
using Xstate.Artifacts.Json;
using Xstate.Artifacts.Text;
using Xstate.Captures;

namespace Xstate.Artifacts.FirecrackerCpu;

/// <summary>
/// Reads the fingerprints of Firecracker's cpu-template-helper: the whole CPUID that a guest without a template sees on one host, with the
/// host's kernel and microcode. It is the guest's CPUID, made by the kernel's KVM: what that kernel does not offer is not in it, whatever
/// the processor has.
/// </summary>
internal static class FingerprintReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "firecracker-fingerprint";

    private static readonly string[] Names = ["firecracker_version", "kernel_version", "microcode_version", "bios_version",
        "bios_revision", "guest_cpu_config"];

    internal static bool Recognizes(ReadOnlySpan<byte> head) => CpuConfigFields.HasMember(head, "guest_cpu_config"u8);

    /// <summary>Reads the fingerprint as a host: its processor as guests see it, and its kernel.</summary>
    /// <exception cref="MalformedArtifactException">It is no such fingerprint, a register has bits that are not known, or a limit is
    /// exceeded.</exception>
    public static HostRecord Read(ReadOnlySpan<byte> json, ArtifactLimits limits)
    {
        const int Kernel = 1;
        const int Microcode = 2;
        const int Config = 5;
        ArgumentNullException.ThrowIfNull(limits);
        JsonCursor cursor = new(json, Format, limits);
        string[] texts = new string[Names.Length];
        CpuTemplate? config = null;
        ulong seen = 0;
        cursor.BeginObject();
        while (cursor.NextMember(Names, ref seen, out int member))
        {
            if (member == Config)
            {
                config = CpuConfigFields.Read(ref cursor, Format);
            }
            else
            {
                texts[member] = cursor.ReadString();
            }
        }

        cursor.Require(Names, seen, Kernel, Config);
        cursor.End();
        CpuidTable cpuid = Complete(config!, limits);
        ProcessorModel model = ProcessorModel.From(cpuid);
        return new HostRecord
        {
            Name = $"{cpuid.Vendor} {model.Family}/{model.Model}/{model.Stepping}",
            Cpuid = cpuid,
            Kernel = KernelRelease.TryParse(texts[Kernel], out KernelRelease release) ? release : null,
            Provenance = new Provenance(
                FactSource.Inferred,
                $"Firecracker fingerprint: CPUID as a guest sees it under Linux {Shown(texts[Kernel])}, microcode "
                + $"{Shown(texts[Microcode])}"),
        };
    }

    private static string Shown(string? text) => text is null ? "not recorded" : Quotation.Of(text).Trim('"');

    // A dump keeps no bit: x has no meaning in it.
    private static CpuidTable Complete(CpuTemplate config, ArtifactLimits limits)
    {
        CpuidDumpBuilder dump = new(Format, limits);
        dump.StartProcessor("guest", 0);
        foreach (IGrouping<(uint Leaf, uint Subleaf), CpuidModifier> answer in config.Cpuid.GroupBy(modifier => (modifier.Leaf,
            modifier.Subleaf)))
        {
            CpuidRegisters registers = default;
            foreach (CpuidModifier modifier in answer)
            {
                registers = modifier.Decided == uint.MaxValue
                    ? registers.With(modifier.Register, modifier.Value)
                    : throw new MalformedArtifactException(Format, 0, $"{modifier.Place} with bits that are not told",
                        "all 32 bits of every register");
            }

            if (answer.Count() != 4)
            {
                throw new MalformedArtifactException(Format, 0,
                    $"{answer.Count()} registers of {CpuidLeaves.PlaceOf(answer.Key.Leaf, answer.Key.Subleaf)}", "eax, ebx, ecx and edx");
            }

            dump.Add(answer.Key.Leaf, answer.Key.Subleaf, registers, 0);
        }

        return dump.Build().Cpuid;
    }
}
