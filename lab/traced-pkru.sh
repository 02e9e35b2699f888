#!/bin/sh
# PKRU of a running process: what xstate writes, gdb reads and the other way round, and the ready scenarios answer on the kernel what they answer on its model. For a guest of the lab, with
# xstate and gdb on PATH. Prints a line for each check; the exit code is 1 when one failed.
# usage: traced-pkru.sh SCENARIOS   (case-3-ptrace-pkru.json)
scenarios=$1
results=$(mktemp -d)
failed=0

check() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1: $3"
    else
        echo "FAILED  $1: expected $2, found ${3:-nothing}"
        failed=1
    fi
}

# PKRU of the process, as xstate tells it: a line of its own below that of the component, which a register of the initial value has not.
shown() {
    xstate show --pid "$child" | awk '$1 == "pkru" { found = NF == 2 ? $2 : "0x0" } END { print found }'
}

# The same as gdb tells it, after what else it is asked to do; where it tells nothing, all that it said.
debugged() {
    gdb -nx -batch -p "$child" "$@" -ex 'p/x $pkru' > "$results/gdb" 2>&1
    if grep -q '^\$1 = ' "$results/gdb"; then
        sed -n 's/^\$1 = //p' "$results/gdb"
    else
        cat "$results/gdb"
    fi
}

# What the child of a scenario last read with RDPKRU. A file of scenarios has one line for each.
of_child() {
    sed -n "s/.*\"name\":\"$2\".*\"op\":\"child\"[^}]*\"pkru\":\"\(0x[0-9a-f]*\)\".*/\1/p" "$1"
}

sleep 1000 &
child=$!
trap 'kill $child; rm -r "$results"' EXIT
for value in 0x55555550 0x0 0xaaaaaaa8; do
    xstate set --pid "$child" "pkru=$value" > "$results/set"
    check "xstate set pkru=$value exits with" 0 $?
    check "xstate show reads" "$value" "$(shown)"
    check "gdb's \$pkru is" "$value" "$(debugged)"
done

check "gdb sets and reads" 0x55555540 "$(debugged -ex 'set $pkru = 0x55555540')"
check "xstate show reads" 0x55555540 "$(shown)"

# What the model says of why it refuses, no kernel tells.
answers() {
    sed 's/,"why":{[^{}]*}//g'
}

xstate run "$scenarios" --backend kvm > "$results/kernel"
xstate run "$scenarios" --backend model --host local | answers > "$results/model"
check "scenarios on this kernel are answered in lines" "$(wc -l < "$scenarios")" "$(wc -l < "$results/kernel")"
difference=$(cmp "$results/model" "$results/kernel")
check "model and kernel answer differently" nowhere "${difference:-nowhere}"
check "a child whose tracer wrote PKRU 0x28 reads" 0x28 "$(of_child "$results/kernel" ptrace-write)"
check "a child whose tracer wrote with bit 9 clear reads" 0x0 "$(of_child "$results/kernel" ptrace-bit-9-clear)"

# Up to 6.1.5 that write was ignored: the same machine with that kernel, as a model.
xstate run "$scenarios" --backend model --host local@linux-6.1.5 > "$results/model"
check "on the model of 6.1.5 it reads" 0x55555554 "$(of_child "$results/model" ptrace-write)"
check "on the model of 6.1.5, with bit 9 clear, it reads" 0x55555554 "$(of_child "$results/model" ptrace-bit-9-clear)"
exit "$failed"
