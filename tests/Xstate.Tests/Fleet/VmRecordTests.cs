using System.Globalization;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Fleet;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Fleet;

/// <summary>Records of VMs: read as a stream, sorted into classes, and answered as the captures that they stand for.</summary>
public class VmRecordTests
{
    private static readonly string[] Processors = ["intel-haswell", "intel-icelake", "intel-sapphire-rapids"];

    [Fact]
    public void A_record_is_read_as_it_is_written()
    {
        VmRecordReader reader = ReaderOf(
            """{"guestCpuid":"c","cpuid":[["0x7","0x0","0x0","0x200","0x8","0x0"]]}""", "",
            """{"vm":"a","host":"h","guestCpuid":"c","xcr0":"0x207","inUse":["x87","sse","pkru"],"msrs":[["0xda0","0x1800"]]}""");
        VmRecord record = reader.Read()!;
        Assert.Equal(("a", "h", "c", 3L), (record.Vm, record.Host, record.GuestCpuid, reader.Line));
        Assert.Equal(new StateComponentSet(0x207), record.Xcr0);
        Assert.Equal(new StateComponentSet(0x203), record.InUse);
        Assert.Equal(0x1800UL, record.Msrs[0xDA0]);
        Assert.Equal(8u, reader.Cpuids["c"].Read(7).Ecx);
        Assert.Null(reader.Read());
    }

    [Theory]
    [InlineData("""{"vm":"a"}""", "guestCpuid or host")]
    [InlineData("""{"vm":"a","guestCpuid":"none"}""", "a line before it")]
    [InlineData("""{"vm":"a","host":"h","xcr0":519}""", "xcr0 as a string")]
    [InlineData("""{"vm":"a","host":"h","xcr0":"0xg"}""", "xcr0 as a string")]
    [InlineData("""{"vm":"a","host":"h","inUse":["nothing"]}""", "the name of a component")]
    [InlineData("""{"vm":"a","host":"h","msrs":[["0x1"]]}""", "the value of an MSR")]
    [InlineData("""{"vm":"a","host":"h","other":1}""", "one of vm, host")]
    [InlineData("""{"vm":"a","host":"h"} x""", "no JSON")]
    [InlineData("""{"vm":"","host":"h"}""", "1 to 253")]
    [InlineData("""["vm"]""", "an object")]
    [InlineData("""{"vm":"a","host":"h" """, "no JSON")]
    public void A_line_that_is_no_record_is_told_and_the_next_one_is_read(string line, string expected)
    {
        VmRecordReader reader = ReaderOf("""{"vm":"first","host":"h"}""", line, """{"vm":"last","host":"h"}""");
        Assert.Equal("first", reader.Read()!.Vm);
        VmRecordException error = Assert.Throws<VmRecordException>(reader.Read);
        Assert.Equal(2, error.Line);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal("last", reader.Read()!.Vm);
    }

    [Theory]
    [InlineData(VmRecordReader.MaxLine + 1)]
    [InlineData(3 << 20)]
    public void A_line_without_end_is_not_kept(int length)
    {
        VmRecordReader reader = ReaderOf(new string(' ', length), """{"vm":"last","host":"h"}""");
        Assert.Contains("more than", Assert.Throws<VmRecordException>(reader.Read).Message, StringComparison.Ordinal);
        Assert.Equal("last", reader.Read()!.Vm);
    }

    [Fact]
    public void A_name_that_is_given_to_another_CPUID_is_another_guest()
    {
        PoolHost[] hosts = [.. Processors.Select(name => new PoolHost(name,
            new LinuxHost(SampleHosts.Open(name), RandomFleet.Kernel("linux-6.12"))))];
        PoolBuilder builder = new(hosts);
        foreach (LinuxHost given in hosts.Select(host => host.Host))
        {
            // As in files of several clusters, each of which has its own "web".
            CpuidTable cpuid = SupportedCpuid.Of(given, given.UserFeatures);
            foreach (CpuidTable named in (CpuidTable[])[cpuid, new CpuidTable(cpuid.Entries)])
            {
                Dictionary<string, CpuidTable> names = new() { ["web"] = named };
                builder.Add(new VmRecord($"on {given.Record.Name}") { GuestCpuid = "web" }, names);
            }
        }

        Pool pool = builder.Build();
        Assert.Equal(3, pool.Guests.Length);
        Assert.All(pool.Groups, group => Assert.Equal(2, group.Count));
        Assert.Equal(Verdict.Refused, pool.Outcome(pool.Guests[2], pool.Classes[0]).Verdict);
        Assert.Equal(Verdict.Same, pool.Outcome(pool.Guests[0], pool.Classes[0]).Verdict);
    }

