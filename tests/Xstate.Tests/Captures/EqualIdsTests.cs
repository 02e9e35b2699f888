using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Transforms;

namespace Xstate.Tests.Captures;

/// <summary>States of one id: refused in a virtual machine; in a process shown with a warning and paired in their order.</summary>
public class EqualIdsTests
{
    [Fact]
    public void A_virtual_machine_with_two_states_of_one_id_is_refused()
    {
        byte[] file = CaptureFileWriter.Write(Of(CaptureKind.VirtualMachine, 0, 0));
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(file)));
        Assert.Equal(("a second virtual CPU 0 at $.states[1]", "an id of its own for each"), (error.Found, error.Expected));
    }

    [Fact]
    public void A_process_with_two_threads_of_one_id_is_told_of()
    {
        Capture read = Artifact.Open(new MemoryStream(CaptureFileWriter.Write(Of(CaptureKind.Process, 7, 7, 8)))).Capture!;
        Finding finding = Assert.Single(KnownCapture.Of(read).Findings, finding => finding.Rule == Rules.EqualIds);
        Assert.Equal((Severity.Warning, 7, "2 threads have the id 7"), (finding.Severity, finding.Where.Vcpu, finding.Message));
    }

    [Theory]
    [InlineData(new[] { 7, 7 }, new[] { 7, 7 })]
    [InlineData(new[] { 7, 8, 7 }, new[] { 8, 7, 7 })]
    [InlineData(new[] { 1, 1, 1, 2 }, new[] { 2, 1, 1, 1 })]
    public void Pairs_are_made_by_id_and_equal_ids_in_their_order(int[] left, int[] right)
    {
        // Every state has its own MXCSR, the same on both sides for the first, second, third of an id.
        Assert.True(CaptureComparison.Compare(Of(CaptureKind.Process, left), Of(CaptureKind.Process, right)).IsSame);
        Capture turned = Of(CaptureKind.Process, right);
        int[] equal = [.. Enumerable.Range(0, right.Length).Where(i => right.Count(id => id == right[i]) > 1)];
        CapturedState[] states = [.. turned.States];
        (states[equal[0]], states[equal[1]]) = (states[equal[1]], states[equal[0]]);
        Assert.False(CaptureComparison.Compare(Of(CaptureKind.Process, left), turned with { States = [.. states] }).IsSame);
    }

    private static Capture Of(CaptureKind kind, params int[] ids)
    {
        Dictionary<int, int> times = [];
        return new Capture { Format = "xstate-capture", Kind = kind, States = [.. ids.Select(State)] };

        CapturedState State(int id)
        {
            int time = times[id] = times.GetValueOrDefault(id) + 1;
            byte[] area = new byte[576];
            area[XsaveFormat.XstateBvOffset] = 3;
            BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial | (uint)time);
            return new CapturedState
            {
                Id = id,
                Area = area,
                Layout = new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Given, "the test")
            };
        }
    }
}
