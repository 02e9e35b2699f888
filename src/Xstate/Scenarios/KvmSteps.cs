using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios;

/// <summary>The steps that are calls of KVM.</summary>
internal static class KvmSteps
{
    public const string RequestPermissionOp = "req_guest_perm";

    private const int MaxVcpu = 4096;

    public static ScenarioStep? Parse(string op, ScenarioValue step) => op switch
    {
        RequestPermissionOp => Machine(op, RequestPermission(step.Require("component").Integer(0, 63))),
        "create_vcpu" => CreateVcpu(op, step.Require("vcpu").Integer(0, int.MaxValue)),
        "xsave2_size" =>
            Machine(op, static machine => StepAnswer.Done with { Result = json => json.WriteNumber("value", machine.Xsave2Size) }),
        "host_pkru" => HostPkru(op, (uint)step.Require("value").Number(uint.MaxValue)),
        "set_cpuid2" => SetCpuid2(op, Vcpu(step), step),
        "get_cpuid2" => GetCpuid2(op, Vcpu(step), step.Take("nent")?.Integer(0, KvmModelVcpu.MaxCpuidEntries)
            ?? KvmModelVcpu.MaxCpuidEntries),
        "set_xsave" => SetXsave(op, Vcpu(step), ImageParts.Take(step)),
        "get_xsave" => OnVcpu(op, Vcpu(step), static vcpu => StepAnswer.Of(vcpu.GetXsave(out byte[] area), json => WriteImage(json, area))),
        "get_xsave2" =>
            OnVcpu(op, Vcpu(step), static vcpu => StepAnswer.Of(vcpu.GetXsave2(out byte[] area), json => WriteImage(json, area))),
        "set_xcrs" => SetXcrs(op, Vcpu(step), step),
        "get_xcrs" => OnVcpu(op, Vcpu(step), static vcpu => StepAnswer.Of(vcpu.GetXcrs(out ImmutableArray<XcrEntry> entries),
            json => WriteXcrs(json, entries))),
        "set_msr" => SetMsr(op, Vcpu(step), (uint)step.Require("index").Number(uint.MaxValue), step.Require("value").Number()),
        "get_msr" => GetMsr(op, Vcpu(step), (uint)step.Require("index").Number(uint.MaxValue)),
        "set_msrs" => SetMsrs(op, Vcpu(step), step.Require("entries")),
        "get_msrs" => GetMsrs(op, Vcpu(step), step.Require("indices")),
        "set_one_reg" => SetOneRegister(op, Vcpu(step), step.Require("id").Number(), step.Require("value").Number()),
        "get_one_reg" => GetOneRegister(op, Vcpu(step), step.Require("id").Number()),
        "get_reg_list" => OnVcpu(op, Vcpu(step), static vcpu => StepAnswer.Of(vcpu.GetRegisterList(out ImmutableArray<ulong> ids),
            json => WriteNumbers(json, "ids", ids))),
        "set_fpu" => SetFpu(op, Vcpu(step), step),
        "get_fpu" => OnVcpu(op, Vcpu(step), static vcpu => StepAnswer.Of(vcpu.GetFpu(out KvmFpu fpu), json => WriteFpu(json, fpu))),
        "run_immediate_exit" => OnVcpu(op, Vcpu(step), static vcpu => StepAnswer.Of(vcpu.RunImmediateExit())),
        "init" => Init(op, Vcpu(step)),
        "set_mp_state" => SetMpState(op, Vcpu(step), step.Take("value")?.Integer(0, int.MaxValue) ?? 0),
        _ => null,
    };

    public static int Vcpu(ScenarioValue step) => step.Take("vcpu")?.Integer(0, MaxVcpu) ?? 0;

    public static ScenarioStep OnVcpu(string op, int vcpu, Func<IKvmVcpu, StepAnswer> action) =>
        new ActionStep(op, run => run.OnVcpu(vcpu, action));

    public static void WriteImage(Utf8JsonWriter json, ReadOnlySpan<byte> image)
    {
        json.WriteNumber("length", image.Length);
        json.WriteString("hex", Convert.ToHexStringLower(image));
    }

    public static string Hex(ulong value) => $"0x{value:x}";

    public static void WriteRegisters(Utf8JsonWriter json, CpuidRegisters registers)
    {
        json.WriteString("eax", Hex(registers.Eax));
        json.WriteString("ebx", Hex(registers.Ebx));
        json.WriteString("ecx", Hex(registers.Ecx));
        json.WriteString("edx", Hex(registers.Edx));
    }

    private static ActionStep Machine(string op, Func<IKvmMachine, StepAnswer> action) => new(op, run => run.OnMachine(action));

    private static Func<IKvmMachine, StepAnswer> RequestPermission(int component) =>
        machine => StepAnswer.Of(machine.RequestGuestPermission((StateComponent)component));

