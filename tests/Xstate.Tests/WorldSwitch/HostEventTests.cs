using Xstate.WorldSwitch;

namespace Xstate.Tests.WorldSwitch;

public class HostEventTests
{
    [Fact]
    public void A_list_of_names_reads_back_as_it_was_written()
    {
        foreach (HostEventInfo entry in HostEventCatalogue.All)
        {
            Assert.Equal(entry.Event, HostEventCatalogue.Parse(entry.Id));
            Assert.Equal(entry.Id, HostEventCatalogue.Format(entry.Event));
        }

        Assert.Equal(HostEvents.Nmi | HostEvents.Smi, HostEventCatalogue.Parse("nmi, smi"));
        Assert.Equal(HostEvents.All, HostEventCatalogue.Parse("all"));
        Assert.Equal(HostEvents.Default | HostEvents.MachineCheck, HostEventCatalogue.Parse("default,machine-check"));
        Assert.Equal("none", HostEventCatalogue.Format(HostEventCatalogue.Parse("none")));
    }

    [Fact]
    public void The_default_is_what_the_documentation_promises() =>
        Assert.Equal("nmi,irq,preempt,get-xsave,set-xsave,signal", HostEventCatalogue.Format(HostEvents.Default));

    [Fact]
    public void An_unknown_name_is_answered_with_the_known_ones() =>
        Assert.Contains("machine-check", Assert.Throws<ArgumentException>(() => HostEventCatalogue.Parse("nmi,mce")).Message,
            StringComparison.Ordinal);
}
