using System.Collections.Immutable;

namespace Xstate.Cli.Help;

/// <summary>The guide of each verb: the one source of the examples and exit codes in --help and in the manual pages.</summary>
internal static class VerbGuides
{
    private const string Leaked = "samples/captures/leaked-pkru.json";
    private const string Crossing = "samples/captures/intel-for-amd.json";
    private const string Skylake = "samples/hosts/intel-skylake-sp.json";
    private const string Genoa = "samples/hosts/amd-genoa.json";

    /// <summary>All guides, in the order of the verbs.</summary>
    public static ImmutableArray<VerbGuide> All { get; } =
    [
        new("show",
        [
            new($"show {Leaked}", "every component and register of a state"),
            new("show samples/captures/live-avx512.json -r zmm5,mxcsr --as f32", "two registers, the vector as floats"),
            new($"show {Leaked} --draw --on {Skylake}@linux-6.1.40", "the area to scale, and what the host does not take of it"),
            new("show --pid $$", "a running process, here the shell"),
        ], []),
        new("check",
        [
            new($"check {Leaked} --on {Skylake}@linux-6.1.40", "does it load there, and what would the guest see"),
            new($"check {Leaked} --on {Skylake}@5.14.0-427.13.1.el9_4.x86_64", "the same on a distribution's kernel"),
            new($"check {Leaked} --on {Skylake} {Genoa} --kernel linux-6.12 --json", "two hosts, for a program"),
        ],
        [(ExitCode.Findings, "A verdict is not same (nor one that --accept names).")]),
        new("fix",
        [
            new($"fix {Crossing} --on {Genoa}@linux-6.12 -o amd.json", "write what loads there; amd.json.undo gives the original back"),
            new("fix amd.json --undo -o original.json", "take the repair back, bit for bit"),
        ],
        [(ExitCode.Findings, "There is no repair, or one that loses state.")]),
        new("convert",
        [
            new($"convert {Crossing} --to kvm_xsave -o area.bin", "the bytes that KVM_SET_XSAVE takes"),
            new($"convert {Crossing} --to kvm_xsave --relocate {Genoa} -o amd.bin", "the same at AMD's offsets"),
        ],
        [(ExitCode.Findings, "The format cannot hold all of the state.")]),
        new("diff",
        [
            new($"diff {Leaked} {Crossing}", "what a program would see differently"),
        ],
        [(ExitCode.Findings, "The states differ.")]),
        new("set",
        [
            new($"set {Leaked} st0=3.14 mxcsr=+ftz pkru=key1:ro -o out.json", "registers by name and flag, every other byte kept"),
        ],
        [(ExitCode.Findings, "A register did not take its value.")]),
        new("lint",
        [
            new($"lint {Genoa}", "does this CPUID contradict itself"),
            new("lint local --kvm", "the CPUID that this machine's KVM supports"),
        ],
        [(ExitCode.Findings, "A finding has severity error.")]),
        new("make-cpuid",
        [
            new($"make-cpuid {Genoa} --components avx,pkru --to kvm_cpuid2 -o guest.bin", "a guest without AVX-512 on that host"),
        ],
        [(ExitCode.Findings, "The base does not have what was asked for.")]),
        new("pool",
        [
            new("pool samples/hosts/*.json --kernel linux-6.12", "which guest can go where, and what each host costs"),
            new($"pool {Skylake}@linux-6.1.40 {Genoa}@linux-6.12 --captures samples/captures/*.json --json",
                "where each of these VMs can go, for a program"),
            new("pool samples/hosts/*.json --kernel linux-6.12 --captures samples/captures/*.json --shard 0/4 -o 0.part",
                "the first of four shares, for pool --merge"),
        ],
        []),
        new("report",
        [
            new($"report {Crossing} --on {Genoa}@linux-6.12 -o page.html", "what is in a state, and how a repair moves it, as a page"),
            new("report samples/captures/*.json --on samples/hosts/*.json --kernel linux-6.12 --pool -o pool.html",
                "the same of many, and the pool of the hosts as a heat map"),
            new("report --explore kvm-vmx-5.8 -o switch.html", "the shortest sequences that break an invariant, drawn"),
            new("explore kvm-vmx-5.8 --json | xstate report --from - -o switch.html", "a page from any verb's answer"),
        ], []),
        new("host",
        [
            new("host --name host-a -o -", "a record of this machine, to standard output"),
            new("host --probe -o host-a.json", "the same with this kernel's behaviours as measured"),
        ],
        [(ExitCode.MachineRefused, "KVM could not be probed; the record is written and says why.")]),
        new("explore",
        [
            new("explore --list", "the protocols"),
            new("explore kvm-vmx-5.0 --trace text", "the shortest interleaving that breaks an invariant"),
        ],
        [(ExitCode.Findings, "An invariant can be broken.")]),
        new("run",
        [
            new("run samples/scenarios/case-5-trim.json --backend model --host samples/hosts/intel-haswell.json@linux-6.1.40 --text",
                "a script of calls on a modelled host"),
        ], []),
        new("serve",
        [
            new("serve -- --hosts records/ --vms vms.jsonl --tls-cert tls.crt --tls-key tls.key", "until SIGTERM; see docs/server.md"),
        ],
        [(ExitCode.MachineRefused, "xstate-server is not installed beside xstate.")]),
        new("conform",
        [
            new("conform --seconds 5", "random calls on this kernel and on the model"),
        ],
        [(ExitCode.Findings, "The model and the kernel disagree; a reproducer is printed.")]),
        new("rules",
        [
            new("rules XS0101", "what a finding means"),
            new("rules \"Bad FPU state detected\"", "the rules behind an error's words"),
            new("rules --kernel 6.1.0-47-amd64", "how a kernel's name is read, and its behaviours"),
        ], []),
        new("docs",
        [
            new("docs -o site", "every rule, kernel, component, format and verb, with a search; open site/index.html"),
        ], []),
    ];

    /// <summary>The guide of a verb, or null.</summary>
    public static VerbGuide? Of(string verb) => All.FirstOrDefault(guide => guide.Verb == verb);
}
