using System.Text;

namespace Xstate.Tests.Artifacts;

/// <summary>Small artifacts of every CPU model format, written for these tests after the formats' documentation.</summary>
internal static class CpuModelSamples
{
    public const string Libcpuid =
        """
        basic_cpuid[0]=0000000d 68747541 444d4163 69746e65
        basic_cpuid[1]=00a10f11 00020800 7efa320b 178bfbff
        basic_cpuid[4]=00000000 00000000 00000000 00000000
        basic_cpuid[13]=000002e7 00000988 00000988 00000000
        basic_cpuid[14]=000002e7 00000988 00000988 00000000
        ext_cpuid[0]=80000001 68747541 444d4163 69746e65
        ext_cpuid[1]=00a10f11 40000000 75c237ff 2fd3fbff
        intel_fn4[0]=00000000 00000000 00000000 00000000
        intel_fn4[1]=00000122 01c0003f 0000003f 00000000
        --------------------------------------------------------------------------------
        x86
        AMD EPYC

        """;

    public const string ProcCpuinfo =
        """
        processor	: 0
        vendor_id	: GenuineIntel
        model name	: A processor
        flags		: fpu sse xsave avx avx512f pku ospke
        bugs		:

        processor	: 1
        vendor_id	: GenuineIntel
        model name	: A processor
        flags		: fpu sse xsave avx avx512f pku ospke

        """;

    public const string Cpudata =
        """
        <!-- A processor -->
        <cpudata arch='x86'>
          <cpuid eax_in='0x00000000' ecx_in='0x00' eax='0x00000010' ebx='0x68747541' ecx='0x444d4163' edx='0x69746e65'/>
          <cpuid eax_in='0x00000001' ecx_in='0x00' eax='0x00830f10' ebx='0x31400800' ecx='0x7ed8320b' edx='0x178bfbff'/>
          <cpuid eax_in='0x0000000d' ecx_in='0x00' eax='0x00000207' ebx='0x00000340' ecx='0x00000380' edx='0x00000000'/>
          <cpuid eax_in='0x0000000d' ecx_in='0x01' eax='0x0000000f' ebx='0x00000340' ecx='0x00000000' edx='0x00000000'/>
          <cpuid eax_in='0x0000000d' ecx_in='0x02' eax='0x00000100' ebx='0x00000240' ecx='0x00000000' edx='0x00000000'/>
          <cpuid eax_in='0x0000000d' ecx_in='0x09' eax='0x00000040' ebx='0x00000340' ecx='0x00000000' edx='0x00000000'/>
          <msr index='0x10a' edx='0x00000000' eax='0x00000069'/>
        </cpudata>

        """;

    public const string DomainCapabilities =
        """
        <domainCapabilities>
          <path>/usr/bin/qemu-system-x86_64</path>
          <domain>kvm</domain>
          <os supported='yes'><enum name='firmware'/></os>
          <cpu>
            <mode name='host-passthrough' supported='yes'>
              <enum name='hostPassthroughMigratable'><value>on</value></enum>
            </mode>
            <mode name='host-model' supported='yes'>
              <model fallback='forbid'>Skylake-Server</model>
              <vendor>Intel</vendor>
              <maxphysaddr mode='passthrough' limit='46'/>
              <feature policy='require' name='xsave'/>
              <feature policy='require' name='pku'/>
              <feature policy='disable' name='avx512f'/>
              <feature policy='optional' name='mpx'/>
            </mode>
            <mode name='custom' supported='yes'>
              <model usable='yes' vendor='unknown'>486</model>
              <model usable='no' vendor='Intel' canonical='Broadwell-v1'>Broadwell</model>
              <blockers model='Broadwell'>
                <feature name='avx'/>
                <feature name='hle'/>
              </blockers>
            </mode>
          </cpu>
          <devices/>
        </domainCapabilities>

        """;

