using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

/// <summary>What hot paths use allocates nothing.</summary>
public class AllocationTests
{
    private static readonly XsaveLayout Layout = SampleHosts.Layout("intel-sapphire-rapids");
    private static readonly CpuidTable Cpuid = SampleHosts.Cpuid("intel-sapphire-rapids");
    private static readonly byte[] Bytes = new byte[11008];
    private static ulong _sink;

    public static TheoryData<string, Action> HotPaths => new()
    {
        { "view", () => { XsaveArea area = new(Bytes); _sink += area.XstateBv.Bits + area.XcompBv + area.Mxcsr + area.SoftwareMask; } },
        { "component", () => _sink += new XsaveArea(Bytes).TryGetComponent(StateComponent.TileData, Layout, out ReadOnlySpan<byte> tile)
            ? tile[0] : 1ul },
        { "standard length", () => _sink += (ulong)Layout.StandardLengthFor(new StateComponentSet(0x602E7)) },
        { "compacted offset", () => _sink += (ulong)Layout.CompactedOffset(StateComponent.TileData, new StateComponentSet(0x686E7)) },
        { "locate", () => _sink += Layout.TryLocate(StateComponent.Lbr, 0x8000_0000_0006_86E7, Bytes.Length, out int offset, out _)
            ? (ulong)offset : 1 },
        { "cpuid", () => _sink += Cpuid.Read(0xD, 18).Eax + Cpuid.UserComponents.Bits },
        { "rules", () => _sink += Xcr0Rules.FirstViolation(new StateComponentSet(0x602E7), new StateComponentSet(0x602FF)) is null
            ? 1ul : 0 },
        { "model", () => _sink += (ulong)ProcessorModel.From(Cpuid).Family },
        { "pkru", () => _sink += new Pkru(4).WriteDisabled(1) ? 1ul : 0 },
        {
            "enumeration", () =>
            {
                foreach (StateComponent component in new StateComponentSet(0x602E7))
                {
                    _sink += (ulong)component;
                }
            }
        },
    };

    [Theory]
    [MemberData(nameof(HotPaths), DisableDiscoveryEnumeration = true)]
    public void Nothing_is_allocated(string name, Action hotPath)
    {
        hotPath();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
        {
            hotPath();
        }

        Assert.Equal((name, 0), (name, GC.GetAllocatedBytesForCurrentThread() - before));
        GC.KeepAlive(_sink);
    }
}
