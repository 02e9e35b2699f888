using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Vcpus;

/// <summary>Findings that decoders of monitors' snapshots share.</summary>
internal static class SnapshotFindings
{
    /// <summary>A finding of a rule, with the rule's severity and mend.</summary>
    public static Finding Of(Rule rule, string message, FindingLocation where) => rule.At(where, message);

    /// <summary>States whose area has not the layout that their CPUID tells.</summary>
    public static void AddForeignLayouts(ICollection<Finding> findings, IEnumerable<CapturedState> states)
    {
        foreach (CapturedState state in states)
        {
            XsaveArea area = new(state.Area.Span);
            if (WriterLayout.IsForeign(XsaveLayout.FromCpuid(state.GuestCpuid!.Value), area.MxcsrMask))
            {
                findings.Add(Of(Rules.SnapshotLayoutForeign,
                    $"leaf 0xd of the guest's CPUID has offsets that no processor with the area's MXCSR_MASK 0x{area.MxcsrMask:x} has",
                    new FindingLocation(state.Id, XsaveFormat.MxcsrMaskOffset, "0xd")));
            }
        }
    }

    /// <summary>States whose area ends before a component that their guest can use: the monitor asked KVM for 4096 bytes only.</summary>
    public static void AddShortAreas(ICollection<Finding> findings, IEnumerable<CapturedState> states)
    {
        foreach (CapturedState state in states)
        {
            StateComponentSet used = (state.Xcr0?.Value ?? state.GuestCpuid!.Value.UserComponents) & (state.Layout?.Value.UserComponents
                ?? StateComponentSet.Empty);
            int needed = state.Layout?.Value.StandardLengthFor(used) ?? 0;
            if (needed > state.Area.Length)
            {
                findings.Add(Of(Rules.SnapshotIncomplete,
                    $"the guest can use {used.Describe()}, which needs {needed} bytes; the snapshot has {state.Area.Length}",
                    new FindingLocation(state.Id, state.Area.Length)) with
                {
                    Found = $"{state.Area.Length} bytes",
                    Expected = $"{needed} bytes",
                });
            }
        }
    }
}