    [Fact]
    public void Records_are_answered_as_the_guests_that_they_stand_for()
    {
        PoolHost[] hosts = [.. Processors.Select(name => new PoolHost(name,
            new LinuxHost(SampleHosts.Open(name), RandomFleet.Kernel("linux-6.12"))))];
        StringBuilder text = new();
        foreach (PoolHost host in hosts)
        {
            string entries = string.Join(',',
                SupportedCpuid.Of(host.Host, host.Host.UserFeatures).Entries.Select(entry => JsonSerializer.Serialize(
                new[] { entry.Leaf, entry.Subleaf, entry.Registers.Eax, entry.Registers.Ebx, entry.Registers.Ecx,
                    entry.Registers.Edx }.Select(word => string.Create(CultureInfo.InvariantCulture, $"0x{word:x}")))));
            text.Append(CultureInfo.InvariantCulture, $"{{\"guestCpuid\":\"{host.Argument}\",\"cpuid\":[{entries}]}}\n");
        }

        for (int i = 0; i < 3_000; i++)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{{\"vm\":\"vm-{i}\",\"host\":\"{Processors[i % 3]}\","
                + $"\"guestCpuid\":\"{Processors[i % 3]}\"{(i % 2 == 0 ? ",\"inUse\":[\"x87\",\"sse\"]" : "")}}}\n");
        }

        PoolBuilder builder = new(hosts);
        VmRecordReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(text.ToString())));
        while (reader.Read() is { } record)
        {
            builder.Add(record, reader.Cpuids);
        }

        Pool pool = builder.Build();
        Assert.Equal(6, pool.Guests.Length);
        Assert.Equal(3_000, pool.Groups.Sum(group => group.Count));
        Assert.All(pool.Groups, group => Assert.Equal(500, group.Count));
        foreach (GuestGroup group in pool.Groups)
        {
            foreach (HostClass target in pool.Classes)
            {
                Assert.Equal(RestoreRehearsal.Perform(group.Guest.Captures.Single(), target.Host).Verdict,
                    pool.Outcome(group.Guest, target).Verdict);
            }

            Assert.Equal(Verdict.Same, pool.Outcome(group.Guest, group.Home!).Verdict);
        }

        // Tiles that are not in use still are in the CPUID, whose next XSETBV would fail elsewhere.
        Assert.All(pool.Groups.Where(group => group.Home!.Hosts[0].Argument == "intel-sapphire-rapids"),
            group => Assert.Contains(pool.Pinned, pinned => pinned.Group == group));
        Assert.Throws<ArgumentException>(() => builder.Add(new VmRecord("x") { Host = "nowhere" }, reader.Cpuids));
    }

    [Fact]
    public void Guests_that_differ_in_one_thing_that_a_record_tells_are_guests_of_their_own()
    {
        PoolHost host = new("h", new LinuxHost(SampleHosts.Open("intel-haswell"), RandomFleet.Kernel("linux-6.12")));
        VmRecord first = new("a") { Host = "h", Xcr0 = new StateComponentSet(7), InUse = new StateComponentSet(3) };
        VmRecord[] others =
        [
            first with { Xcr0 = new StateComponentSet(3) }, first with { InUse = new StateComponentSet(7) },
            first with { Msrs = first.Msrs.Add(KvmModelVcpu.MsrXss, 0) }, first with { Xcr0 = null }, first with { InUse = null },
        ];
        PoolBuilder builder = new([host]);
        Dictionary<string, CpuidTable> none = [];
        Assert.Same(builder.Add(first, none), builder.Add(first with { Vm = "b" }, none));
        foreach (VmRecord other in others)
        {
            builder.Add(other, none);
        }

        Assert.Equal(1 + others.Length, builder.Build().Guests.Length);
    }

    // 5.10 gives no guest tiles; whether the kernel that the guest was started on did is what nobody knows.
    [Fact]
    public void A_guest_whose_CPUID_hangs_on_an_unknown_kernel_is_all_that_it_can_be()
    {
        HostRecord record = SampleHosts.Open("intel-sapphire-rapids") with { SupportedCpuid = null };
        LinuxHost home = new(record, RandomFleet.Kernel("5.15.0-custom"));
        LinuxHost target = new(record, RandomFleet.Kernel("linux-5.10"));
        PoolBuilder builder = new([new PoolHost("home", home), new PoolHost("target", target)]);
        builder.Add(new VmRecord("a") { Host = "home", Xcr0 = new StateComponentSet(7) }, new Dictionary<string, CpuidTable>());
        Pool pool = builder.Build();
        GuestClass guest = Assert.Single(pool.Guests);
        Verdict[] alone = [.. guest.Captures.Select(capture => RestoreRehearsal.Perform(capture, target).Verdict).Distinct()];
        bool[] hasTiles =
            [.. guest.Captures.Select(capture => capture.States[0].GuestCpuid!.Value.UserComponents.Contains(StateComponent.TileData))];
        Assert.Equal([false, true], hasTiles.Distinct().Order());
        Assert.True(alone.Length > 1 && alone.Any(verdict => verdict is Verdict.Same or Verdict.Repairable), string.Join(", ", alone));
        Assert.Equal(Verdict.Unknown, pool.Outcome(guest, pool.Classes[1]).Verdict);
        PinnedGuests pinned = Assert.Single(pool.Pinned);
        Assert.False(pinned.IsCertain);
    }

    private static VmRecordReader ReaderOf(params string[] lines) =>
        new(new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', lines))));
}
