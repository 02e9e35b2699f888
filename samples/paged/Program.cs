// XSAVEC64 [RBX] of a guest whose area lies on two pages, as an emulator executes it: no copy of the guest's memory is made.
using Xstate.Architecture;
using Xstate.Processor;
using Xstate.Samples.Paged;

ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.AmdZen4);
GuestPages memory = new();
ulong requested = cpu.Xcr0.Bits;
InstructionEncoding xsavec = InstructionEncoding.Decode([0x48, 0x0F, 0xC7, 0x23], cpu.Is64BitMode);
Fault fault = Instructions.Execute(cpu, xsavec, memory, address: 0x1F00, ecx: 0, ref requested);
StateComponentSet xcompBv = new(memory.ReadUInt64(0x1F00 + XsaveFormat.XcompBvOffset));
Console.WriteLine($"{xsavec.Instruction}: {fault}, XCOMP_BV {xcompBv}");

namespace Xstate.Samples.Paged
{
    internal sealed class GuestPages : IGuestMemory
    {
        private readonly byte[][] _pages = [.. Enumerable.Range(0, 4).Select(_ => new byte[4096])];

        public Span<byte> Access(ulong address, bool write) => address / 4096 is ulong page && page < 4
            ? _pages[page].AsSpan(int.CreateChecked(address % 4096)) : [];
        public ulong ReadUInt64(ulong address) => BitConverter.ToUInt64(Access(address, write: false));
    }
}
