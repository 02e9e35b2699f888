namespace Xstate.WorldSwitch;

/// <summary>
/// One protocol on a machine with a number of vCPUs and processors: what can happen in a state, and which states are the same but for
/// names.
/// </summary>
internal sealed class Machine
{
    private readonly ProtocolStep[][] _steps;
    private readonly EventRule[] _events;
    private readonly HostEvents _explored;

    public Machine(SwitchProtocol protocol, int vcpus, int cpus, HostEvents events, bool reduced)
    {
        Protocol = protocol;
        Vcpus = vcpus;
        Cpus = cpus;
        Reduced = reduced;
        _explored = events;
        Slots = Math.Max(vcpus, cpus);
        _steps = [.. protocol.Locations.Select(location => location.Steps.Where(step => (step.Requires & ~events) == HostEvents.None)
            .ToArray())];
        _events = [.. protocol.Events.Where(rule => (rule.Event & ~events) == HostEvents.None)];
    }

    public SwitchProtocol Protocol { get; }

    public int Vcpus { get; }

    public int Cpus { get; }

    public int Slots { get; }

    /// <summary>States that differ only in numbers or in dead values are one, and independent steps are taken in one order.</summary>
    public bool Reduced { get; }

    /// <summary>The same machine, whose vCPUs and processors keep their numbers.</summary>
    public Machine WithoutReduction() => new(Protocol, Vcpus, Cpus, _explored, reduced: false);

    /// <summary>Every thread in user space, the first ones on a processor each.</summary>
    public MachineState Initial()
    {
        MachineState state = default;
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            state.SetCpu(cpu, CpuState.WithOtherTask);
        }

        for (int vcpu = 0; vcpu < Vcpus; vcpu++)
        {
            VcpuState thread = Protocol.InitialVcpu;
            if (vcpu < Cpus)
            {
                StepContext context = new(Protocol, thread, CpuState.WithOtherTask);
                Protocol.Resume(ref context);
                context.Vcpu.Cpu = vcpu;
                state.SetCpu(vcpu, context.Cpu);
                thread = context.Vcpu;
            }

            state.SetVcpu(vcpu, thread);
        }

        if (Reduced)
        {
            MakeCanonical(ref state);
        }

