using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Transforms;

public class CpuTemplatesTests(ITestOutputHelper output)
{
    private static readonly CpuidTable Small = new(
        [
            new CpuidEntry(1, 0, false, new CpuidRegisters(1, 2, uint.MaxValue, 0)),
            new CpuidEntry(0xD, 0, true, new CpuidRegisters(0x2E7, 0x240, 0x988, 0)),
            new CpuidEntry(0xD, 1, true, new CpuidRegisters(0xF, 0, 0, 0)),
        ]);

    [Fact]
    public void Decided_bits_change_and_all_others_stay()
    {
        CpuTemplate template = Template(new CpuidModifier(1, 0, 0, CpuidRegister.Ecx, 0xFF00, 0x1200),
            new CpuidModifier(0xD, 0, 1, CpuidRegister.Eax, 0x2F8, 0));
        TemplatedCpuid result = CpuTemplates.Apply(template, Small);
        Assert.Empty(result.Findings);
        Assert.Equal(new CpuidRegisters(1, 2, 0xFFFF_12FF, 0), result.Cpuid.Read(1));
        Assert.Equal(new CpuidRegisters(7, 0x240, 0x988, 0), result.Cpuid.Read(0xD, 0));
        Assert.Equal(Small.Read(0xD, 1), result.Cpuid.Read(0xD, 1));
        Assert.Equal(Small.Entries.Length, result.Cpuid.Entries.Length);
    }

    [Fact]
    public void An_answer_that_the_CPUID_lacks_is_found_once_and_not_made_up()
    {
        CpuTemplate template = Template(new CpuidModifier(0xD, 0x11, 1, CpuidRegister.Eax, uint.MaxValue, 0),
            new CpuidModifier(0xD, 0x11, 1, CpuidRegister.Ebx, uint.MaxValue, 0));
        TemplatedCpuid result = CpuTemplates.Apply(template, Small);
        Assert.Equal(("XS1216", "0xd.0x11"), (Assert.Single(result.Findings).Rule.Id, result.Findings[0].Where.Leaf));
        Assert.Equal(Small.Entries, result.Cpuid.Entries);
    }

    [Theory]
    [InlineData("GNR_TO_T2_5.10", "INTEL_GRANITE_RAPIDS_5.10", "", 0x7)]
    [InlineData("GNR_TO_T2_6.1", "INTEL_GRANITE_RAPIDS_6.1", "", 0x7)]
    [InlineData("GNR_TO_T2_6.1", "INTEL_GRANITE_RAPIDS_5.10", "0xd.0x11 0xd.0x12", 0x7)]
    [InlineData("GNR_TO_T2_5.10", "INTEL_GRANITE_RAPIDS_6.1", "", 0x7)]
    [InlineData("SPR_TO_T2_6.1", "INTEL_SAPPHIRE_RAPIDS_6.1", "", 0x7)]
    [InlineData("T2CL", "INTEL_CASCADELAKE_6.1", "", 0x7)]
    [InlineData("T2S", "INTEL_ICELAKE_5.10", "", 0x7)]
    [InlineData("T2A", "AMD_MILAN_6.18", "", 0x7)]
    [InlineData("T2A", "AMD_GENOA_6.1", "", 0x7)]
    public void A_real_template_on_a_real_hosts_guest_gives_this_mask(string template, string host, string missing, ulong mask)
    {
        CpuTemplate changes = Open($"{template}.json").Template!;
        CpuidTable guest = Open($"fingerprint_{host}host.json").Host!.Cpuid;
        TemplatedCpuid result = CpuTemplates.Apply(changes, guest);
        output.WriteLine($"missing: {string.Join(' ', result.Findings.Select(finding => finding.Where.Leaf))}");
        Assert.Equal(mask, result.Cpuid.UserComponents.Bits);
        Assert.Equal(missing, string.Join(' ', result.Findings.Select(finding => finding.Where.Leaf)
            .Where(leaf => leaf!.StartsWith("0xd.", StringComparison.Ordinal))));

        // What the guest reads as the size is not lowered with the mask.
        Assert.Equal(guest.Read(0xD, 0).Ecx, result.Cpuid.Read(0xD, 0).Ecx);
    }

    private static CpuTemplate Template(params CpuidModifier[] modifiers) => new("test", [.. modifiers], [], []);

    private static Artifact Open(string name)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "cpuid", "firecracker", name));
        return Artifact.Open(stream);
    }
}
