#!/bin/sh
# Compares Xstate's explorer with spin on the same protocols: verdicts, number of reachable states, and states per second on one core.
# Needs spin, gcc and the .NET SDK. Usage: bench/promela/compare.sh   (from anywhere; works in a temporary directory)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
dotnet build -c Release "$here/explore.cs" >/dev/null
failed=0

# name, defines of the model, events, vCPUs, and pan's search depth
compare() {
    protocol=$1 defines=$2 events=$3 mask=$4 n=$5 depth=$6
    spin -a $defines -DN="$n" -DEVENTS="$mask" -DCHECK=0 "$here/kvm-switch.pml" >/dev/null
    gcc -O3 -w -DSAFETY -DNOREDUCE -DMEMLIM=12000 -o pan pan.c
    # Processor time, user and system, on both sides: other work on the machine disturbs it less than the clock.
    sh -c 'cd "$1" && ./pan -m"$2" -w26 >pan.log; times' sh "$work" "$depth" | tail -1 |
        sed 's/[ms]/ /g' | awk '{ print $1 * 60 + $2 + $3 * 60 + $4 }' >pan.seconds
    if grep -q 'max search depth too small' pan.log; then echo "$protocol: pan's depth is too small"; failed=1; fi
    spin_states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log)
    spin_seconds=$(cat pan.seconds)
    spin_violated=
    if [ "$n" = 1 ]; then
        for invariant in 1 2 3 4 5 6 7; do
            spin -a $defines -DN="$n" -DEVENTS="$mask" -DCHECK="$invariant" "$here/kvm-switch.pml" >/dev/null
            gcc -O1 -w -DSAFETY -DNOREDUCE -o pan pan.c
            ./pan -m"$depth" | grep -q 'errors: 0' || spin_violated="$spin_violated${spin_violated:+,}$invariant"
        done
        spin_violated=${spin_violated:-none}
    else
        spin_violated='not asked'
    fi
    set -- $(dotnet run -c Release --no-build "$here/explore.cs" -- "$protocol" "$n" "$events")
    printf '%-30s %s vCPU %s CPU  states %10s spin, %10s xstate   violated %s spin, %s xstate   processor seconds %s spin, %s xstate\n' \
        "$protocol" "$n" "$n" "$spin_states" "$1" "$spin_violated" "$4" "$spin_seconds" "$3"
    [ "$spin_states" = "$1" ] || { echo "  DIFFERENT number of states"; failed=1; }
    [ "$n" != 1 ] || [ "$spin_violated" = "$4" ] || { echo "  DIFFERENT verdicts"; failed=1; }
    if [ "$n" != 1 ]; then
        echo "$1 $3 $spin_states $spin_seconds" |
            awk '{ printf "  states per second on one core: %.0f xstate, %.0f spin, ratio %.2f\n", $1 / $2, $3 / $4, ($1 / $2) / ($3 / $4) }'
    fi
}

compare kvm-vmx-5.8 -DVMX default 63 1 1000000
compare kvm-svm-5.8 -DSVM default 63 1 1000000
compare kvm-vmx-5.8 -DVMX all 511 1 1000000
compare kvm-svm-5.8 -DSVM all 511 1 1000000
compare kvm-vmx-5.8-no-cr4-intercept '-DVMX -DNO_CR4_INTERCEPT' default 63 1 8000000
compare kvm-svm-5.8 -DSVM default 63 2 9000000
exit $failed
