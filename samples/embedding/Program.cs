// An emulator's XSAVE and XRSTOR in one page: decode, check and execute on guest memory, and turn faults into exceptions of the guest.
using Xstate.Architecture;
using Xstate.Processor;

ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get(args.Length > 0 ? args[0] : "amd-zen4"));
byte[] guestMemory = new byte[3 * 4096];
const ulong Area = 0x1000;

cpu.Registers.Vectors.WriteExtended(1, Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());
Instructions.Wrpkru(cpu, ecx: 0, edxEax: 0x5555_5554);

Execute([0x48, 0x0F, 0xC7, 0x23], Area, edxEax: ulong.MaxValue); // xsavec64 [rbx]
XsaveArea image = new(guestMemory.AsSpan((int)Area));
Console.WriteLine($"XSTATE_BV {image.XstateBv.Describe()}");

cpu.Registers.Initialize(cpu.Xcr0);
Execute([0x48, 0x0F, 0xAE, 0x2B], Area, edxEax: ulong.MaxValue); // xrstor64 [rbx]
Console.WriteLine($"PKRU {cpu.Registers.Pkru}");

guestMemory[(int)Area + XsaveFormat.ReservedHeaderOffset] = 1;
Execute([0x48, 0x0F, 0xAE, 0x2B], Area, edxEax: ulong.MaxValue);
Execute([0x48, 0x0F, 0xAE, 0x23], Area + 8, edxEax: 1);
Execute([0x0F, 0xAE, 0x23], 0x2F80, edxEax: 7);

void Execute(ReadOnlySpan<byte> code, ulong address, ulong edxEax)
{
    InstructionEncoding decoded = InstructionEncoding.Decode(code, cpu.Is64BitMode);

    // What the guest's page tables allow from the address on; here memory simply ends.
    Span<byte> memory = guestMemory.AsSpan((int)address);
    Fault fault = Instructions.Execute(cpu, decoded, memory, address, ecx: 0, ref edxEax);
    Console.WriteLine(
        $"{decoded.Instruction} at 0x{address:x}: {fault}{(fault.Vector == FaultVector.PageFault ? $" at 0x{fault.Address:x}" : "")}");
}
