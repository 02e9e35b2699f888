using Xstate.Artifacts;
using Xstate.Artifacts.CaptureFile;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Samples;

/// <summary>The shipped captures are what the code makes of them. XSTATE_UPDATE=1 writes them anew.</summary>
public class SampleCaptureTests
{
    public static TheoryData<string> Names => [.. SampleCaptures.All().Select(sample => sample.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_shipped_capture_is_what_the_model_returns_for_its_guest(string name)
    {
        Capture capture = SampleCaptures.All().Single(sample => sample.Name == name).Capture;
        string path = Repository.PathOf("samples", "captures", $"{name}.json");
        byte[] bytes = CaptureFileWriter.Write(capture);
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            File.WriteAllBytes(path, bytes);
        }

        Assert.Equal(File.ReadAllBytes(path), bytes);
        using MemoryStream stream = new(bytes);
        Assert.Equal(bytes, CaptureFileWriter.Write(Artifact.Open(stream).Capture!));
    }
}
