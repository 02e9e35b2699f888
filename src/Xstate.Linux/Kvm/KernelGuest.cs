using System.Runtime.Versioning;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Scenarios;

namespace Xstate.Linux.Kvm;

/// <summary>
/// Runs guest code on a real virtual CPU: the same memory, tables and registers as the model's (<see cref="GuestLayout"/>), then KVM_RUN.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class KernelGuest
{
    // An access right byte of a segment in its parts: type 11 is code that was executed, 3 data that was written, 11 of a system segment a
    // busy TSS.
    private const byte CodeType = 11;
    private const byte DataType = 3;
    private const byte BusyTaskType = 11;
    private const uint WholeLimit = uint.MaxValue;
    private const ulong FlagsAlwaysSet = 2;
    private const ulong AllPortsAllowed = 3 << 12;
    private const byte NoDevice = 0xFF;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public static GuestReply Run(KvmVcpu vcpu, GuestMemory memory, GuestProgram program)
    {
        GuestLayout.Write(memory.Bytes, program);
        Errno errno = vcpu.TryGetSystemRegisters(out KvmSystemRegisters system);
        if (errno == Errno.None)
        {
            Prepare(system, program);
            errno = vcpu.TrySetSystemRegisters(system);
        }

        if (errno != Errno.None)
        {
            return new GuestReply(errno);
        }

        vcpu.SetRegisters(new KvmRegisters
        {
            Rip = GuestLayout.CodeAddress,
            Rsp = GuestLayout.StackTop,
            Rflags = FlagsAlwaysSet | (program.Cpl == 3 ? AllPortsAllowed : 0),
        });
        using RunLimit limit = new(Limit);
        KvmExit exit;
        int exits = 0;
        do
        {
            errno = RunOnce(vcpu, limit, out exit);
            if (errno != Errno.None)
            {
                return new GuestReply(errno);
            }

            exits++;
            if (exit.Reason == KvmExitReason.Io)
            {
                // The access ends inside the next KVM_RUN; with immediate_exit nothing else does.
                vcpu.FillPortData(NoDevice);
                vcpu.TryRunImmediateExit();
            }
        }
        while (exit.Reason == KvmExitReason.Io && exits < program.MaxExits);
        return Reply(vcpu, memory, program, exit);
    }

    private static Errno RunOnce(KvmVcpu vcpu, RunLimit limit, out KvmExit exit)
    {
        while (true)
        {
            Errno errno = vcpu.TryRun(immediateExit: false);
            if (errno != Errno.EINTR)
            {
                exit = vcpu.ReadExit();
                return errno;
            }

            // With interrupt controllers in the kernel HLT waits there and is no exit.
            exit = new KvmExit(KvmExitReason.Halt);
            if (vcpu.GetMpState() == KvmMpState.Halted || limit.IsOver)
            {
                return vcpu.GetMpState() == KvmMpState.Halted ? Errno.None : errno;
            }
        }
    }

    private static GuestReply Reply(KvmVcpu vcpu, GuestMemory memory, GuestProgram program, KvmExit exit)
    {
        KvmRegisters registers = vcpu.GetRegisters();
        string? kind = exit.Reason switch
        {
            KvmExitReason.Halt => GuestExit.Halted,
            KvmExitReason.Io => GuestExit.PortAccess,
            KvmExitReason.Shutdown => GuestExit.TripleFault,
            KvmExitReason.InternalError => GuestExit.HypervisorError,
            _ => null,
        };
        if (kind is null)
        {
            return GuestReply.NotHere(GuestReply.UnnamedExit((int)exit.Reason));
        }

        bool halted = exit.Reason == KvmExitReason.Halt;
        return new GuestReply(Errno.None)
        {
            Memory = memory.Bytes.ToArray(),
            Exit = new GuestExit(kind)
            {
                Fault = halted ? GuestLayout.FaultAt(memory.Bytes, program.Mode, registers.Rip, registers.Rsp) : null,

                // What a triple fault leaves is the hypervisor's own reset on SVM and the last values on VMX.
                Registers = exit.Reason == KvmExitReason.Shutdown ? null : (registers.Rax, registers.Rbx, registers.Rcx, registers.Rdx),
            },
        };
    }

    private static void Prepare(KvmSystemRegisters system, GuestProgram program)
    {
        (system.Cr0, system.Cr3, system.Cr4, system.Efer) =
            GuestLayout.StartRegisters(program.Mode, system.Cr0, system.Cr3, system.Cr4, system.Efer);
        bool real = program.Mode == GuestMode.Real;
        byte level = (byte)program.Cpl;
        KvmSegment code = new(0, real ? 0xFFFF : WholeLimit, real ? (ushort)0 : level == 3 ? GuestLayout.UserCode : GuestLayout.KernelCode,
            CodeType)
        {
            IsPresent = true,
            IsCodeOrData = true,
            IsLong = !real,
            HasPageGranularity = !real,
            Dpl = level,
        };
        KvmSegment data = code with
        {
            Selector = real ? (ushort)0 : level == 3 ? GuestLayout.UserData : GuestLayout.KernelData,
            Type = DataType,
            IsLong = false,
            IsDefault32 = !real,
        };
        system[KvmSegmentName.Cs] = code;
        foreach (KvmSegmentName name in (ReadOnlySpan<KvmSegmentName>)[KvmSegmentName.Ds, KvmSegmentName.Es, KvmSegmentName.Fs,
            KvmSegmentName.Gs, KvmSegmentName.Ss])
        {
            system[name] = data;
        }

        if (real)
        {
            system.InterruptTable = (0, GuestLayout.RealInterruptTableLimit);
            return;
        }

        system[KvmSegmentName.Tr] = new KvmSegment(GuestLayout.TaskStateAddress, GuestLayout.TaskStateLimit, GuestLayout.TaskState,
            BusyTaskType)
        { IsPresent = true };
        system[KvmSegmentName.Ldt] = new KvmSegment(0, 0, 0, 2) { IsUnusable = true };
        system.DescriptorTable = (GuestLayout.DescriptorTable, GuestLayout.DescriptorTableLimit);
        system.InterruptTable = (GuestLayout.InterruptTable, GuestLayout.InterruptTableLimit);
    }
}
