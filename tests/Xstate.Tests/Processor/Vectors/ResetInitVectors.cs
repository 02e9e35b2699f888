using System.Text.Json;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>Registers after RESET and INIT, from a state in which none has its reset value.</summary>
internal static class ResetInitVectors
{
    /// <summary>
    /// RI02 says that INIT clears IA32_XSS, which was the SDM's text until revision 075 corrected it to "unchanged" (KVM followed in 5.17,
    /// commit be4f3b3f8227). The vector describes the quirk that keeps the old text; the model's default is the corrected one.
    /// </summary>
    private const string InitClearsXssVector = "RI02";

    public static void Check(string id, string register, JsonElement expect)
    {
        ProcessorProfile profile = register switch
        {
            "BND0-3/BNDCFGU/BNDSTATUS" => ProcessorProfiles.IntelSkylakeServer,
            "R16-R31" => TestProcessors.WithUserComponents(new StateComponentSet(0x8_0003)),
            _ => ProcessorProfiles.AmdZen4,
        };
        Check(id == InitClearsXssVector ? profile.With(ProcessorQuirks.InitClearsXss) : profile, register, expect.Text("after_reset"),
            expect.Text("after_init"));
        if (id == InitClearsXssVector)
        {
            Check(profile, register, expect.Text("after_reset"), "unchanged");
        }
    }

    private static void Check(ProcessorProfile profile, string register, string afterReset, string afterInit)
    {
        ProcessorState cpu = Used(profile);
        byte[] before = Read(cpu, register);
        Assert.NotEqual(Expected(afterReset, before), before);

        cpu.Init();
        Assert.Equal(afterInit == "unchanged" ? before : Expected(afterInit, before), Read(cpu, register));

        cpu = Used(profile);
        cpu.Reset();
        Assert.Equal(Expected(afterReset, before), Read(cpu, register));
    }

    private static ProcessorState Used(ProcessorProfile profile)
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(profile);
        cpu.Xss = profile.SupervisorComponents;
        cpu.Registers.Mxcsr = 0x1FA0;
        foreach (StateComponent component in profile.Components.Except(StateComponentSet.Of(StateComponent.X87)))
        {
            cpu.Registers.Write(component).Fill(0x7E);
        }

        return cpu;
    }

    private static byte[] Expected(string value, byte[] before)
    {
        byte[] bytes = new byte[Math.Max(before.Length, sizeof(ulong))];
        BitConverter.TryWriteBytes(bytes, VectorReader.Number(JsonSerializer.SerializeToElement(value)));
        return bytes[..before.Length];
    }

    private static byte[] Read(ProcessorState cpu, string register)
    {
        RegisterFile file = cpu.Registers;
        StateComponent[] components = register switch
        {
            "XMM/YMM/ZMM/k" => [StateComponent.Sse, StateComponent.Avx, StateComponent.ZmmHi256, StateComponent.Hi16Zmm,
                StateComponent.Opmask],
            "BND0-3/BNDCFGU/BNDSTATUS" => [StateComponent.BndRegs, StateComponent.BndCsr],
            "IA32_U_CET/PLx_SSP" => [StateComponent.CetU, StateComponent.CetS],
            "R16-R31" => [StateComponent.Apx],
            _ => [],
        };
        return register switch
        {
            "XCR0" => BitConverter.GetBytes(cpu.Xcr0.Bits),
            "IA32_XSS" => BitConverter.GetBytes(cpu.Xss.Bits),
            "PKRU" => BitConverter.GetBytes(file.Pkru.Value),
            "MXCSR" => BitConverter.GetBytes(file.Mxcsr),
            "FCW" => BitConverter.GetBytes(file.X87.Fcw),
            "FTW" => BitConverter.GetBytes(file.X87.Ftw),
            _ => [.. components.SelectMany(component => file.Read(component).ToArray())],
        };
    }
}
