#!/bin/bash
# Boots Debian kernels with CPUIDs that make-cpuid made: each set of components that QEMU's code generator can show. No kernel may complain
# of its x86/fpu, lint must find nothing wrong, and the guest must have the components that were asked for. Last comes a CPUID that
# contradicts itself: there the kernel must warn, as lint says beforehand.
# usage: lab/boot-cpuids.sh FOLDER-WITH-THE-PUBLISHED-XSTATE [SERIES…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
published=$(realpath "${1:?usage: boot-cpuids.sh FOLDER [SERIES…]}")
shift
[ $# -gt 0 ] || set -- 6.12 6.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
xstate=$published/xstate
failed=0

# QEMU's own processor says that it is AMD's, which has no MPX.
processor=max,vendor=GenuineIntel,family=6,model=143,stepping=8

# Components as make-cpuid takes them, and the bits of XCR0 that come of it.
sets=(avx,bndregs,pkru:0x21f avx,pkru:0x207 avx,bndregs:0x1f avx:0x7 bndregs,pkru:0x21b pkru:0x203 bndregs:0x1b sse:0x3)

boot() {
    local kernel=$1 cpu=$2
    shift 2
    lab/run-lab.sh --kernel "$kernel" --cpu "$cpu" --published "$published" --console "$work/console" --timeout 240 "$@" > "$work/out" 2> "$work/err"
}

told() {
    grep -aE 'x86/fpu|XSAVE|CPUID level|WARNING|Oops|BUG:|panic' "$work/console" | sed 's/^/    /' || true
}

for kernel in "$@"; do
    # The processor itself: its KVM offers guests less.
    boot "$kernel" "$processor" --out "$work/host-$kernel" -- sh -c 'xstate host -o /tmp/host.json > /dev/null; xstate convert /tmp/host.json --to cpuid-r -o /out/cpuid'
    for set in "${sets[@]}"; do
        "$xstate" make-cpuid "$work/host-$kernel/cpuid" --components "${set%:*}" --to qemu-cpu -o "$work/cpu" --force > "$work/made" \
            || { cat "$work/made"; failed=$((failed + 1)); continue; }
        cpu=$(sed "s/^-cpu host/$processor/" "$work/cpu" | tr -d '\n')
        result=0
        boot "$kernel" "$cpu" -- sh -c 'xstate lint local && xstate host -o /tmp/host.json > /dev/null && cat /tmp/host.json' || result=$?
        found=$(sed -n 's/.*"xcr0": *"\(0x[0-9a-f]*\)".*/\1/p' "$work/out" | head -1)
        bad=$(grep -acE 'x86/fpu: (xstate|misordered|WARNING)|inconsistent|consistency problem|WARNING:|Oops:|BUG:' "$work/console" || true)
        if [ "$result" = 0 ] && [ "$found" = "${set#*:}" ] && [ "$bad" = 0 ]; then
            echo "$kernel ${set%:*}: XCR0 $found, no warning"
        else
            echo "$kernel ${set%:*}: FAILED: exit $result, XCR0 ${found:-?} for ${set#*:}, $bad warnings"
            told
            tail -n 5 "$work/err" "$work/out"
            failed=$((failed + 1))
        fi
    done

    # XSAVE without leaf 0xD (L01).
    boot "$kernel" "$processor,level=0xc" -- sh -c 'xstate lint local; echo "lint: exit $?"' || true
    if grep -aq 'XS1401' "$work/out" && grep -aqE 'WARNING: CPU.*(fpu|xstate)|x86/fpu.*(disabl|Legacy)|no CPUID level 0xd|RIP.*fpu__init' "$work/console"; then
        echo "$kernel XSAVE without leaf 0xd: lint says XS1401, and the kernel warns:"
        told
    else
        echo "$kernel XSAVE without leaf 0xd: FAILED: no XS1401, or no warning"
        told
        tail -n 5 "$work/err" "$work/out"
        failed=$((failed + 1))
    fi
done
[ "$failed" = 0 ]
