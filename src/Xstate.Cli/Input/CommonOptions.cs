using System.CommandLine;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Cli.Input;

/// <summary>Options that several verbs share. Each verb gets objects of its own, because a parsed option belongs to one command.</summary>
internal sealed class CommonOptions
{
    public Option<bool> Json { get; } = new("--json") { Description = "Print the stable JSON answer instead of text." };

    public Option<string?> Format { get; } = new("--format") { Description = "Read FILE as this format instead of recognising it." };

    public Option<string?> GuestCpuid { get; } =
        new("--guest-cpuid") { Description = "CPUID that the guest sees (any CPUID artifact or host record)." };

    public Option<string?> CpuTemplate { get; } =
        new("--cpu-template") { Description = "Firecracker CPU template to apply to the guest's CPUID." };

    public Option<string?> Layout { get; } = new("--layout") { Description = "CPUID of the processor that wrote the image." };

    public Option<string?> Xcr0 { get; } = new("--xcr0") { Description = "XCR0 at capture: a mask, or a kvm_xcrs file." };

    public Option<string?> Xss { get; } = new("--xss") { Description = "IA32_XSS at capture, as a mask." };

    public Option<string?> Xfd { get; } = new("--xfd") { Description = "IA32_XFD at capture, as a mask." };

    /// <summary>Adds the options that give a raw image its context.</summary>
    public void AddTo(Command command)
    {
        command.Add(Json);
        command.Add(Format);
        command.Add(GuestCpuid);
        command.Add(CpuTemplate);
        command.Add(Layout);
        command.Add(Xcr0);
        command.Add(Xss);
        command.Add(Xfd);
    }

    /// <summary>What the command line says about every state, as texts in a fixed order.</summary>
    public IEnumerable<string> GivenTexts(ParseResult parsed) =>
        new[] { Format, GuestCpuid, CpuTemplate, Layout, Xcr0, Xss, Xfd }.Select(option => parsed.GetValue(option) ?? "");

    /// <summary>Reads a mask, in hexadecimal with 0x or in decimal.</summary>
    public static ulong ParseNumber(string text, string option)
    {
        bool ok = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return ok ? value : throw new UsageException($"{option} takes a number such as 0x2e7, not '{text}'");
    }

    /// <summary>Reads a value of PKRU, which has 32 bits.</summary>
    public static uint ParsePkru(string text, string option) =>
        ParseNumber(text, option) is <= uint.MaxValue and var value
        ? (uint)value : throw new UsageException($"{option} takes a value of 32 bits, not {text}");

    /// <summary>Reads a mask of components.</summary>
    public static StateComponentSet ParseSet(string text, string option) => new(ParseNumber(text, option));
}
