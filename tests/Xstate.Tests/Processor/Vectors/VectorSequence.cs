using System.Globalization;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>Vectors that are little programs: "XRSTOR A mask 3; poke; XSAVEOPT A mask e7".</summary>
internal sealed class VectorSequence
{
    private const byte Poked = 0xE1;
    private const ulong AllComponents = 0xE7;

    private readonly ProcessorState _cpu;
    private readonly Dictionary<string, byte[]> _areas = [];
    private Fault _last;

    private VectorSequence(ProcessorState cpu)
    {
        _cpu = cpu;
    }

    public static void Check(JsonElement vector, JsonElement expect)
    {
        ProcessorProfile profile = ProcessorProfiles.AmdZen4.With(ProcessorQuirks.ModifiedOptimization);
        VectorSequence run = new(ProcessorState.ForUserProcess(profile));
        run._cpu.Xcr0 = new StateComponentSet(AllComponents);
        VectorStates.Apply(run._cpu, "FULL");
        string area = "A";
        foreach (string step in vector.Text("sequence").Split(';', StringSplitOptions.TrimEntries))
        {
            area = run.Execute(step, area);
        }

        if (vector.Text("kind") == "sequence")
        {
            VectorExpectations.ExpectFault(expect, run._last);
            return;
        }

        Assert.Equal(Fault.None, run._last);
        Assert.Equal(
            expect.GetProperty("components_not_written").EnumerateArray().Select(component => (StateComponent)component.GetByte()),
            new StateComponentSet(AllComponents).Where(component => run.IsUntouched(area, component)));
        Assert.Equal(VectorStates.FullMxcsr == run._cpu.Registers.Mxcsr ? VectorStates.FullMxcsr : 0x1F80,
            new XsaveArea(run.Area(area)).Mxcsr);
    }

    private string Execute(string step, string current)
    {
        string[] words = step.Split(' ');
        int mask = Array.IndexOf(words, "mask");
        ulong requested = mask < 0 ? AllComponents : ulong.Parse(words[mask + 1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        string area = words.FirstOrDefault(word => word is "A" or "B") ?? current;
        byte[] memory = Area(area);
        ulong address = area == "A" ? 0x1000UL : 0x9000;
        switch (words[0])
        {
            case "area":
                memory.AsSpan().Fill(words[1] == "filled" ? Convert.ToByte(words[2], 16) : (byte)0);
                break;
            case "poke":
                memory.AsSpan(0, XsaveFormat.XmmEnd).Fill(Poked);
                memory.AsSpan(XsaveFormat.ExtendedOffset).Fill(Poked);
                break;
            case "XRSTOR":
                // The area holds the current registers, so that the restore changes nothing but the tracking.
                _last = step.Contains("(compacted)", StringComparison.Ordinal)
                    ? Instructions.Xsavec(_cpu, memory, address, requested) : Restorable(memory);
                _last = _last.IsFault ? _last : Instructions.Xrstor(_cpu, memory, address, requested);
                break;
            case "FXRSTOR":
                Assert.Equal(Fault.None, Instructions.Fxsave(_cpu, memory, address));
                _last = Instructions.Fxrstor(_cpu, memory, address);
                return current;
            case "XSAVE":
                _last = Instructions.Xsave(_cpu, memory, address, requested);
                break;
            case "XSAVEC":
                _last = Instructions.Xsavec(_cpu, memory, address, requested);
                break;
            case "XSAVEOPT":
                _last = Instructions.Xsaveopt(_cpu, memory, address, requested);
                break;
            case "VPCMPEQD":
                Span<byte> ones = stackalloc byte[32];
                ones.Fill(0xFF);
                _cpu.Registers.Vectors.WriteExtended(0, ones);
                break;
            case "LDMXCSR":
                _cpu.Registers.Mxcsr = uint.Parse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                break;
            default:
                throw new NotSupportedException(step);
        }

        return area;
    }

    // In the "sequence" vectors the area comes from the steps before; in the others it holds FULL.
    private Fault Restorable(byte[] memory) =>
        memory.AsSpan().ContainsAnyExcept((byte)0) ? Fault.None : Instructions.Xsave(_cpu, memory, 0, AllComponents);

    private byte[] Area(string name)
    {
        if (!_areas.TryGetValue(name, out byte[]? memory))
        {
            memory = new byte[VectorMachine.AreaLength];
            _areas.Add(name, memory);
        }

        return memory;
    }

    private bool IsUntouched(string area, StateComponent component)
    {
        ReadOnlySpan<byte> memory = Area(area);
        ReadOnlySpan<byte> bytes = component switch
        {
            StateComponent.X87 => memory.Slice(XsaveFormat.StOffset, XsaveFormat.XmmOffset - XsaveFormat.StOffset),
            StateComponent.Sse => memory[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd],
            _ => _cpu.Profile.Layout.TryGetSlot(component, out XsaveSlot slot) ? memory.Slice(slot.Offset, slot.Size) : default,
        };
        Assert.False(bytes.IsEmpty);
        return !bytes.ContainsAnyExcept(Poked);
    }
}
