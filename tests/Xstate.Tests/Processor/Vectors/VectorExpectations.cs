using System.Buffers.Binary;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>One check per kind of vector.</summary>
internal static class VectorExpectations
{
    public static void Check(string id, string kind, JsonElement vector)
    {
        JsonElement expect = vector.GetProperty("expect");
        switch (kind)
        {
            case "save":
                Save(vector, expect);
                break;
            case "restore":
                Restore(vector, expect);
                break;
            case "xgetbv" when vector.Find("sequence") is not null:
                PkruSequence(expect);
                break;
            case "xgetbv":
                Xgetbv(vector, expect);
                break;
            case "xsetbv":
                Xsetbv(vector, expect);
                break;
            case "layout-compacted":
                CompactedLayout(vector, expect);
                break;
            case "cpuid-size":
                CpuidSize(vector, expect);
                break;
            case "wrmsr-xss":
                WrmsrXss(vector, expect);
                break;
            case "wrmsr-xfd":
                ExpectFault(expect, Instructions.Wrmsr(new VectorMachine(vector).Cpu, (uint)vector.Number("msr"), vector.Number("value")));
                break;
            case "insn-access" or "fault-priority" or "pkru":
                Execute(vector, expect);
                break;
            case "pkey-access":
                PageAccess(vector, expect);
                break;
            case "x87-roundtrip":
                X87RoundTrip.Check(vector.GetProperty("image"), expect);
                break;
            case "xinuse":
                Xinuse(vector, expect);
                break;
            case "modified-opt" or "sequence":
                VectorSequence.Check(vector, expect);
                break;
            case "reset-init":
                ResetInitVectors.Check(id, vector.Text("register"), expect);
                break;
            case "cpuid-lint":
                EnumerationVectors.Check(vector.GetProperty("cpuid"), expect);
                break;
            default:
                Assert.Fail($"no check for vectors of kind {kind}");
                break;
        }
    }

    public static void ExpectFault(JsonElement expect, Fault fault) => Assert.Equal(expect.Text("fault", "none"), fault.ToString());

    private static void Save(JsonElement vector, JsonElement expect)
    {
        // Two fills tell stored bytes from bytes left alone, even where the stored value equals a fill.
        byte[] ones = Filled(0xA5, vector);
        byte[] others = Filled(0x5A, vector);
        VectorMachine first = new(vector);
        Fault fault = first.Execute(ones);
        ExpectFault(expect, fault);
        Assert.Equal(fault, new VectorMachine(vector).Execute(others));
        if (expect.Find("after") is { } after)
        {
            Assert.All(after.EnumerateObject(), change => Assert.Equal(VectorReader.Number(change.Value),
                RegisterAfter(first.Cpu, change.Name)));
        }

        if (expect.Find("ia32_xfd_err") is not null)
        {
            Assert.Equal(expect.Number("ia32_xfd_err"), first.Cpu.XfdErr.Bits);
        }

        if (expect.Find("xstate_bv") is not null)
        {
            Assert.Equal(expect.Number("xstate_bv"), new XsaveArea(ones).XstateBv.Bits);
        }

        if (expect.Find("xcomp_bv") is not null)
        {
            Assert.Equal(expect.Number("xcomp_bv"), new XsaveArea(ones).XcompBv);
        }

        if (expect.Find("written") is { } written)
        {
            bool[] expected = VectorReader.Intervals(written, ones.Length);
            for (int i = 0; i < ones.Length; i++)
            {
                bool inHeader = i is >= XsaveFormat.XstateBvOffset and < XsaveFormat.ReservedHeaderOffset;
                Assert.True(inHeader || expected[i] == (ones[i] == others[i]),
                    $"byte {i}: written {ones[i] == others[i]}, expected {expected[i]}");
            }
        }
    }