    private static ActionStep CreateVcpu(string op, int vcpu) =>
        new(op, run => run.OnMachine(machine => StepAnswer.Of(run.Create(machine, vcpu))));

    private static ActionStep HostPkru(string op, uint value) => new(op, run => run.OnMachine(machine =>
        run.Backend.TrySetHostPkru(machine, value) ? StepAnswer.Done : StepAnswer.NotHere("the PKRU of the calling thread")));

    private static ScenarioStep Init(string op, int vcpu) => new ActionStep(op, run => run.OnVcpu(vcpu, made =>
        run.Backend.TryInit(made) ? StepAnswer.Done : StepAnswer.NotHere("INIT")));

    private static ActionStep SetMpState(string op, int vcpu, int value) => new(op, run => run.OnVcpu(vcpu, made =>
        run.Backend.SetMpState(made, value, run.HasInterruptController) is { } reply
        ? StepAnswer.Of(reply) : StepAnswer.NotHere($"KVM_SET_MP_STATE {value}")));

    private static ScenarioStep GetCpuid2(string op, int vcpu, int room) => OnVcpu(op, vcpu, made =>
        StepAnswer.Of(made.GetCpuid2(out ImmutableArray<CpuidEntry> entries, room), json => WriteCpuid(json, "entries", entries)));

    private static ActionStep SetCpuid2(string op, int vcpu, ScenarioValue step)
    {
        Func<IKvmMachine, IEnumerable<CpuidEntry>> basis = CpuidOf(step.Require("cpuid"));
        (CpuidField Field, uint Mask)[] and = Masks(step.Take("and"));
        (CpuidField Field, uint Mask)[] or = Masks(step.Take("or"));
        return new ActionStep(op, run => run.OnVcpu(vcpu, made => run.OnMachine(machine =>
        {
            CpuidTable table = new([.. basis(machine)]);
            foreach ((CpuidField field, uint mask) in and)
            {
                table = table.TryRead(field.Leaf, field.Subleaf, out CpuidRegisters found)
                    ? table.With(field.Leaf, field.Subleaf, found.With(field.Register, found[field.Register] & mask))
                    : table;
            }

            foreach ((CpuidField field, uint mask) in or)
            {
                CpuidRegisters found = table.Read(field.Leaf, field.Subleaf);
                table = table.With(field.Leaf, field.Subleaf, found.With(field.Register, found[field.Register] | mask));
            }

            return StepAnswer.Of(made.SetCpuid2(table.Entries.AsSpan()));
        })));
    }

    private static Func<IKvmMachine, IEnumerable<CpuidEntry>> CpuidOf(ScenarioValue cpuid)
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

    private static ActionStep SetXsave(string op, int vcpu, ImageParts parts) => new(op, run => run.OnVcpu(vcpu, made =>
        StepAnswer.Of(made.SetXsave(parts.Build(run.Layout, new byte[XsaveFormat.ExtendedOffset])))));

    private static ScenarioStep SetXcrs(string op, int vcpu, ScenarioValue step)
    {
        ScenarioValue? xcr0 = step.Take("xcr0");
        ScenarioValue? listed = step.Take("entries");
        if (xcr0 is null == listed is null)
        {
            throw step.Error("either xcr0 or entries is expected");
        }

        XcrEntry[] entries = xcr0 is not null ? [new XcrEntry(0, xcr0.Number())] : [.. listed!.Items.Select(ReadXcr)];
        uint flags = (uint)(step.Take("flags")?.Number(uint.MaxValue) ?? 0);

        // nr_xcrs, for hostile ones: the kernel believes it rather than what follows.
        uint count = (uint)(step.Take("count")?.Number(uint.MaxValue) ?? (ulong)entries.Length);
        return entries.Length <= KvmModelVcpu.MaxXcrs
            ? OnVcpu(op, vcpu, made => StepAnswer.Of(made.SetXcrs(count, flags, entries)))
            : throw listed!.Error($"at most {KvmModelVcpu.MaxXcrs} entries are expected");
    }

    private static XcrEntry ReadXcr(ScenarioValue entry)
    {
        XcrEntry read = new((uint)entry.Require("xcr").Number(uint.MaxValue), entry.Require("value").Number());
        entry.End();
        return read;
    }

    private static ScenarioStep SetMsr(string op, int vcpu, uint index, ulong value) => OnVcpu(op, vcpu, made =>
        StepAnswer.Of(made.SetMsr(index, value, out int count), json => json.WriteNumber("count", count)));

    private static ScenarioStep GetMsr(string op, int vcpu, uint index) => OnVcpu(op, vcpu, made =>
        StepAnswer.Of(made.GetMsr(index, out int count, out ulong value), json =>
        {
            json.WriteNumber("count", count);
            json.WriteString("value", Hex(value));
        }));

