using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Tests;

/// <summary>Holds the direction of the rooms (docs/architecture.md) and where native code may be.</summary>
public partial class StructureTests
{
    private const int MaxColumns = 140;

    // What the compiler and its generators make for themselves has no namespace or one of the framework's.
    private static readonly HashSet<(Type From, Type To)> LibraryReferences =
    [
        .. AssemblyReferences.Of(typeof(SplitMix64).Assembly)
            .Where(use => IsOurs(use.From) && IsOurs(use.To)),
    ];

    /// <summary>Room → the rooms it may use. Reads in the direction data flows.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Architecture"] = [],
        ["Findings"] = [],
        ["Processor"] = ["Architecture"],
        ["Captures"] = ["Architecture"],
        ["Hypervisors"] = ["Processor", "Captures", "Architecture", "Findings"],
        ["Guests"] = ["Processor", "Architecture"],
        ["Scenarios"] = ["Guests", "Hypervisors", "Transforms", "Processor", "Captures", "Architecture", "Findings"],
        ["WorldSwitch"] = ["Processor", "Architecture"],
        ["Artifacts"] = ["Captures", "Architecture", "Findings"],
        ["Transforms"] = ["Captures", "Architecture", "Findings"],
        ["Lint"] = ["Captures", "Architecture", "Findings"],
        ["Rehearsal"] = ["Hypervisors", "Transforms", "Captures", "Processor", "Architecture", "Findings"],
        ["Fleet"] = ["Rehearsal", "Lint", "Hypervisors", "Transforms", "Captures", "Processor", "Architecture", "Findings"],
        ["Reports"] = ["Fleet", "Scenarios", "Rehearsal", "Lint", "WorldSwitch", "Hypervisors", "Transforms", "Artifacts", "Captures",
            "Processor", "Architecture", "Findings"],
    };

    [Fact]
    public void Every_room_uses_only_the_rooms_it_may()
    {
        List<string> wrong = [];
        foreach (string file in SourceFiles("src/Xstate"))
        {
            string room = RoomOf(file);
            foreach (Match use in UsingXstate().Matches(File.ReadAllText(file)))
            {
                string used = use.Groups[1].Value;
                if (used != room && Allowed.ContainsKey(used) && !Allowed[room].Contains(used))
                {
                    wrong.Add($"{Path.GetRelativePath(Repository.Root, file)} uses {used}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    /// <summary>The assembly knows what the text does not say: a relative name, an inferred type, an extension method.</summary>
    [Fact]
    public void Every_room_of_the_assembly_uses_only_the_rooms_it_may() => Assert.Empty(LibraryReferences
        .Select(use => (From: RoomOf(use.From), To: RoomOf(use.To), What: $"{use.From} uses {use.To}"))
        .Where(use => use.From != use.To && !Allowed[use.From].Contains(use.To)).Select(use => use.What));

    [Fact]
    public void A_reference_is_found_in_bases_signatures_attributes_locals_and_instructions()
    {
        HashSet<(Type From, Type To)> found = AssemblyReferences.Of(typeof(StructureTests).Assembly);
        Type[] used = [.. found.Where(use => use.From == typeof(ReferenceSamples.User)).Select(use => use.To)];
        Assert.Equal(
            [typeof(ReferenceSamples.Argument), typeof(ReferenceSamples.Base), typeof(ReferenceSamples.Called),
                typeof(ReferenceSamples.Held), typeof(ReferenceSamples.Item), typeof(ReferenceSamples.MarkAttribute),
                typeof(ReferenceSamples.User)],
            used.Distinct().OrderBy(type => type.Name, StringComparer.Ordinal));
    }

    /// <summary>A room is a folder, a row of the table here and a row of the document: none stands in one of them alone.</summary>
    [Fact]
    public void Every_folder_of_the_library_is_a_room_of_the_document_and_has_a_rule()
    {
        string[] folders = [.. Directory.GetDirectories(Path.Combine(Repository.Root, "src/Xstate")).Select(d => Path.GetFileName(d)!)
            .Where(d => d is not ("bin" or "obj")).Order(StringComparer.Ordinal)];
        string document = File.ReadAllText(Path.Combine(Repository.Root, "docs/architecture.md"));
        Assert.Equal(folders, Allowed.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(folders, RowOfRoom().Matches(document).Select(row => row.Groups["room"].Value).Order(StringComparer.Ordinal));
    }

    /// <summary>
    /// Folders of a room do not use each other in a circle. The circles that are left are listed with their reason; a folder that joins
    /// one, and a circle that is gone, fail.
    /// </summary>
    [Fact]
    public void Folders_of_a_room_use_each_other_in_one_direction()
    {
        Dictionary<string, string> left = new()
        {
            ["Xstate.Artifacts"] = "Artifact is the result and the registry of all readers",
            ["Xstate.Hypervisors Kernels"] = "a KernelBehavior is looked up by the names of kernels",
            ["Xstate.Rehearsal CpuidGates Vmms"] = "Restorers lists the VMMs, which are made of its parts",
            ["Xstate.Scenarios Calls"] = "steps are made of calls, and calls are read from a step's values",
        };
        string[] circles = [.. Circles(LibraryReferences).Select(circle => circle.StartsWith("Xstate.Artifacts ", StringComparison.Ordinal)
            ? "Xstate.Artifacts" : circle)];
        Assert.Equal(left.Keys.Order(StringComparer.Ordinal), circles.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_circle_is_found()
    {
        HashSet<(Type, Type)> circle = [(typeof(Architecture.PkruTests), typeof(StructureTests)),
            (typeof(StructureTests), typeof(Architecture.PkruTests)), (typeof(StructureTests), typeof(SampleHosts))];
        Assert.Equal(["Xstate.Tests Architecture"], Circles(circle));
        circle.Remove((typeof(StructureTests), typeof(Architecture.PkruTests)));
        Assert.Empty(Circles(circle));
    }

    [Fact]
    public void Every_namespace_is_its_folder()
    {
        foreach (string file in SourceFiles("src/Xstate"))
        {
            string folder = Path.GetRelativePath(Path.Combine(Repository.Root, "src"), Path.GetDirectoryName(file)!).Replace('/', '.');
            Assert.Contains($"namespace {folder};", File.ReadAllText(file), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Native_code_is_in_Xstate_Linux_only()
    {
        foreach (string file in SourceFiles("src/Xstate").Concat(SourceFiles("src/Xstate.Cli")))
        {
            string text = File.ReadAllText(file);
            Assert.False(text.Contains("DllImport", StringComparison.Ordinal) || text.Contains("LibraryImport", StringComparison.Ordinal),
                file);
            Assert.False(UnsafeKeyword().IsMatch(text), file);
        }
    }

    /// <summary>
    /// What a leaf of extended state means is said once, in Architecture: elsewhere a feature is asked for by name (CpuidFeatures). Files
    /// that build or judge such leaves as leaves may read them, and are listed with the reason.
    /// </summary>
    [Fact]
    public void Leaves_1_7_and_0xD_are_read_raw_in_Architecture_only()
    {
        Dictionary<string, string> mayRead = new()
        {
            ["src/Xstate/Captures/CpuidDump.cs"] = "says which leaves a dump lacks",
            ["src/Xstate/Captures/CpuModelHost.cs"] = "writes leaf 0xD of a CPU model",
            ["src/Xstate/Captures/XsaveLeafCompletion.cs"] = "takes leaf 0xD from another dump",
            ["src/Xstate/Fleet/HostKey.cs"] = "compares leaf 0xD of hosts as a whole",
            ["src/Xstate/Hypervisors/Kvm/PvmCpuid.cs"] = "rewrites leaf 0xD as kvm_pvm does",
            ["src/Xstate/Hypervisors/Kvm/RuntimeCpuid.cs"] = "rewrites the leaves that KVM keeps up to date",
            ["src/Xstate/Hypervisors/Kvm/SupportedCpuid.cs"] = "writes leaf 0xD as KVM does",
            ["src/Xstate/Rehearsal/ProcessRehearsal.cs"] = "asks whether a dump has the sub-leaf at all",
            ["src/Xstate.Linux/Kvm/KvmBehaviorProbe.cs"] = "narrows leaf 0xD of a throw-away guest",
        };
        List<string> wrong = [];
        HashSet<string> reading = [];
        foreach (string file in SourceFiles("src").Where(file => !file.Contains("/Architecture/", StringComparison.Ordinal)))
        {
            // Lint is about the leaves themselves: every rule names the field that it reads.
            if (file.Contains("/Xstate/Lint/", StringComparison.Ordinal))
            {
                continue;
            }

            string name = Path.GetRelativePath(Repository.Root, file);
            foreach (Match read in RawRead().Matches(File.ReadAllText(file)))
            {
                if (mayRead.ContainsKey(name))
                {
                    reading.Add(name);
                }
                else
                {
                    wrong.Add($"{name}: {read.Value}");
                }
            }
        }

        Assert.Empty(wrong);
        Assert.Empty(mayRead.Keys.Except(reading));
    }

    [Theory]
    [InlineData("cpuid.Read(1).Ecx", true)]
    [InlineData("table.TryRead(7, 0, out x)", true)]
    [InlineData("Cpuid.Read(CpuidTable.XsaveLeaf, 1)", true)]
    [InlineData("Cpuid.Read( 0xD, 1)", true)]
    [InlineData("cpuid.Read(0x1)", true)]
    [InlineData("cpuid.Read(0x14)", false)]
    [InlineData("cpuid.Read(leaf, 1)", false)]
    [InlineData("Read(7)", false)]
    public void A_raw_read_is_found_as_it_is_written(string text, bool found) => Assert.Equal(found, RawRead().IsMatch(text));

    /// <summary>The header of an area and MXCSR have one writer, XsaveAreaWriter.</summary>
    [Fact]
    public void The_header_of_an_area_is_written_in_Architecture_only()
    {
        Dictionary<string, string> mayWrite = new()
        {
            ["src/Xstate/Scenarios/ImageParts.cs"] = "an image of a scenario may end inside the header, as a hostile one does",
        };
        List<string> wrong = [];
        HashSet<string> writing = [];
        foreach (string file in SourceFiles("src").Concat(SourceFiles("bench"))
            .Where(file => !file.Contains("/Architecture/", StringComparison.Ordinal)))
        {
            string name = Path.GetRelativePath(Repository.Root, file);
            foreach (Match write in RawHeaderWrite().Matches(File.ReadAllText(file)))
            {
                if (mayWrite.ContainsKey(name))
                {
                    writing.Add(name);
                }
                else
                {
                    wrong.Add($"{name}: {write.Value}");
                }
            }
        }

        Assert.Empty(wrong);
        Assert.Empty(mayWrite.Keys.Except(writing));
    }

    [Theory]
    [InlineData("BinaryPrimitives.WriteUInt64LittleEndian(image[XsaveFormat.XstateBvOffset..], 3);", true)]
    [InlineData("WriteUInt64LittleEndian(\n    area.AsSpan(XsaveFormat.XcompBvOffset),\n    1);", true)]
    [InlineData("BitConverter.TryWriteBytes(area.AsSpan(XstateBvOffset), used.Bits);", true)]
    [InlineData("BinaryPrimitives.WriteUInt32LittleEndian(image[XsaveFormat.MxcsrOffset..], value);", true)]
    [InlineData("Put(image, XsaveFormat.XstateBvOffset, 3);", true)]
    [InlineData("area[XsaveFormat.XstateBvOffset] = 3;", true)]
    [InlineData("area.AsSpan(XsaveFormat.LegacyLength, XsaveFormat.HeaderLength).Clear();", true)]
    [InlineData("BinaryPrimitives.ReadUInt64LittleEndian(image[XsaveFormat.XstateBvOffset..])", false)]
    [InlineData("BinaryPrimitives.WriteUInt32LittleEndian(bytes[MxcsrOffset..], MxcsrField);", false)]
    public void A_raw_write_of_a_header_is_found_as_it_is_written(string text, bool found) =>
        Assert.Equal(found, RawHeaderWrite().IsMatch(text));

    /// <summary>
    /// What .editorconfig says of the width holds. Only test data that stands as a program wrote it may be longer: JSON, and words that
    /// cannot be broken.
    /// </summary>
    [Theory]
    [InlineData("src", false)]
    [InlineData("bench", false)]
    [InlineData("samples", false)]
    [InlineData("tests", true)]
    public void No_line_is_longer_than_140_columns(string folder, bool holdsData)
    {
        string[] lines =
        [
            .. SourceFiles(folder).SelectMany(file => File.ReadLines(file).Select((line, i) => (Line: line, Number: i + 1))
                .Where(at => at.Line.Length > MaxColumns && !(holdsData && IsData(at.Line)))
                .Select(at => $"{Path.GetRelativePath(Repository.Root, file)}:{at.Number}: {at.Line.Length} columns")),
        ];
        Assert.Empty(lines);
    }

    private static bool IsData(string line) =>
        line.Contains("{\"", StringComparison.Ordinal) || line.Contains("{\\\"", StringComparison.Ordinal)
        || line.Split(' ').Any(word => word.Length >= 80);

    [Fact]
    public void The_library_depends_on_the_framework_only()
    {
        IEnumerable<string?> foreign = typeof(SplitMix64).Assembly.GetReferencedAssemblies()
            .Select(name => name.Name)
            .Where(name => !name!.StartsWith("System.", StringComparison.Ordinal));
        Assert.Empty(foreign);
    }

    private static IEnumerable<string> SourceFiles(string project) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, project), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    private static bool IsOurs(Type type) => type.Namespace?.StartsWith("Xstate", StringComparison.Ordinal) == true;

    private static string RoomOf(Type type) => type.Namespace?.Split('.') is [_, string room, ..] ? room : "Architecture";

    // Each as its namespaces, the second and later ones without what the first begins with.
    private static IEnumerable<string> Circles(HashSet<(Type From, Type To)> references)
    {
        ILookup<string, string> uses = references.Where(use => use.From.Namespace is not null && use.To.Namespace is not null)
            .Select(use => (From: use.From.Namespace!, To: use.To.Namespace!))
            .Where(use => use.From != use.To).Distinct().ToLookup(use => use.From, use => use.To);
        Dictionary<string, HashSet<string>> reached = uses.ToDictionary(from => from.Key, from => Reach(from.Key, uses));
        return reached.Keys
            .Select(name => reached.Keys.Where(other => reached[name].Contains(other) && reached[other].Contains(name))
                .Order(StringComparer.Ordinal).ToArray())
            .Where(circle => circle.Length > 1)
            .Select(circle => string.Join(' ', circle.Select(name => name.StartsWith($"{circle[0]}.", StringComparison.Ordinal)
                ? name[(circle[0].Length + 1)..] : name))).Distinct();
    }

    private static HashSet<string> Reach(string start, ILookup<string, string> uses)
    {
        HashSet<string> reached = [];
        Queue<string> next = new(uses[start]);
        while (next.TryDequeue(out string? name))
        {
            if (reached.Add(name))
            {
                foreach (string further in uses[name])
                {
                    next.Enqueue(further);
                }
            }
        }

        return reached;
    }

    private static string RoomOf(string file)
    {
        string relative = Path.GetRelativePath(Path.Combine(Repository.Root, "src/Xstate"), file);
        int slash = relative.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? "Architecture" : relative[..slash];
    }

    [GeneratedRegex(@"\.(?:Try)?Read\(\s*(?:(?:0x)?[17]|0x[dD]|13|CpuidTable\.XsaveLeaf|XsaveLeaf)\b")]
    private static partial Regex RawRead();

    // MXCSR by its full name only: struct kvm_fpu and a Windows CONTEXT have fields of that name elsewhere.
    [GeneratedRegex(@"(?:\b(?:Put|TryWriteBytes|WriteUInt\d+LittleEndian)\([^;]*?"
        + @"\b(?:XstateBvOffset|XcompBvOffset|XsaveFormat\.MxcsrOffset)\b"
        + @"|\[(?:XsaveFormat\.)?(?:XstateBvOffset|XcompBvOffset)\]\s*=[^=]|HeaderLength\)\.Clear\b)")]
    private static partial Regex RawHeaderWrite();

    [GeneratedRegex(@"^\| `(?<room>\w+)` \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex RowOfRoom();

    [GeneratedRegex(@"\bXstate\.(\w+)")]
    private static partial Regex UsingXstate();

    [GeneratedRegex(@"^\s*(?:[\w\s]*\s)?unsafe\s", RegexOptions.Multiline)]
    private static partial Regex UnsafeKeyword();
}
