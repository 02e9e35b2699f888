using System.Globalization;

namespace Xstate.Tests.Support;

/// <summary>Where the sources, the samples and, if present, the shared third-party data are.</summary>
public static class Repository
{
    /// <summary>The repository's root.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>
    /// Factor for the number of cases of long differential and mutation loops (environment variable XSTATE_TEST_SCALE, default 1).
    /// </summary>
    public static double Scale { get; } =
        double.TryParse(Environment.GetEnvironmentVariable("XSTATE_TEST_SCALE"), NumberStyles.Float, CultureInfo.InvariantCulture,
            out double scale) ? scale : 1;

    /// <summary>A file of the repository.</summary>
    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A path in the shared data beside the repository; skips the test, saying so, where it is absent.</summary>
    public static string Shared(params string[] parts)
    {
        string shared = Environment.GetEnvironmentVariable("XSTATE_SHARED") ?? Path.Combine(Root, "..", "shared");
        string path = Path.Combine([shared, .. parts]);
        Assert.SkipUnless(Path.Exists(path),
            $"third-party data is not part of the repository: {string.Join('/', parts)} is not beside it (XSTATE_SHARED)");
        return path;
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Xstate.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("the tests run outside the repository");
    }
}
