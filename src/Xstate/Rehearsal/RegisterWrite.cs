using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>One register that a thread was given, and what it has afterwards.</summary>
/// <param name="Register">Its name.</param>
/// <param name="Before">What it was.</param>
/// <param name="Asked">What was written.</param>
/// <param name="After">What reads back.</param>
internal sealed record WrittenRegister(string Register, string Before, string Asked, string After)
{
    /// <summary>Whether the write took effect.</summary>
    public bool IsTaken => Asked == After;
}

/// <summary>What became of a write of registers through ptrace.</summary>
/// <param name="Thread">The thread's id.</param>
/// <param name="Registers">The registers, in order; empty when the kernel refused.</param>
/// <param name="Refused">The call that the kernel refused, or null.</param>
/// <param name="Errno">The error of a refusal.</param>
/// <param name="Findings">What has to be said about it.</param>
internal sealed record WriteOutcome(int Thread, ImmutableArray<WrittenRegister> Registers, string? Refused, Errno Errno,
    ImmutableArray<Finding> Findings);

/// <summary>
/// Gives a stopped thread registers through PTRACE_SETREGSET and reads them back, because kernels exist that answer success and change
/// nothing.
/// </summary>
internal static class RegisterWrite
{
    /// <summary>Performs the write.</summary>
    /// <param name="thread">The stopped thread, real or modelled.</param>
    /// <param name="id">Its id.</param>
    /// <param name="layout">The processor's layout.</param>
    /// <param name="edits">The registers.</param>
    /// <param name="host">The host as a model, which explains what its kernel only answers; null when it is not known.</param>
    /// <exception cref="RegisterEditException">The processor has no such register.</exception>
    public static WriteOutcome Perform(IThreadRegsets thread, int id, Fact<XsaveLayout> layout, IReadOnlyCollection<RegisterEdit> edits,
        LinuxHost? host)
    {
        ArgumentNullException.ThrowIfNull(thread);
        ArgumentNullException.ThrowIfNull(edits);
        KernelReply read = thread.GetXstate(out byte[] before);
        if (!read.IsSuccess)
        {
            return Refuse(id, "PTRACE_GETREGSET NT_X86_XSTATE", read.Errno, []);
        }

        CapturedState had = StateOf(thread, id, before, layout);
        CapturedState asked = RegisterEdit.Apply(had, edits).Value;
        if (edits.Any(edit => !edit.Components.IsEmpty))
        {
            KernelReply written = thread.SetXstate(asked.Area.Span);
            if (!written.IsSuccess)
            {
                return Refuse(id, "PTRACE_SETREGSET NT_X86_XSTATE", written.Errno, Explain(id, asked, host));
            }
        }

        if (edits.Any(edit => edit.Components.IsEmpty)
            && thread.SetShadowStack(asked.Msrs[MsrNames.UserShadowStackPointer]) is { IsSuccess: false } refused)
        {
            return Refuse(id, "PTRACE_SETREGSET NT_X86_SHSTK", refused.Errno, []);
        }

        read = thread.GetXstate(out byte[] after);
        if (!read.IsSuccess)
        {
            return Refuse(id, "PTRACE_GETREGSET NT_X86_XSTATE", read.Errno, []);
        }

        // What a later edit of the same register asked for is what counts.
        CapturedState has = StateOf(thread, id, after, layout);
        ImmutableArray<WrittenRegister> registers =
            [.. edits.Select(edit => new WrittenRegister(edit.Register, edit.ReadFrom(had), edit.ReadFrom(asked), edit.ReadFrom(has)))
                .DistinctBy(register => register.Register)];
        IEnumerable<Finding> ignored = registers.Where(register => !register.IsTaken).Select(register => Ignored(id, register, host));
        return new WriteOutcome(id, registers, null, Errno.None, [.. ignored, .. DefaultKey.Check(has)]);
    }

    private static CapturedState StateOf(IThreadRegsets thread, int id, byte[] area, Fact<XsaveLayout> layout)
    {
        CapturedState state = new() { Id = id, Area = area, Layout = layout };
        return thread.GetShadowStack(out ulong pointer).IsSuccess
            ? state with { Msrs = state.Msrs.SetItem(MsrNames.UserShadowStackPointer, pointer) } : state;
    }

    private static WriteOutcome Refuse(int id, string request, Errno errno, ImmutableArray<Finding> findings) =>
        new(id, [], request, errno, findings);

    private static Finding Ignored(int id, WrittenRegister register, LinuxHost? host)
    {
        bool isPkru = register.Register == "pkru";
        KernelDifference info = KernelDifference.PtracePkruIgnored;
        string kernel = host is null ? "this kernel" : host.Behavior.Name;
        string cause = !isPkru ? "it answered success"
            : host?.Behavior.Knows(KernelDifference.PtracePkruIgnored) == Knowledge.Absent
                ? $"as one with {info.Id} would, though its release should not have it"
            : $"it has {info.Id}";
        return new Finding(isPkru ? Rules.TracerPkruIgnored : Rules.RegisterReadsBackOther, Severity.Error,
            $"{kernel} ignored the write of {register.Register}: {cause}")
        {
            Where = new FindingLocation(id, Register: register.Register),
            Found = register.After,
            Expected = register.Asked,
            Since = isPkru ? info.Affected : null,
            Mend = isPkru ? "let the thread execute WRPKRU itself, or use a kernel that takes the write" : null,
        };
    }

    private static Refusal? Refusal(LinuxHost host, CapturedState asked)
    {
        try
        {
            return new LinuxTask(host).SetXstate(asked.Area.Span).Why;
        }
        catch (UnknownDifferenceException)
        {
            // A model that does not know its kernel explains nothing.
            return null;
        }
    }

    // The error number alone does not say which byte the kernel did not like; the model of the kernel does.
    private static ImmutableArray<Finding> Explain(int id, CapturedState asked, LinuxHost? host)
    {
        if (host is null || Refusal(host, asked) is not { } why)
        {
            return [];
        }

        return
        [
            new Finding(why.Rule, Severity.Error, why.Message)
            {
                Where = new FindingLocation(id, why.Offset),
                Found = why.Found,
                Expected = why.Expected,
                Since = why.Since,
            },
        ];
    }
}
