using System.Collections.Frozen;
using System.CommandLine;

namespace Xstate.Cli.Help;

/// <summary>What the value of each option is called in help, manual pages and completion: the word that the README uses.</summary>
internal static class ValueNames
{
    private static readonly FrozenDictionary<string, string> ByOption = new Dictionary<string, string>
    {
        ["--accept"] = "VERDICT",
        ["--as"] = "FORM",
        ["--backend"] = "BACKEND",
        ["--budget"] = "N",
        ["--captures"] = "FILE",
        ["--captures-from"] = "FILE",
        ["--components"] = "LIST",
        ["--count"] = "N",
        ["--cpu-cap"] = "LIST",
        ["--guest-cpu"] = "POLICY",
        ["--cpu-map"] = "DIR",
        ["--cpu-template"] = "FILE",
        ["--cpuid"] = "FILE",
        ["--cpus"] = "N",
        ["--criu"] = "X.Y",
        ["--emit"] = "FORM",
        ["--events"] = "N",
        ["--explore"] = "PROTOCOL",
        ["--files-from"] = "FILE",
        ["--format"] = "FORMAT",
        ["--from"] = "FILE",
        ["--guest"] = "SYSTEM",
        ["--guest-cpuid"] = "FILE",
        ["--host"] = "HOST",
        ["--host-layout"] = "FILE",
        ["--kernel"] = "KERNEL",
        ["--layout"] = "FILE",
        ["--max-states"] = "N",
        ["--max-unpacked"] = "SIZE",
        ["--merge"] = "PART",
        ["--name"] = "NAME",
        ["--on"] = "HOST",
        ["--output"] = "OUT",
        ["--protected"] = "KIND",
        ["--register"] = "NAME",
        ["--relocate"] = "FILE",
        ["--require"] = "FACT",
        ["--seconds"] = "N",
        ["--seed"] = "N",
        ["--shard"] = "I/N",
        ["--supported"] = "FILE",
        ["--tid"] = "N",
        ["--to"] = "FORMAT",
        ["--trace"] = "FORM",
        ["--undo"] = "FILE",
        ["--upgrade-to"] = "KERNEL",
        ["--vcpu"] = "N",
        ["--vcpu-pkru"] = "MASK",
        ["--vcpu-state"] = "FILE",
        ["--vcpus"] = "N",
        ["--view"] = "VIEW",
        ["--vmm"] = "VMM",
        ["--vms"] = "FILE",
        ["--with"] = "LIST",
        ["--without"] = "LIST",
        ["--xcr0"] = "MASK|FILE",
        ["--xfam"] = "MASK",
        ["--xfd"] = "MASK",
        ["--xss"] = "MASK",
    }.ToFrozenDictionary();

    /// <summary>Whether options of this name take a file, so that a shell completes file names.</summary>
    public static bool IsPath(Option option) => option.HelpName is { } name && name.Split('|')
        .Any(part => part is "FILE" or "HOST" or "OUT" or "DIR");

    /// <summary>Gives every option below a command that takes a value, and has no word for it yet, the word of the table.</summary>
    public static void AddTo(Command command)
    {
        foreach (Option option in command.Options.Where(TakesValue))
        {
            option.HelpName ??= ByOption.GetValueOrDefault(option.Name);
        }

        foreach (Command verb in command.Subcommands)
        {
            AddTo(verb);
        }
    }

    /// <summary>Whether an option takes a value.</summary>
    public static bool TakesValue(Option option) => option.Arity.MaximumNumberOfValues > 0 && option.ValueType != typeof(bool);
}
