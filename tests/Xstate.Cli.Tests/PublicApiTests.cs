using System.Reflection;
using System.Xml.Linq;
using PublicApiGenerator;
using Xstate.Artifacts;
using Xstate.Linux;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// What users of the packages may count on is written down: PublicApi.txt changes only where somebody means it to. XSTATE_UPDATE=1 writes
/// it anew.
/// </summary>
public class PublicApiTests
{
    [Theory]
    [InlineData("Xstate")]
    [InlineData("Xstate.Linux")]
    public void The_public_surface_is_the_reviewed_one(string name)
    {
        string path = Repository.PathOf("src", name, "PublicApi.txt");
        string now = AssemblyOf(name).GeneratePublicApi(new ApiGeneratorOptions { IncludeAssemblyAttributes = false })
            .ReplaceLineEndings("\n");
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            File.WriteAllText(path, now);
        }

        Assert.Equal(File.ReadAllText(path), now);
    }

    [Theory]
    [InlineData("Xstate")]
    [InlineData("Xstate.Linux")]
    public void Every_public_type_says_what_threads_may_do_with_it(string name)
    {
        Assembly assembly = AssemblyOf(name);
        XDocument documentation = XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml"));
        Dictionary<string, XElement> members = documentation.Descendants("member").ToDictionary(member => member.Attribute("name")!.Value);
        Type[] types = [
            .. assembly.GetExportedTypes().Where(type => !type.IsEnum && !type.IsNested && !typeof(Delegate).IsAssignableFrom(type)),
        ];
        Assert.True(types.Length >= 10, $"{types.Length}");

        string[] silent = [.. types.Where(type => !members.TryGetValue($"T:{type.FullName}", out XElement? member)
            || string.IsNullOrWhiteSpace(member.Element("threadsafety")?.Value)).Select(type => type.FullName!)];
        Assert.Empty(silent);
    }

    [Fact]
    public void The_packages_offer_what_users_need_and_not_the_commands_own_parts()
    {
        // What the command is made of, and what only this project needs.
        string[] own = ["Reports", "Scenarios", "WorldSwitch", "Fleet", "Guests"];
        string[] offered = [.. AssemblyOf("Xstate").GetExportedTypes().Select(type => type.Namespace!.Split('.')[1]).Distinct()];
        Assert.Empty(offered.Intersect(own));
    }

    private static Assembly AssemblyOf(string name) => name == "Xstate" ? typeof(Artifact).Assembly : typeof(LinuxException).Assembly;
}