        return state;
    }

    /// <summary>Writes down everything that can happen in a state, always in the same order.</summary>
    public void Expand(in MachineState state, SuccessorList successors)
    {
        successors.Clear();
        int alone = Reduced ? FindClosedSection(state) : -1;
        for (int vcpu = 0; vcpu < Vcpus; vcpu++)
        {
            if (alone < 0 || vcpu == alone)
            {
                Expand(state, successors, vcpu);
            }
        }
    }

    private void Expand(in MachineState state, SuccessorList successors, int vcpu)
    {
        VcpuState thread = state.Vcpu(vcpu);
        int cpu = thread.Cpu;
        if (cpu < 0)
        {
            Resume(state, successors, vcpu, thread);
            return;
        }

        StepContext before = new(Protocol, thread, state.Cpu(cpu));
        ProtocolStep[] steps = _steps[thread.Location];
        for (int i = 0; i < steps.Length; i++)
        {
            StepContext after = before;
            if (steps[i].Effect(ref after))
            {
                if (steps[i].Next >= 0)
                {
                    after.Vcpu.Location = steps[i].Next;
                }

                Add(state, successors, vcpu, cpu, after, Choice.OfStep(vcpu, cpu, i));
            }
        }

        for (int i = 0; i < _events.Length; i++)
        {
            StepContext after = before;
            if (_events[i].Effect(ref after))
            {
                Add(state, successors, vcpu, cpu, after, Choice.OfEvent(vcpu, cpu, i));
            }
        }
    }

    /// <summary>
    /// The first thread in a section that the scheduler cannot enter: interrupts or GIF off, or the guest runs. Until it leaves the
    /// section, what happens on its processor neither depends on the other processors nor influences them, so the others wait for it, which
    /// saves the orders in which independent steps could be taken. A shortest trace loses nothing: steps of a section that it does not
    /// finish can be left out, and those of one that it finishes can be moved together.
    /// </summary>
    private int FindClosedSection(in MachineState state)
    {
        for (int vcpu = 0; vcpu < Vcpus; vcpu++)
        {
            int cpu = state.Vcpu(vcpu).Cpu;
            if (cpu >= 0 && state.Cpu(cpu).IsClosed)
            {
                return vcpu;
            }
        }

        return -1;
    }

    /// <summary>The step or event behind a choice made in a state.</summary>
    public (string Name, string Thought) Describe(in MachineState state, Choice choice)
    {
        if (choice.IsResume)
        {
            return ("scheduled in", "The scheduler runs the thread here: thread.pkru is loaded, host_pkru is read again.");
        }

        if (choice.IsEvent)
        {
            EventRule rule = _events[choice.Index];
            return (rule.Name, rule.Thought);
        }

        ProtocolStep step = _steps[state.Vcpu(choice.Vcpu).Location][choice.Index];
        return (step.Name, step.Thought);
    }

    /// <summary>The form in which a state is stored: dead values forgotten, vCPUs and processors renumbered.</summary>
    public void MakeCanonical(ref MachineState state)
    {
        for (int i = 0; i < Vcpus; i++)
        {
            VcpuState thread = state.Vcpu(i);
            Protocol.Forget(ref thread);
            state.SetVcpu(i, thread);
        }

        Renumber(ref state);
    }

    /// <summary>
    /// Renumbers vCPUs and processors so that states that differ in nothing but numbers become equal: threads that run come first, in the
    /// order of their bits, and take their processors with them; then the others, and the free processors, each in the order of their bits.
    /// </summary>
    private void Renumber(ref MachineState state)
    {
        if (Vcpus == 2 && Cpus == 2)
        {
            RenumberTwo(ref state);
            return;
        }

        MachineState running = default;
        MachineState waiting = default;
        int runs = 0;
        int waits = 0;
        uint used = 0;
        for (int i = 0; i < Vcpus; i++)
        {
            VcpuState vcpu = state.Vcpu(i);
            int cpu = vcpu.Cpu;
            if (cpu >= 0)
            {
                used |= 1u << cpu;
                Insert(ref running, runs++, vcpu.BitsWithoutCpu | (ulong)state.Cpu(cpu).Bits << VcpuState.BitCount);
            }
            else
            {
                Insert(ref waiting, waits++, vcpu.Bits);
            }
        }

        MachineState free = default;
        int frees = 0;
        for (int i = 0; i < Cpus; i++)
        {
            if ((used >> i & 1) == 0)
            {
                Insert(ref free, frees++, (ulong)state.Cpu(i).Bits << VcpuState.BitCount);
            }
        }

        for (int i = 0; i < runs; i++)
        {
            VcpuState vcpu = running.Vcpu(i);
            vcpu.Cpu = i;
            running.SetVcpu(i, vcpu);
        }

        for (int i = 0; i < waits; i++)
        {
            running[runs + i] = waiting[i];
        }

        for (int i = 0; i < frees; i++)
        {
            running[runs + i] |= free[i];
        }

        state = running;
    }

    /// <summary>The same for the machine that is explored most, without loops.</summary>
    private static void RenumberTwo(ref MachineState state)
    {
        VcpuState first = state.Vcpu(0);
        VcpuState second = state.Vcpu(1);
        int firstCpu = first.Cpu;
        int secondCpu = second.Cpu;
        ulong low;
        ulong high;
        if (firstCpu >= 0 && secondCpu >= 0)
        {
            low = first.BitsWithoutCpu | CpuBits(state, firstCpu);
            high = second.BitsWithoutCpu | CpuBits(state, secondCpu);
            state[0] = Math.Min(low, high) | VcpuState.CpuField(0);
            state[1] = Math.Max(low, high) | VcpuState.CpuField(1);
        }
        else if (firstCpu < 0 && secondCpu < 0)
        {
            low = CpuBits(state, 0);
            high = CpuBits(state, 1);
            state[0] = Math.Min(first.Bits, second.Bits) | Math.Min(low, high);
            state[1] = Math.Max(first.Bits, second.Bits) | Math.Max(low, high);
        }
        else
        {
            (VcpuState running, VcpuState waiting) = firstCpu >= 0 ? (first, second) : (second, first);
            low = CpuBits(state, running.Cpu);
            high = CpuBits(state, 1 - running.Cpu);
            state[0] = running.BitsWithoutCpu | VcpuState.CpuField(0) | low;
            state[1] = waiting.Bits | high;
        }
    }

    private static ulong CpuBits(in MachineState state, int cpu) => (ulong)state.Cpu(cpu).Bits << VcpuState.BitCount;

    private static void Insert(ref MachineState sorted, int count, ulong value)
    {
        int at = count;
        while (at > 0 && sorted[at - 1] > value)
        {
            sorted[at] = sorted[at - 1];
            at--;
        }

        sorted[at] = value;
    }

    private void Resume(in MachineState state, SuccessorList successors, int vcpu, VcpuState thread)
    {
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            CpuState processor = state.Cpu(cpu);
            if (processor.World != World.OtherTask)
            {
                continue;
            }

            StepContext after = new(Protocol, thread, processor);
            if (Protocol.Resume(ref after))
            {
                after.Vcpu.Cpu = cpu;
                Add(state, successors, vcpu, cpu, after, Choice.OfResume(vcpu, cpu));
            }
        }
    }

    private void Add(in MachineState state, SuccessorList successors, int vcpu, int cpu, in StepContext after, Choice choice)
    {
        ref MachineState next = ref successors.Add(choice, after.Violated);
        next = state;
        VcpuState thread = after.Vcpu;
        if (Reduced)
        {
            Protocol.Forget(ref thread);
        }

        next.SetVcpu(vcpu, thread);
        next.SetCpu(cpu, after.Cpu);
        if (Reduced)
        {
            Renumber(ref next);
        }
    }
}

