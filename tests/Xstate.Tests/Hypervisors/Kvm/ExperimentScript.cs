using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Tests.Hypervisors.Kvm;

/// <summary>
/// The experiment whose output was logged on real kernels, as a script over any implementation of the calls. Prints the same lines.
/// </summary>
internal sealed class ExperimentScript
{
    private readonly Func<IKvmMachine> _newMachine;
    private readonly StringBuilder _log = new();
    private readonly XsaveSlot _pkruSlot;
    private readonly CpuidEntry[] _supported;
    private readonly byte[] _base;

    public ExperimentScript(Func<IKvmMachine> newMachine, XsaveLayout hostLayout)
    {
        _newMachine = newMachine;
        hostLayout.TryGetSlot(StateComponent.Pkru, out _pkruSlot);
        using IKvmMachine machine = newMachine();
        machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> supported);
        _supported = [.. supported];
        _base = Get(NewVcpu(machine));
    }

    public string Run()
    {
        foreach (CpuidEntry entry in _supported.Where(e => e.Leaf == CpuidTable.XsaveLeaf))
        {
            CpuidRegisters r = entry.Registers;
            Line($"sup d.{entry.Subleaf} {r.Eax:x8} {r.Ebx:x8} {r.Ecx:x8} {r.Edx:x8}");
        }

        Line($"fresh GET_XSAVE OK bv={U64(_base, 512):x} sw464={U64(_base, 464):x} pkru={U32(_base, _pkruSlot.Offset):x}");
        Section("no SET_CPUID2", null);
        Section("CPUID2=supported", _supported);
        Section("CPUID2 0xD.0=7", Limit(7));
        Section("CPUID2 0xD.0=3", Limit(3));
        Section("CPUID2 0xD.0=0x2e7 (bits host lacks)", Limit(0x2e7));
        Section("CPUID2 leaf1 without XSAVE", [.. _supported.Select(WithoutXsave)]);
        Section("CPUID2 without leaf 0xD", [.. _supported.Where(e => e.Leaf != CpuidTable.XsaveLeaf)]);
        Order();
        NarrowerThanXcr0();
        Fpu();
        return _log.ToString();
    }

    private static CpuidEntry WithoutXsave(CpuidEntry entry) =>
        entry.Leaf == 1 ? entry with { Registers = entry.Registers with { Ecx = entry.Registers.Ecx & ~(3u << 26) } } : entry;

    private void Section(string name, CpuidEntry[]? cpuid)
    {
        using IKvmMachine machine = _newMachine();
        IKvmVcpu vcpu = NewVcpu(machine);
        KernelReply set = cpuid is null ? KernelReply.Success : vcpu.SetCpuid2(cpuid);
        vcpu.GetCpuid2(out ImmutableArray<CpuidEntry> current);
        CpuidRegisters leafD = new CpuidTable(current).Read(CpuidTable.XsaveLeaf);
        Line($"--- {name}: SET_CPUID2 {Name(set)}; GET_CPUID2 0xD.0 eax={leafD.Eax:x} ebx={leafD.Ebx:x}");
        Show(vcpu, "fresh");
        Line("   single bits accepted:" + string.Concat(Enumerable.Range(0, 64)
            .Where(k => SetX(vcpu, 1UL << k, 0, 0, 0x1f80, 0x11, 0).IsSuccess).Select(k => $" {k}")));
        ulong[] combos = [0, 3, 7, 0x200, 0x203, 0x207, 0x27, 0xe7, 0x2e7, 0x18, 0x800];
        Line("   combos:" + string.Concat(combos.Select(c => $" {c:x}:{Name(SetX(vcpu, c, 0, 0, 0x1f80, 0x11, 0))}")));
        Line("   xcomp 7:" + Name(SetX(vcpu, 7, 7, 0, 0x1f80, 0, 0))
            + " compact:" + Name(SetX(vcpu, 7, 0x8000000000000007, 0, 0x1f80, 0, 0))
            + " rsv528:" + Name(SetX(vcpu, 7, 0, 528, 0x1f80, 0, 0))
            + " rsv575:" + Name(SetX(vcpu, 7, 0, 575, 0x1f80, 0, 0))
            + " mxcsr10000/bv7:" + Name(SetX(vcpu, 7, 0, 0, 0x10000, 0, 0))
            + " mxcsr10000/bv1:" + Name(SetX(vcpu, 1, 0, 0, 0x10000, 0, 0))
            + " mxcsr10000/bv0:" + Name(SetX(vcpu, 0, 0, 0, 0x10000, 0, 0)));
        Line("   SET bv=207 pkru=deadbee0: " + Name(SetX(vcpu, 0x207, 0, 0, 0x3f80, 0x22, 0xdeadbee0)));
        Show(vcpu, "after");
        Line("   SET bv=7 (PKRU bit clear, bytes 11111110): " + Name(SetX(vcpu, 7, 0, 0, 0x3f80, 0x33, 0x11111110)));
        Show(vcpu, "after");
        Line("   SET bv=207 pkru=0: " + Name(SetX(vcpu, 0x207, 0, 0, 0x3f80, 0x44, 0)));
        Show(vcpu, "after");
        ulong[] xcr0 = [0, 1, 3, 7, 0x207, 0x203, 5, 0xe7, 0x2e7];
        Line("   XCRS:" + string.Concat(xcr0.Select(x => $" {x:x}:{Name(SetXcr0(vcpu, x))}")));
    }

    private void Order()
    {
        using IKvmMachine machine = _newMachine();
        IKvmVcpu vcpu = NewVcpu(machine);
        Line("=== order");
        Line("SET_XSAVE(207) before CPUID: " + Name(SetX(vcpu, 0x207, 0, 0, 0x1f80, 0x55, 0xabcdef00)));
        Show(vcpu, "before cpuid");
        Line("CPUID2(7) " + Name(vcpu.SetCpuid2(Limit(7))));
        Show(vcpu, "after CPUID 7");
        Line("CPUID2(full) " + Name(vcpu.SetCpuid2(_supported)));
        Show(vcpu, "after CPUID full");
    }

    private void NarrowerThanXcr0()
    {
        using IKvmMachine machine = _newMachine();
        IKvmVcpu vcpu = NewVcpu(machine);
        Line("=== xcrs before cpuid, then narrower cpuid");
        vcpu.SetCpuid2(_supported);
        Line("XCR0=207 " + Name(SetXcr0(vcpu, 0x207)));
        Line("CPUID2(7) after XCR0=207: " + Name(vcpu.SetCpuid2(Limit(7))));
        vcpu.GetXcrs(out ImmutableArray<XcrEntry> xcrs);
        Line($"GET_XCRS {xcrs[0].Value:x}");
    }

    private void Fpu()
    {
        using IKvmMachine machine = _newMachine();
        IKvmVcpu vcpu = NewVcpu(machine);
        Line("=== fpu");
        vcpu.SetCpuid2(_supported);
        KvmFpu fpu = new() { Xmm = Enumerable.Repeat((byte)0x99, 256).ToArray(), Fcw = 0x27f, MxcsrField = 0x5f80 };
        Line("SET_FPU on fresh " + Name(vcpu.SetFpu(fpu)));
        Show(vcpu, "after");
        SetX(vcpu, 7, 0, 0, 0x3f80, 0x11, 0);
        Line("SET_FPU after SET_XSAVE(7) " + Name(vcpu.SetFpu(fpu)));
        Show(vcpu, "after");
    }

    private CpuidEntry[] Limit(ulong mask) =>
    [
        .. _supported.Select(e => e is { Leaf: CpuidTable.XsaveLeaf, Subleaf: 0 }
            ? e with { Registers = e.Registers with { Eax = (uint)mask, Edx = (uint)(mask >> 32) } }
            : e),
    ];

    private KernelReply SetX(IKvmVcpu vcpu, ulong bv, ulong xcomp, int reserved, uint mxcsr, byte fill, uint pkru)
    {
        byte[] image = [.. _base];
        image.AsSpan(160, 256).Fill(fill);
        image.AsSpan(576, 256).Fill(fill);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(_pkruSlot.Offset), pkru);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), mxcsr);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(512), bv);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(520), xcomp);
        if (reserved != 0)
        {
            image[reserved] = 1;
        }

        return vcpu.SetXsave(image);
    }

    private static KernelReply SetXcr0(IKvmVcpu vcpu, ulong value) => vcpu.SetXcrs(1, 0, [new XcrEntry(0, value)]);

    private void Show(IKvmVcpu vcpu, string name)
    {
        byte[] area = Get(vcpu);
        Line(
            $"   {name}: GET OK bv={U64(area, 512):x} sw464={U64(area, 464):x} mxcsr={U32(area, 24):x} xmm1={area[176]:x2} "
            + $"ymmh1={area[592]:x2} pkru={U32(area, _pkruSlot.Offset):x8}");
    }

    private static IKvmVcpu NewVcpu(IKvmMachine machine)
    {
        machine.CreateVcpu(0, out IKvmVcpu? vcpu);
        return vcpu ?? throw new InvalidOperationException("no vCPU");
    }

    private static byte[] Get(IKvmVcpu vcpu)
    {
        Assert.Equal(Errno.None, vcpu.GetXsave(out byte[] area).Errno);
        return area;
    }

    private static string Name(KernelReply reply) => reply.IsSuccess ? "OK" : reply.Errno.ToString();

    private static ulong U64(byte[] area, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(area.AsSpan(offset));

    private static uint U32(byte[] area, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(area.AsSpan(offset));

    private void Line(string text) => _log.Append(CultureInfo.InvariantCulture, $"{text}\n");
}
