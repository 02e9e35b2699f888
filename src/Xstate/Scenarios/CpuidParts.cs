using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios;

/// <summary>The CPUID that a step gives to a virtual CPU: entries, or what KVM supports, with bits taken away and added.</summary>
internal sealed record CpuidParts
{
    private readonly Func<IKvmMachine, IEnumerable<CpuidEntry>> _basis;
    private readonly (CpuidField Field, uint Mask)[] _and;
    private readonly (CpuidField Field, uint Mask)[] _or;

    private CpuidParts(ScenarioValue step)
    {
        _basis = Basis(step.Require("cpuid"));
        _and = Masks(step.Take("and"));
        _or = Masks(step.Take("or"));
    }

    /// <summary>Takes them from a step.</summary>
    public static CpuidParts Take(ScenarioValue step) => new(step);

    /// <summary>The table for a virtual CPU of a machine.</summary>
    public CpuidTable Build(IKvmMachine machine)
    {
        CpuidTable table = new([.. _basis(machine)]);
        foreach ((CpuidField field, uint mask) in _and)
        {
            table = table.TryRead(field.Leaf, field.Subleaf, out CpuidRegisters found)
                ? table.With(field.Leaf, field.Subleaf, found.With(field.Register, found[field.Register] & mask))
                : table;
        }

        foreach ((CpuidField field, uint mask) in _or)
        {
            CpuidRegisters found = table.Read(field.Leaf, field.Subleaf);
            table = table.With(field.Leaf, field.Subleaf, found.With(field.Register, found[field.Register] | mask));
        }

        return table;
    }

    private static Func<IKvmMachine, IEnumerable<CpuidEntry>> Basis(ScenarioValue cpuid)
    {
        if (cpuid.IsString)
        {
            return cpuid.Text() switch
            {
                "supported" => static machine => machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> entries).IsSuccess ? entries : [],
                "empty" => static _ => [],
                _ => throw cpuid.Error("\"supported\", \"empty\" or an array is expected"),
            };
        }

        CpuidEntry[] given = [.. cpuid.Items.Select(ReadEntry)];
        return _ => given;
    }

    private static CpuidEntry ReadEntry(ScenarioValue entry)
    {
        uint Field(string name) => (uint)(entry.Take(name)?.Number(uint.MaxValue) ?? 0);
        CpuidEntry read = new(
            (uint)entry.Require("leaf").Number(uint.MaxValue),
            Field("subleaf"),
            (Field("flags") & 1) != 0,
            new CpuidRegisters(Field("eax"), Field("ebx"), Field("ecx"), Field("edx")));
        entry.End();
        return read;
    }

    private static (CpuidField Field, uint Mask)[] Masks(ScenarioValue? map) =>
        [.. (map?.Members ?? []).Select(member => (CpuidField.Parse(member.Name)
            ?? throw member.Value.Error("the name must be as 0xd.0.eax"), (uint)member.Value.Number(uint.MaxValue)))];
}