    private static ScenarioStep SetMsrs(string op, int vcpu, ScenarioValue listed)
    {
        MsrEntry[] entries = [.. Few(listed).Select(ReadMsr)];
        return OnVcpu(op, vcpu, made => StepAnswer.Of(made.SetMsrs(entries, out int count), json => json.WriteNumber("count", count)));
    }

    private static ScenarioStep GetMsrs(string op, int vcpu, ScenarioValue listed)
    {
        uint[] indices = [.. Few(listed).Select(index => (uint)index.Number(uint.MaxValue))];
        return OnVcpu(op, vcpu, made => StepAnswer.Of(made.GetMsrs(indices, out ImmutableArray<ulong> values),
            json => WriteNumbers(json, "values", values)));
    }

    private static IReadOnlyList<ScenarioValue> Few(ScenarioValue listed) =>
        listed.Items is { Count: <= KvmModelVcpu.MaxMsrs } items
        ? items : throw listed.Error($"at most {KvmModelVcpu.MaxMsrs} MSRs are expected");

    private static MsrEntry ReadMsr(ScenarioValue entry)
    {
        MsrEntry read = new((uint)entry.Require("index").Number(uint.MaxValue), entry.Require("value").Number());
        entry.End();
        return read;
    }

    private static ScenarioStep SetOneRegister(string op, int vcpu, ulong id, ulong value) =>
        OnVcpu(op, vcpu, made => StepAnswer.Of(made.SetOneRegister(id, value)));

    private static ScenarioStep GetOneRegister(string op, int vcpu, ulong id) => OnVcpu(op, vcpu, made =>
        StepAnswer.Of(made.GetOneRegister(id, out ulong value), json => json.WriteString("value", Hex(value))));

    private static ScenarioStep SetFpu(string op, int vcpu, ScenarioValue step)
    {
        ulong Field(string name, ulong max) => step.Take(name)?.Number(max) ?? 0;
        KvmFpu fpu = new()
        {
            Fpr = step.Take("fpr") is { } fpr ? Exactly(fpr, 128) : new byte[128],
            Fcw = (ushort)Field("fcw", ushort.MaxValue),
            Fsw = (ushort)Field("fsw", ushort.MaxValue),
            Ftwx = (byte)Field("ftwx", byte.MaxValue),
            LastOpcode = (ushort)Field("last_opcode", ushort.MaxValue),
            LastIp = Field("last_ip", ulong.MaxValue),
            LastDp = Field("last_dp", ulong.MaxValue),
            Xmm = step.Take("xmm") is { } xmm ? Exactly(xmm, 256) : new byte[256],
            MxcsrField = (uint)Field("mxcsr", uint.MaxValue),
        };
        return OnVcpu(op, vcpu, made => StepAnswer.Of(made.SetFpu(fpu)));
    }

    private static byte[] Exactly(ScenarioValue value, int length) =>
        value.Bytes(length) is { } bytes && bytes.Length == length ? bytes : throw value.Error($"{length} bytes are expected");

    public static void WriteFpu(Utf8JsonWriter json, KvmFpu fpu)
    {
        json.WriteString("fpr", Convert.ToHexStringLower(fpu.Fpr.Span));
        json.WriteString("fcw", Hex(fpu.Fcw));
        json.WriteString("fsw", Hex(fpu.Fsw));
        json.WriteString("ftwx", Hex(fpu.Ftwx));
        json.WriteString("last_opcode", Hex(fpu.LastOpcode));
        json.WriteString("last_ip", Hex(fpu.LastIp));
        json.WriteString("last_dp", Hex(fpu.LastDp));
        json.WriteString("xmm", Convert.ToHexStringLower(fpu.Xmm.Span));
        json.WriteString("mxcsr", Hex(fpu.MxcsrField));
    }

    public static void WriteCpuid(Utf8JsonWriter json, string name, ImmutableArray<CpuidEntry> entries)
    {
        json.WriteStartArray(name);
        foreach (CpuidEntry entry in entries)
        {
            json.WriteStartObject();
            json.WriteString("leaf", Hex(entry.Leaf));
            json.WriteString("subleaf", Hex(entry.Subleaf));
            json.WriteString("flags", Hex(entry.SubleafSignificant ? 1u : 0));
            WriteRegisters(json, entry.Registers);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteNumbers(Utf8JsonWriter json, string name, ImmutableArray<ulong> numbers)
    {
        json.WriteStartArray(name);
        foreach (ulong number in numbers)
        {
            json.WriteStringValue(Hex(number));
        }

        json.WriteEndArray();
    }

    private static void WriteXcrs(Utf8JsonWriter json, ImmutableArray<XcrEntry> entries)
    {
        json.WriteStartArray("entries");
        foreach (XcrEntry entry in entries)
        {
            json.WriteStartObject();
            json.WriteNumber("xcr", entry.Index);
            json.WriteString("value", Hex(entry.Value));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
