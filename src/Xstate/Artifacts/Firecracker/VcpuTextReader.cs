using System.Collections.Immutable;
using Xstate.Artifacts.Text;
using Xstate.Artifacts.Vcpus;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Reads what Firecracker's <c>snapshot-editor info-vmstate vcpu-states</c> (or <c>vm-state</c>) prints of a snapshot: for those of 1.15
/// and later, which only the version that wrote them can read, the one way to their virtual CPUs. CPUID, XCR0 and the area are all there.
/// MSRs are not: the program sorts words of the last list of them, so that nothing tells which value belongs to which register.
/// </summary>
internal static class VcpuTextReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "firecracker-text";

    private const string Structure = "VcpuState";
    private const string Whole = "MicrovmState";

    internal static bool Recognizes(ReadOnlySpan<byte> head)
    {
        return PastedLines.Any(head, Format, static line => DebugText.Opens(line, Structure) || DebugText.Opens(line, Whole));
    }

    internal static Artifact Read(ReadOnlySpan<byte> bytes, ArtifactLimits limits)
    {
        DebugText text = new(bytes, Structure, Format, limits);
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        PrintedVcpu? vcpu = null;
        while (text.MoveNext())
        {
            if (text.Path.Length > 0)
            {
                vcpu!.Take(text);
            }
            else if (text.Kind == DebugLine.Open)
            {
                vcpu = states.Count < limits.MaxStates
                    ? new PrintedVcpu(limits) : throw text.Malformed($"at most {limits.MaxStates} virtual CPUs");
            }
            else
            {
                states.Add(vcpu!.ToState(states.Count, text));
            }
        }

        if (states.Count == 0)
        {
            throw new MalformedArtifactException(Format, bytes.Length, "no virtual CPU", $"\"{Structure} {{\"");
        }

        List<Finding> findings = [SnapshotFindings.Of(Rules.SnapshotMsrsNotTold,
            "the text has the words of MSRs in another order and only those of the last list: no MSR is known", new FindingLocation())];
        bool isWhole = PastedLines.Any(bytes, Format, static line => DebugText.Opens(line, Whole));
        findings.AddRange(CpuFindings.OfSkipped(isWhole ? null : text.Skipped));
        SnapshotFindings.AddForeignLayouts(findings, states);
        SnapshotFindings.AddShortAreas(findings, states);
        Capture capture = new()
        {
            Format = Format,
            Kind = CaptureKind.VirtualMachine,
            States = states.ToImmutable(),
            Note = "text of Firecracker's snapshot-editor",
        };
        return Artifact.Of(capture, Format, findings: [.. findings]);
    }
}
