using Xstate.Processor;

namespace Xstate.Tests.Processor;

public class FaultTests
{
    [Fact]
    public void Faults_are_written_as_the_manuals_write_them()
    {
        Assert.Equal("none", Fault.None.ToString());
        Assert.Equal("#UD", Fault.InvalidOpcode.ToString());
        Assert.Equal("#NM", Fault.DeviceNotAvailable.ToString());
        Assert.Equal("#GP(0)", Fault.GeneralProtection.ToString());
        Assert.Equal("#AC(0)", Fault.AlignmentCheck.ToString());
        Assert.Equal("#PF(0x25)", Fault.PageFault(PageFaultErrors.Present | PageFaultErrors.User | PageFaultErrors.ProtectionKey, 1)
            .ToString());
        Assert.Equal("vector 1", new Fault((FaultVector)1, 0, 0).ToString());
    }

    [Fact]
    public void Only_none_is_no_fault()
    {
        Assert.False(Fault.None.IsFault);
        Assert.True(Fault.InvalidOpcode.IsFault);
    }
}
