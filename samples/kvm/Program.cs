// Moves the state of one virtual CPU of this machine's KVM to another, and says what the kernel refused.
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Linux;
using Xstate.Linux.Kvm;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]

if (!HostProbe.IsKvmUsable(out string why))
{
    Console.WriteLine(why);
    return;
}

using KvmDevice kvm = KvmDevice.Open();
using KvmVm vm = kvm.CreateVm();
using KvmVcpu from = vm.CreateVcpu(0);
using KvmVcpu to = vm.CreateVcpu(1);
CpuidTable guest = kvm.GetSupportedCpuid();
from.SetCpuid2(guest.Entries.AsSpan());
to.SetCpuid2(guest.Entries.AsSpan());
byte[] image = from.GetXsaveImage();
Errno errno = to.TrySetXsave(image);
Console.WriteLine($"XSTATE_BV {new XsaveArea(image).XstateBv}, {image.Length} bytes: {(errno == Errno.None ? "taken" : errno)}");
