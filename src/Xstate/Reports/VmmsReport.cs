using System.Text.Json;
using Xstate.Captures;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>What each known VMM does when it restores: the answer of <c>--vmm list</c>.</summary>
internal static class VmmsReport
{
    private static IEnumerable<Restorer> Known => [.. Restorers.All, Restorers.Criu];

    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output) => JsonAnswer.Write(output, "vmms", json =>
    {
        json.WriteStartArray("vmms");
        foreach (Restorer restorer in Known)
        {
            Write(json, restorer);
        }

        json.WriteEndArray();
    });

    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        foreach (Restorer restorer in Known)
        {
            output.Mark(TextMark.Heading, restorer.Id);
            output.WriteLine($": {restorer.Title} ({NameOf(restorer.Evidence)}: {restorer.Source})");
            if (!restorer.Order.IsEmpty)
            {
                output.WriteLine($"  {string.Join(", ", restorer.Order.Select(CallOf))}");
            }

            if (restorer is KvmRestorer kvm)
            {
                output.WriteLine(
                    $"  CPUID: {Text(kvm.CpuidSource)}. A refused call: {Text(kvm.OnRefusedCall)}. A refused MSR: "
                    + $"{Text(kvm.OnShortCount)}.");
            }

            foreach (string note in restorer.Notes)
            {
                output.WriteLine($"  {note}");
            }

            output.WriteLine();
        }
    }

    private static void Write(Utf8JsonWriter json, Restorer restorer)
    {
        json.WriteStartObject();
        json.WriteString("id", restorer.Id);
        json.WriteString("vmm", restorer.Vmm.Id);
        json.WriteString("title", restorer.Title);
        json.WriteString("releases", restorer.Releases);
        json.WriteString("restores", restorer.Restores == CaptureKind.Process ? "process" : "virtual-machine");
        json.WriteString("evidence", NameOf(restorer.Evidence));
        json.WriteString("source", restorer.Source);
        JsonAnswer.WriteStrings(json, "calls", restorer.Order.Select(CallOf));
        if (restorer is KvmRestorer kvm)
        {
            json.WriteString("cpuid", NameOf(kvm.CpuidSource));
            json.WriteString("placement", kvm.Placement == ImagePlacement.HostOffsets ? "host-offsets" : "as-saved");
            json.WriteString("refusedCall", NameOf(kvm.OnRefusedCall));
            json.WriteString("refusedMsr", NameOf(kvm.OnShortCount));
        }

        JsonAnswer.WriteStrings(json, "notes", restorer.Notes);
        json.WriteEndObject();
    }

    private static string CallOf(RestoreCall call) => call switch
    {
        RestoreCall.SetCpuid2 => "KVM_SET_CPUID2",
        RestoreCall.SetXsave => "KVM_SET_XSAVE",
        RestoreCall.SetXcrs => "KVM_SET_XCRS",
        RestoreCall.SetFpu => "KVM_SET_FPU",
        RestoreCall.SetMsrs => "KVM_SET_MSRS",
        _ => throw new ArgumentOutOfRangeException(nameof(call)),
    };

    private static string NameOf<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static string Text(GuestCpuidSource source) => source == GuestCpuidSource.Snapshot ? "the snapshot's" : "built on the target";

    private static string Text(RefusedCallPolicy policy) => policy == RefusedCallPolicy.End
        ? "ends the restore" : "ends this virtual CPU's restore without a word, and the guest resumes";

    private static string Text(ShortCountPolicy policy) => policy switch
    {
        ShortCountPolicy.End => "ends the restore",
        ShortCountPolicy.Abort => "aborts the process",
        ShortCountPolicy.Skip => "is left out with a warning in the log",
        ShortCountPolicy.Unnoticed => "is not noticed, and those behind it stay unset",
        _ => throw new ArgumentOutOfRangeException(nameof(policy)),
    };
}