    public const string CpuMap =
        """
        <cpus>
          <vendor name='Intel' string='GenuineIntel'/>
          <feature name='pni'>
            <alias name='sse3' source='qemu'/>
            <cpuid eax_in='0x00000001' ecx='0x00000001'/>
          </feature>
          <feature name='mpx'>
            <cpuid eax_in='0x00000007' ecx_in='0x00000000' ebx='0x00004000'/>
          </feature>
          <feature name='rdctl-no'>
            <msr index='0x10a' edx='0x00000000' eax='0x00000001'/>
          </feature>
          <model name='Old'>
            <check partial='compat'/>
            <signature family='6' model='94'/>
            <vendor name='Intel'/>
            <feature name='fpu'/>
            <feature name='sse'/>
            <feature name='xsave'/>
            <feature name='avx'/>
            <feature name='vmx-ept' added='yes'/>
            <feature name='mpx' removed='yes'/>
          </model>
          <model name='Old-v1'>
            <model name='Old'/>
          </model>
          <arch name='x86'>
            <group name='generic'><include filename='x86_486.xml'/></group>
          </arch>
        </cpus>

        """;

    public const string Expansion =
        """
        {"QMP": {"version": {"qemu": {"micro": 2, "minor": 1, "major": 9}, "package": ""}, "capabilities": ["oob"]}}
        {"return": {}}
        {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}
        {"return": {"model": {"name": "base", "props": {"xsave": true, "avx": true, "avx512f": false, "pku": true, "vendor": "GenuineIntel", "family": 6, "tsc-frequency": 0}}}, "id": "expansion"}
        {"return": [{"name": "486", "typename": "486-x86_64-cpu", "unavailable-features": [], "static": false}, {"name": "Broadwell", "typename": "Broadwell-x86_64-cpu", "unavailable-features": ["avx", "avx", "hle"]}]}

        """;

    public const string Template =
        """
        {
          "kvm_capabilities": ["!56"],
          "cpuid_modifiers": [
            {"leaf": "0xd", "subleaf": "0x0", "flags": 1, "modifiers": [{"register": "eax", "bitmap": "0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx"}]},
            {"leaf": "0x80000001", "subleaf": "0", "flags": 0, "modifiers": [{"register": "ecx", "bitmap": "0b1_0x1"}, {"register": "edx", "bitmap": "0b0"}]}
          ],
          "msr_modifiers": [{"addr": "0x10a", "bitmap": "0b00000000000000000000000000000000000xxx0x0000x0x0xxx0000xxxxxxxxx"}]
        }

        """;

    /// <summary>A fingerprint of the answers of a dump.</summary>
    public static string Fingerprint(params (uint Leaf, uint Subleaf, uint[] Registers)[] answers)
    {
        string[] names = ["eax", "ebx", "ecx", "edx"];
        StringBuilder text = new(
            "{\"firecracker_version\": \"1.16.0-dev\", \"kernel_version\": \"6.1.172-216.329.amzn2023.x86_64\", \"microcode_version\": "
            + "\"0x1\", \"guest_cpu_config\": {\"cpuid_modifiers\": [");
        text.AppendJoin(", ", answers.Select(answer =>
            $"{{\"leaf\": \"0x{answer.Leaf:x}\", \"subleaf\": \"0x{answer.Subleaf:x}\", \"flags\": 0, \"modifiers\": ["
            + string.Join(", ", answer.Registers.Select((value, i) => $"{{\"register\": \"{names[i]}\", \"bitmap\": \"0b{value:b32}\"}}"))
            + "]}"));
        return text.Append("], \"msr_modifiers\": []}}\n").ToString();
    }

    /// <summary>A fingerprint of a small processor.</summary>
    public static string SmallFingerprint => Fingerprint(
        (0, 0, [0xD, 0x756E6547, 0x6C65746E, 0x49656E69]), (1, 0, [0x50654, 0, 0x1C00_0000, 0x0200_0001]), (0xD, 0, [7, 0x340, 0x340, 0]),
        (0xD, 1, [0xF, 0x340, 0, 0]), (0xD, 2, [0x100, 0x240, 0, 0]));
}