/// <summary>Which of the things that could happen in a state did: who, where, and the number of the step or event.</summary>
internal readonly record struct Choice(uint Bits)
{
    private const uint EventFlag = 1 << 16;
    private const uint ResumeFlag = 1 << 17;

    public int Vcpu => (int)(Bits >> 12 & 0xF);

    public int Cpu => (int)(Bits >> 8 & 0xF);

    public int Index => (int)(Bits & 0xFF);

    public bool IsEvent => (Bits & EventFlag) != 0;

    public bool IsResume => (Bits & ResumeFlag) != 0;

    public static Choice OfStep(int vcpu, int cpu, int index) => new((uint)(vcpu << 12 | cpu << 8 | index));

    public static Choice OfEvent(int vcpu, int cpu, int index) => new((uint)(vcpu << 12 | cpu << 8 | index) | EventFlag);

    public static Choice OfResume(int vcpu, int cpu) => new((uint)(vcpu << 12 | cpu << 8) | ResumeFlag);
}

/// <summary>The successors of one state; one list per worker is filled again and again.</summary>
internal sealed class SuccessorList
{
    private MachineState[] _states = new MachineState[64];
    private Choice[] _choices = new Choice[64];
    private InvariantSet[] _violated = new InvariantSet[64];

    public int Count { get; private set; }

    public void Clear() => Count = 0;

    public ref readonly MachineState State(int index) => ref _states[index];

    public Choice Choice(int index) => _choices[index];

    public InvariantSet Violated(int index) => _violated[index];

    /// <summary>Appends an entry and returns the place of its state.</summary>
    public ref MachineState Add(Choice choice, InvariantSet violated)
    {
        if (Count == _states.Length)
        {
            Array.Resize(ref _states, Count * 2);
            Array.Resize(ref _choices, Count * 2);
            Array.Resize(ref _violated, Count * 2);
        }

        _choices[Count] = choice;
        _violated[Count] = violated;
        return ref _states[Count++];
    }
}
