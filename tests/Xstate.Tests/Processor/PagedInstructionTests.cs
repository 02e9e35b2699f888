using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

/// <summary>Instructions on memory whose pages lie apart do what they do on memory in one piece.</summary>
public class PagedInstructionTests
{
    private const ulong Base = 0x10_0000;
    private const int PageLength = 4_096;
    private const int Pages = 6;

    private static readonly StateInstruction[] WithMemory =
    [
        StateInstruction.Xsave, StateInstruction.Xsaveopt, StateInstruction.Xsavec, StateInstruction.Xsaves, StateInstruction.Xrstor,
        StateInstruction.Xrstors, StateInstruction.Fxsave, StateInstruction.Fxrstor,
    ];

    [Theory]
    [InlineData("intel-sapphire-rapids")]
    [InlineData("amd-zen4")]
    [InlineData("amd-zen3")]
    public void Pages_answer_what_one_piece_answers(string profile)
    {
        SplitMix64 random = new(20_261_201);
        int faults = 0;
        int completed = 0;
        for (int i = 0; i < 4_000; i++)
        {
            ProcessorState flat = Processor(profile, random);
            ProcessorState paged = flat.Clone();
            StateInstruction instruction = WithMemory[random.Below(WithMemory.Length)];
            InstructionEncoding encoding = new(instruction, random.OneIn(2) ? XsaveOperand.Legacy : XsaveOperand.Rex64, ModRmOffset: 0);
            int offset = (random.Below(2 * PageLength) & ~63) + (random.Below(16) == 0 ? 8 : 0);
            byte[] bytes = Image(profile, random, offset);
            Scattered memory = new(bytes);
            ulong mask = random.Below(4) == 0 ? random.Next() : ulong.MaxValue;

            // Memory that ends somewhere, or has a page that cannot be written.
            int end = random.Below(3) == 0 ? offset + random.Below(12_000) : bytes.Length;
            memory.End = Math.Min(end, bytes.Length);
            byte[] expected = [.. bytes];
            ulong before = mask;
            ulong address = Base + (ulong)offset;
            Span<byte> accessible = expected.AsSpan(offset, Math.Max(0, memory.End - offset));
            Fault one = Instructions.Execute(flat, encoding, accessible, address, ecx: 0, ref before);
            Fault other = Instructions.Execute(paged, encoding, memory, address, ecx: 0, ref mask);

            Assert.Equal(one, other);
            Assert.Equal(expected, memory.Joined());
            Assert.True(flat.HasSameContentAs(paged), $"{instruction} at {offset}");
            _ = one.IsFault ? faults++ : completed++;
        }

        Assert.InRange(faults, 400, 3_600);
        Assert.InRange(completed, 400, 3_600);
    }