    private static byte[] Filled(byte fill, JsonElement vector)
    {
        byte[] memory = new byte[VectorMachine.AreaLength];
        memory.AsSpan().Fill(fill);
        JsonElement? before = vector.Find("area_before");
        BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.XstateBvOffset), before?.Number("xstate_bv") ?? 0);
        BitConverter.TryWriteBytes(memory.AsSpan(XsaveFormat.XcompBvOffset), before?.Number("xcomp_bv") ?? 0);
        return memory;
    }

    private static void Restore(JsonElement vector, JsonElement expect)
    {
        VectorMachine machine = new(vector);
        ProcessorState before = machine.Cpu.Clone();
        byte[] area = machine.Area(vector.GetProperty("area"));
        Fault fault = machine.Execute(area);
        ExpectFault(expect, fault);
        ProcessorState cpu = machine.Cpu;
        if (expect.Find("registers")?.ValueKind == JsonValueKind.String || fault.IsFault)
        {
            ProcessorState unchanged = before.Clone();
            unchanged.XfdErr = cpu.XfdErr;
            Assert.True(cpu.HasSameContentAs(unchanged));
        }

        Assert.Equal(expect.Number("mxcsr", cpu.Registers.Mxcsr), cpu.Registers.Mxcsr);
        Assert.Equal(expect.Number("pkru", cpu.Registers.Pkru.Value), cpu.Registers.Pkru.Value);
        Assert.Equal(expect.Number("ia32_xfd_err", cpu.XfdErr.Bits), cpu.XfdErr.Bits);
        foreach (JsonProperty component in expect.Find("components")?.EnumerateObject() ?? default)
        {
            Contents(cpu, before, (StateComponent)byte.Parse(component.Name), component.Value.GetString()!);
        }

        foreach (JsonProperty change in expect.Find("after")?.EnumerateObject() ?? default)
        {
            Assert.Equal(VectorReader.Number(change.Value), RegisterAfter(cpu, change.Name));
        }

        if (expect.Find("registers") is { ValueKind: JsonValueKind.Object } ranges)
        {
            foreach (JsonProperty range in ranges.EnumerateObject())
            {
                Range(cpu, before, range.Name, range.Value.GetString()!);
            }
        }
    }

    private static void Contents(ProcessorState cpu, ProcessorState before, StateComponent component, string which)
    {
        byte[] now = Bytes(cpu, component);
        switch (which)
        {
            case "init":
                Assert.True(cpu.Registers.IsInitial(component));
                break;
            case "old":
                Assert.Equal(Bytes(before, component), now);
                break;
            default:
                Assert.Equal(VectorStates.ImageOf(component, now.Length), now);
                break;
        }
    }

    // MXCSR lies among the x87 bytes and has an expectation of its own.
    private static byte[] Bytes(ProcessorState cpu, StateComponent component)
    {
        byte[] bytes = cpu.Registers.Read(component).ToArray();
        if (component == StateComponent.X87)
        {
            bytes.AsSpan(XsaveFormat.MxcsrOffset, 8).Clear();
        }

        return bytes;
    }

    private static void Range(ProcessorState cpu, ProcessorState before, string name, string which)
    {
        (StateComponent component, Range part) = name switch
        {
            "xmm0-7" => (StateComponent.Sse, ..128),
            "xmm8-15" => (StateComponent.Sse, 128..),
            "ymm_h0-7" => (StateComponent.Avx, ..128),
            "ymm_h8-15" => (StateComponent.Avx, 128..),
            "zmm_h8-15" => (StateComponent.ZmmHi256, 256..),
            "zmm16-31" => (StateComponent.Hi16Zmm, ..),
            "k0-7" => (StateComponent.Opmask, ..),
            _ => throw new NotSupportedException(name),
        };
        byte[] now = cpu.Registers.Read(component)[part].ToArray();
        Assert.Equal(which == "init" ? new byte[now.Length] : before.Registers.Read(component)[part].ToArray(), now);
    }

    private static ulong RegisterAfter(ProcessorState cpu, string name)
    {
        int cpl = cpu.Cpl;
        cpu.Cpl = 0;
        uint msr = name switch { "uinv" => 0x988, "IA32_PM_CTL1" => 0xDB1, "IA32_HWP_REQUEST" => 0x774, _ => 0x570U };
        Assert.Equal(Fault.None, Instructions.Rdmsr(cpu, msr, out ulong value));
        cpu.Cpl = cpl;
        return name switch { "uinv" => value >> 32 & 0xFF, "IA32_RTIT_CTL.TraceEn" => value & 1, _ => value };
    }

    private static void Xgetbv(JsonElement vector, JsonElement expect)
    {
        VectorMachine machine = new(vector);
        ExpectFault(expect, Instructions.Xgetbv(machine.Cpu, (uint)vector.Number("ecx"), out ulong value));
        Assert.Equal(expect.Number("edx_eax"), value);
    }

    private static void PkruSequence(JsonElement expect)
    {
        Assert.Equal(expect.GetProperty("amd").Number("xinuse9"), AfterZero(ProcessorProfiles.AmdZen4));
        Assert.Equal(expect.GetProperty("intel").Number("xinuse9"), AfterZero(ProcessorProfiles.IntelSapphireRapids));

        static ulong AfterZero(ProcessorProfile profile)
        {
            ProcessorState cpu = ProcessorState.ForUserProcess(profile);
            Assert.Equal(Fault.None, Instructions.Wrpkru(cpu, 0, 4));
            Assert.Equal(Fault.None, Instructions.Wrpkru(cpu, 0, 0));
            Assert.Equal(Fault.None, Instructions.Xgetbv(cpu, 1, out ulong inUse));
            return inUse >> 9 & 1;
        }
    }

    private static void Xsetbv(JsonElement vector, JsonElement expect)
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(
            TestProcessors.WithUserComponents(new StateComponentSet(vector.Number("cpuid_d0_mask"))));
        cpu.Cpl = (int)vector.Number("cpl");
        cpu.Cr4 = vector.Number("cr4_osxsave") != 0 ? cpu.Cr4 : cpu.Cr4 & ~Cr4.OsXsave;
        cpu.Xcr0 = new StateComponentSet(1);

        ExpectFault(expect, Instructions.Xsetbv(cpu, (uint)vector.Number("ecx"), vector.Number("edx_eax")));
        Assert.Equal(expect.Number("xcr0", 1), cpu.Xcr0.Bits);
    }

    private static void CompactedLayout(JsonElement vector, JsonElement expect)
    {
        XsaveLayout layout = VectorLayouts.Get(vector.Text("layout"));
        StateComponentSet inImage = new(vector.Number("xcomp_bv") & ~XsaveFormat.CompactedFlag);

        Assert.Equal(
            expect.GetProperty("offsets").EnumerateObject().Select(offset => $"{offset.Name}@{offset.Value.GetInt32()}"),
            Walk(layout, inImage));
        Assert.All(
            expect.GetProperty("offsets").EnumerateObject(),
            offset => Assert.Equal(offset.Value.GetInt32(), layout.CompactedOffset((StateComponent)byte.Parse(offset.Name), inImage)));
        Assert.Equal((int)expect.Number("size"), layout.CompactedLengthFor(inImage));

        static IEnumerable<string> Walk(XsaveLayout layout, StateComponentSet inImage)
        {
            foreach (XsaveSlot slot in layout.WalkCompacted(inImage))
            {
                yield return $"{(int)slot.Component}@{slot.Offset}";
            }
        }
    }

    private static void CpuidSize(JsonElement vector, JsonElement expect)
    {
        StateComponentSet xcr0 = new(vector.Number("xcr0"));

        Assert.Equal((int)expect.Number("leaf_d_0_ebx"), VectorLayouts.Get(vector.Text("layout")).StandardLengthFor(xcr0));
    }

    private static void WrmsrXss(JsonElement vector, JsonElement expect)
    {
        ProcessorProfile profile = vector.Find("xss_supported") is null
            ? TestProcessors.WithUserComponents(new StateComponentSet(7), xsaves: false)
            : ProcessorProfiles.AmdZen4;
        Assert.Equal(vector.Number("xss_supported"), profile.SupervisorComponents.Bits);
        ProcessorState cpu = ProcessorState.ForUserProcess(profile);
        cpu.Cpl = (int)vector.Number("cpl");

        ExpectFault(expect, Instructions.Wrmsr(cpu, ModelSpecificRegisters.Xss, vector.Number("value")));
    }

    private static void Execute(JsonElement vector, JsonElement expect)
    {
        VectorMachine machine = new(vector);
        Fault fault = machine.Execute(new byte[VectorMachine.AreaLength]);
        ExpectFault(expect, fault);
        Assert.Equal(expect.Number("ia32_xfd_err", machine.Cpu.XfdErr.Bits), machine.Cpu.XfdErr.Bits);
    }

    private static void PageAccess(JsonElement vector, JsonElement expect)
    {
        Cr4 cr4 = (vector.Number("pke") != 0 ? Cr4.ProtectionKeys : Cr4.None) | (vector.Number("pks") != 0 ? Cr4.SupervisorKeys : Cr4.None);
        Cr0 cr0 = vector.Number("wp") != 0 ? Cr0.WriteProtect : Cr0.None;
        AccessKind kind = Enum.Parse<AccessKind>(vector.Text("access"), ignoreCase: true);
        PageAccess access = new(vector.Text("page") == "user", (int)vector.Number("key"), kind, vector.Number("cpl") == 3);

        ExpectFault(expect, ProtectionKeys.Check(new Pkru((uint)vector.Number("pkru")), new Pkru((uint)vector.Number("pkrs")), cr0, cr4,
            access));
    }

    private static void Xinuse(JsonElement vector, JsonElement expect)
    {
        foreach (JsonProperty vendor in expect.EnumerateObject())
        {
            // The Intel halves are the SDM's text and were never measured. M303 is not what Intel does: see the quirk and
            // ProcessorStateTests.
            ProcessorProfile profile = vendor.Name == "amd" ? ProcessorProfiles.AmdZen4
                : ProcessorProfiles.IntelSapphireRapids.Without(ProcessorQuirks.HiddenHalvesInUse);
            ulong inUse = XinuseAfter(profile, vector);
            foreach (JsonProperty value in vendor.Value.EnumerateObject())
            {
                ulong mask = value.Name switch { "xinuse" => ulong.MaxValue, "xinuse0" => 1UL, "xinuse_bits_1_2_6_7" => 0xC6UL, _ => 0UL };
                Assert.NotEqual(0UL, mask);
                Assert.Equal(VectorReader.Number(value.Value), inUse & mask);
            }
        }
    }

    private static ulong XinuseAfter(ProcessorProfile profile, JsonElement vector)
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(profile);
        cpu.Xcr0 = new StateComponentSet(0xE7);
        if (vector.Text("name").StartsWith("FULL then VZEROUPPER", StringComparison.Ordinal))
        {
            VectorStates.Apply(cpu, "FULL");
            cpu.Registers.Vectors.ZeroUpper(cpu.Is64BitMode);
        }
        else if (vector.Number("mode", 64) == 32)
        {
            FillWhatCompatibilityModeHides(cpu);
            cpu.Is64BitMode = false;
        }
        else
        {
            byte[] area = new byte[VectorMachine.AreaLength];
            BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
            BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
            X87RoundTrip.Describe(vector.Find("image") ?? default, area);
            ulong requested = vector.Find("image") is null ? 0xE7UL : 1;
            BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), requested);
            Assert.Equal(Fault.None, Instructions.Xrstor(cpu, area, 0, requested));
        }

        Assert.Equal(Fault.None, Instructions.Xgetbv(cpu, 1, out ulong inUse));
        return inUse;
    }

    private static void FillWhatCompatibilityModeHides(ProcessorState cpu)
    {
        cpu.Registers.Write(StateComponent.Sse)[128..].Fill(1);
        cpu.Registers.Write(StateComponent.Avx)[128..].Fill(1);
        cpu.Registers.Write(StateComponent.ZmmHi256)[256..].Fill(1);
        cpu.Registers.Write(StateComponent.Hi16Zmm).Fill(1);
        cpu.Registers.X87.SetSt(0, VectorStates.Extended(0x4000, 1));
    }
}
