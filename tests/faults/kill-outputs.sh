#!/bin/bash
# kill-outputs.sh [COUNT] [SEED] [XSTATE...]: kills the command COUNT times at random moments while it writes, and holds what must be true after each: the input is as it was, nothing partial has a final
# name, an output is never there without its undo file, and after SIGTERM and SIGINT nothing else is left. The last line counts; the exit code is 1 when a promise was broken.
# Without XSTATE the build of src/Xstate.Cli is used. TMPDIR chooses the file system, as O_TMPFILE depends on it.
set -uo pipefail
count=${1:-100} seed=${2:-1}
shift $(($# < 2 ? $# : 2))
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ $# -gt 0 ] && xstate=("$@") || xstate=(dotnet "$root/src/Xstate.Cli/bin/Debug/net10.0/Xstate.Cli.dll")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
RANDOM=$seed
host=$root/samples/hosts/intel-skylake-sp.json@linux-6.1.40
cp "$root/samples/captures/leaked-pkru.json" in.json
chmod 640 in.json

# What each verb writes when nobody disturbs it, and how long that takes here.
"${xstate[@]}" fix in.json --on "$host" -o whole > /dev/null || exit 2
started=$(date +%s%N)
"${xstate[@]}" fix in.json --on "$host" -o whole --force > /dev/null || exit 2
took=$((($(date +%s%N) - started) / 1000))
"${xstate[@]}" set in.json pkru=0x4 -o changed > /dev/null || exit 2
cp whole expected; cp whole.undo.json expected.undo.json; cp changed expected.set; cp in.json expected.in
"${xstate[@]}" set in.json mxcsr=0x1f81 --in-place > /dev/null || exit 2
cp in.json expected.inplace; cp expected.in in.json
"${xstate[@]}" convert in.json --to kvm_xsave -o expected.convert > /dev/null || exit 2
cp "${host%@*}" cpu.json
"${xstate[@]}" lint cpu.json --fix -o expected.lint > /dev/null
[ -s expected.lint ] || exit 2
"${xstate[@]}" docs -o expected.docs > /dev/null || exit 2
rm whole whole.undo.json changed
broken=0 killed=0 finished=0
complain() { broken=$((broken + 1)); echo "case $case ($verb, $signal after $delay us): $1: $(ls -A | tr '\n' ' ')"; }

for ((case = 1; case <= count; case++)); do
    signal=$( ((RANDOM % 3)) && echo KILL || { ((RANDOM % 2)) && echo TERM || echo INT; })
    # Most of a run is its start; every other case is killed in the last third, where the outputs are written.
    delay=$(((RANDOM * 32768 + RANDOM) % (took * 11 / 10)))
    ((RANDOM % 2)) && delay=$((took * 2 / 3 + delay / 3))
    verb=$((RANDOM % 9))
    case $verb in
        0) arguments=(fix in.json --on "$host" -o out) ;;
        1) arguments=(set in.json pkru=0x4 -o out) ;;
        2) printf old > out; arguments=(fix in.json --on "$host" -o out --force) ;;
        3) arguments=(set in.json mxcsr=0x1f81 --in-place) ;;
        4) arguments=(convert in.json --to kvm_xsave -o out) ;;
        5) arguments=(lint cpu.json --fix -o out) ;;
        6) cp expected fixed; cp expected.undo.json fixed.undo.json; arguments=(fix fixed --undo -o out) ;;
        7) arguments=(docs -o out) ;;
        8) cp -R expected.docs out; arguments=(docs -o out --force) ;;
    esac
    # Not in the background of this shell's job control: there SIGINT would be ignored.
    env --default-signal=INT "${xstate[@]}" "${arguments[@]}" > /dev/null 2>&1 &
    pid=$!
    sleep "$((delay / 1000000)).$(printf %06d $((delay % 1000000)))"
    # How long a run takes follows from what else the machine does now: two of three are to be killed before they end.
    if kill -"$signal" "$pid" 2> /dev/null; then
        killed=$((killed + 1)) took=$((took * 103 / 100))
    else
        finished=$((finished + 1)) took=$((took * 95 / 100))
    fi
    wait "$pid" 2> /dev/null

    cmp -s in.json expected.in || { [ "$verb" = 3 ] && cmp -s in.json expected.inplace; } || complain "the input changed"
    if [ -e out ]; then
        case $verb in
            0) cmp -s out expected && cmp -s out.undo.json expected.undo.json || complain "an output that is partial or without undo" ;;
            1) cmp -s out expected.set || complain "a partial output" ;;
            4) cmp -s out expected.convert || complain "a partial output" ;;
            5) cmp -s out expected.lint || complain "a partial output" ;;
            6) cmp -s out expected.in || complain "a partial output" ;;
            7) diff -rq out expected.docs > /dev/null || complain "a partial folder" ;;
            8) diff -rq out expected.docs > /dev/null || complain "neither the old folder nor the new one" ;;
            2) { [ "$(cat out)" = old ] || { cmp -s out expected && cmp -s out.undo.json expected.undo.json; }; } || complain "neither the old file nor the new one" ;;
        esac
    fi
    [ ! -e out.undo.json ] || cmp -s out.undo.json expected.undo.json || complain "a partial undo file"
    for left in .xstate-*; do
        [ -e "$left" ] || continue
        [ "$signal" = KILL ] || complain "a temporary file after SIG$signal"
        # One of two complete folders, for the moment between the renames; and the rest of an unfinished one.
        diff -rq "$left" expected.docs > /dev/null 2>&1 && { rm -rf "$left"; continue; }
        [ "$(stat -c %a "$left")" = "$([ -d "$left" ] && echo 700 || echo 600)" ] || complain "a temporary file that others may read"
        rm -rf "$left"
    done
    rm -rf out out.undo.json fixed fixed.undo.json
    cp expected.in in.json
done
echo "kills: $killed while it ran, $finished after it had ended, $broken promises broken"
[ "$broken" = 0 ]