    [Fact]
    public void What_faults_before_memory_touches_none()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get("amd-zen4"));
        Scattered memory = new(new byte[Pages * PageLength]);
        ulong all = ulong.MaxValue;
        InstructionEncoding xsave = new(StateInstruction.Xsave, XsaveOperand.Rex64, ModRmOffset: 0);

        Assert.Equal(Fault.GeneralProtection, Instructions.Execute(cpu, xsave, memory, Base + 8, ecx: 0, ref all));
        Assert.Empty(memory.Asked);
    }

    [Fact]
    public void A_save_asks_for_no_page_that_it_does_not_reach()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get("amd-zen4"));
        Scattered memory = new(new byte[Pages * PageLength]);
        ulong legacy = 3;
        InstructionEncoding xsave = new(StateInstruction.Xsave, XsaveOperand.Rex64, ModRmOffset: 0);

        // 576 bytes from 3,520 on end with the page.
        Assert.Equal(Fault.None, Instructions.Execute(cpu, xsave, memory, Base + 3_520, ecx: 0, ref legacy));
        Assert.All(memory.Asked, page => Assert.Equal(0, page.Number));
        memory.Asked.Clear();
        Assert.Equal(Fault.None, Instructions.Execute(cpu, xsave, memory, Base + 3_584, ecx: 0, ref legacy));
        Assert.Equal([0, 1], memory.Asked.Select(page => page.Number).Distinct());
    }

    [Fact]
    public void A_restore_writes_no_page()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get("intel-sapphire-rapids"));
        Scattered memory = new(new byte[Pages * PageLength]);
        ulong all = ulong.MaxValue;
        InstructionEncoding xrstor = new(StateInstruction.Xrstor, XsaveOperand.Rex64, ModRmOffset: 0);

        Assert.Equal(Fault.None, Instructions.Execute(cpu, xrstor, memory, Base + 3_968, ecx: 0, ref all));
        Assert.True(memory.Asked.Count > 1);
        Assert.All(memory.Asked, page => Assert.False(page.Write));
    }

    [Fact]
    public void A_page_that_cannot_be_written_faults_where_it_begins_and_nothing_is_written()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get("amd-zen4"));
        Scattered memory = new(new byte[Pages * PageLength]) { ReadOnlyPage = 1 };
        ulong all = ulong.MaxValue;
        InstructionEncoding xsave = new(StateInstruction.Xsave, XsaveOperand.Rex64, ModRmOffset: 0);

        Fault fault = Instructions.Execute(cpu, xsave, memory, Base + 3_968, ecx: 0, ref all);
        Assert.Equal((FaultVector.PageFault, Base + PageLength), (fault.Vector, fault.Address));
        Assert.Equal(-1, memory.Joined().AsSpan().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Registers_come_back_from_instructions_without_memory()
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get("amd-zen4"));
        ulong value = 0x5555_5554;
        Assert.Equal(Fault.None,
            Instructions.Execute(cpu, new InstructionEncoding(StateInstruction.Wrpkru, XsaveOperand.Legacy, 0), [], 0, ecx: 0, ref value));
        value = 7;
        Assert.Equal(Fault.None,
            Instructions.Execute(cpu, new InstructionEncoding(StateInstruction.Rdpkru, XsaveOperand.Legacy, 0), [], 0, ecx: 0, ref value));
        Assert.Equal(0x5555_5554UL, value);
        Assert.Equal(Fault.InvalidOpcode,
            Instructions.Execute(cpu, new InstructionEncoding(StateInstruction.None, XsaveOperand.Legacy, 0), [], 0, ecx: 0, ref value));
        Assert.Equal(0x5555_5554UL, value);
    }

    private static ProcessorState Processor(string profile, SplitMix64 random)
    {
        ProcessorState cpu = ProcessorState.ForUserProcess(ProcessorProfiles.Get(profile));
        cpu.Cpl = random.Below(2) * 3;
        for (int i = 0; i < 16; i++)
        {
            byte[] value = new byte[32];
            random.Fill(value);
            cpu.Registers.Vectors.WriteExtended(i, value);
        }

        cpu.Registers.Pkru = new Pkru(random.Below(2) == 0 ? 0 : (uint)random.Next() & ~3u);
        return cpu;
    }

    // What a processor of the profile saved there, or noise.
    private static byte[] Image(string profile, SplitMix64 random, int offset)
    {
        byte[] bytes = new byte[Pages * PageLength];
        if (random.Below(4) == 0)
        {
            random.Fill(bytes);
            return bytes;
        }

        ulong all = ulong.MaxValue;
        StateInstruction save = random.Below(2) == 0 ? StateInstruction.Xsave : StateInstruction.Xsavec;
        Instructions.Execute(Processor(profile, random), new InstructionEncoding(save, XsaveOperand.Rex64, 0), bytes.AsSpan(offset & ~63),
            Base, ecx: 0, ref all);
        return bytes;
    }

    // Pages in an order of their own.
    private sealed class Scattered : IGuestMemory
    {
        private readonly byte[][] _pages;

        public Scattered(byte[] bytes)
        {
            _pages = [.. bytes.Chunk(PageLength)];
            End = bytes.Length;
        }

        public List<(int Number, bool Write)> Asked { get; } = [];

        public int End { get; set; }

        public int? ReadOnlyPage { get; init; }

        public Span<byte> Access(ulong address, bool write)
        {
            int at = (int)(address - Base);
            int page = at / PageLength;
            Asked.Add((page, write));
            return at >= End || (write && page == ReadOnlyPage)
                ? [] : _pages[page].AsSpan(at % PageLength, Math.Min(PageLength - (at % PageLength), End - at));
        }

        public byte[] Joined() => [.. _pages.SelectMany(page => page)];
    }
}
