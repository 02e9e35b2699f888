namespace Xstate.Linux.Kvm;

/// <summary>Numbers of the KVM requests (Documentation/virt/kvm/api.rst): direction, size of the argument, 0xAE, number.</summary>
internal static class KvmRequest
{
    internal const uint GetApiVersion = 0xAE00;
    internal const uint CreateVm = 0xAE01;
    internal const uint CheckExtension = 0xAE03;
    internal const uint GetVcpuMmapSize = 0xAE04;
    internal const uint CreateVcpu = 0xAE41;
    internal const uint SetUserMemoryRegion = 0x4020AE46;
    internal const uint SetTssAddress = 0xAE47;
    internal const uint CreateInterruptController = 0xAE60;
    internal const uint Run = 0xAE80;
    internal const uint GetRegs = 0x8090AE81;
    internal const uint SetRegs = 0x4090AE82;
    internal const uint GetSregs = 0x8138AE83;
    internal const uint SetSregs = 0x4138AE84;
    internal const uint GetMsrs = 0xC008AE88;
    internal const uint SetMsrs = 0x4008AE89;
    internal const uint GetFpu = 0x81A0AE8C;
    internal const uint SetFpu = 0x41A0AE8D;
    internal const uint SetCpuid2 = 0x4008AE90;
    internal const uint GetCpuid2 = 0xC008AE91;
    internal const uint GetMpState = 0x8004AE98;
    internal const uint SetMpState = 0x4004AE99;
    internal const uint GetVcpuEvents = 0x8040AE9F;
    internal const uint SetVcpuEvents = 0x4040AEA0;
    internal const uint GetXsave = 0x9000AEA4;
    internal const uint SetXsave = 0x5000AEA5;
    internal const uint GetXcrs = 0x8188AEA6;
    internal const uint SetXcrs = 0x4188AEA7;
    internal const uint GetOneRegister = 0x4010AEAB;
    internal const uint SetOneRegister = 0x4010AEAC;
    internal const uint GetRegisterList = 0xC008AEB0;
    internal const uint GetXsave2 = 0x9000AECF;
    internal const uint GetSupportedCpuid = 0xC008AE05;
    internal const uint GetDeviceAttribute = 0x4018AEE2;
}
