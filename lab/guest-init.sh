#!/bin/busybox sh
# First process of the guest: prepares what a command expects, runs it, brings its output and files back, and switches off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
ip link set lo up
for module in $(cat /lab/modules.list); do
    # kvm-amd and kvm-intel are both tried; one of them finds its processor.
    insmod "/lab/modules/$module.ko" 2> /dev/null
done

# The command's output goes through its own port, byte for byte; kernel messages stay on the console.
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_EnableDiagnostics=0 DOTNET_gcServer=0 DOTNET_NOLOGO=1
cd /root
/lab/command > /dev/ttyS1 2>&1 < /dev/null
code=$?
if [ -n "$(ls -A /out)" ]; then
    tar -czf - -C /out . > /dev/ttyS2
fi
printf '\n@@xstate-lab exit %d\n' "$code" > /dev/ttyS1
poweroff -f
