using System.Collections.Frozen;
using Xstate.Architecture;

namespace Xstate.Cli.Site;

/// <summary>What each component holds, for people.</summary>
internal static class ComponentNotes
{
    private static readonly FrozenDictionary<StateComponent, string> Texts = new Dictionary<StateComponent, string>
    {
        [StateComponent.X87] = "The x87 registers st0 to st7, which are the MMX registers too, with the control, status and tag words "
            + "and the addresses of the last instruction and operand. In the first 512 bytes of the area.",
        [StateComponent.Sse] = "xmm0 to xmm15. In the first 512 bytes of the area, as MXCSR is, which belongs to AVX too.",
        [StateComponent.Avx] = "The upper halves of ymm0 to ymm15.",
        [StateComponent.BndRegs] = "The bounds registers bnd0 to bnd3 of MPX.",
        [StateComponent.BndCsr] = "BNDCFGU and BNDSTATUS of MPX.",
        [StateComponent.Opmask] = "The mask registers k0 to k7 of AVX-512.",
        [StateComponent.ZmmHi256] = "The upper halves of zmm0 to zmm15.",
        [StateComponent.Hi16Zmm] = "zmm16 to zmm31, whole.",
        [StateComponent.Pt] = "The MSRs of Intel's processor trace.",
        [StateComponent.Pkru] = "The rights of the 16 protection keys of user pages. Its initial value 0 allows everything; Linux starts a "
            + "thread with 0x55555554.",
        [StateComponent.Pasid] = "The MSR that tags a thread's commands to devices (ENQCMD).",
        [StateComponent.CetU] = "The MSRs of user shadow stacks and indirect branch tracking: U_CET and PL3_SSP.",
        [StateComponent.CetS] = "The shadow stack pointers of supervisor levels: PL0_SSP to PL2_SSP.",
        [StateComponent.Hdc] = "The MSR of hardware duty cycling.",
        [StateComponent.Uintr] = "The MSRs of user interrupts.",
        [StateComponent.Lbr] = "The MSRs of architectural last branch records.",
        [StateComponent.Hwp] = "The MSR with the request for a performance level.",
        [StateComponent.TileCfg] = "TILECFG of AMX: the shapes of the tiles.",
        [StateComponent.TileData] = "The eight tiles of AMX, 1 KiB each. Off until the process, or for a guest its VMM, asks for "
            + "permission; IA32_XFD disables it until its first use.",
        [StateComponent.Apx] = "The general registers r16 to r31 of APX. In the standard format it may lie where MPX was.",
        [StateComponent.Lwp] = "AMD's lightweight profiling, on processors of the past.",
    }.ToFrozenDictionary();

    /// <summary>What a component holds.</summary>
    public static string Of(StateComponent component) => Texts[component];
}
