#!/bin/bash
# How long the published command needs to show a core of 64 GB and a stream of 8 GB, beside its own start on a file of a few KB: the difference is what the size costs. Files are sparse; nothing here is a test.
#
#   bench/show-large-files.sh [ROUNDS]
#
# The stream is a real one with 8 GB put behind its first page; it needs the shared data beside the repository (XSTATE_SHARED) and is left out without.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-15}
shared=${XSTATE_SHARED:-$root/../shared}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

dotnet publish "$root/src/Xstate.Cli" -c Release -o "$work/published" -v q --nologo >/dev/null
small=$work/small.core
large=$work/large.core
gunzip -c "$root/tests/Xstate.Tests/Artifacts/ElfCore/data/zen4-kernel618-3threads-x86_64.core.gz" >"$small"

# Header 1 of the program headers is the first mapping; its p_filesz becomes 64 GB, which follow the end of the file.
cp "$small" "$large"
end=$(stat -c %s "$large")
word() { for ((i = 0; i < 8; i++)); do printf "\\x$(printf %02x $((($1 >> (8 * i)) & 255)))"; done; }
word "$end" | dd of="$large" bs=1 seek=$((64 + 56 + 8)) conv=notrunc status=none
word $((64 << 30)) | dd of="$large" bs=1 seek=$((64 + 56 + 32)) conv=notrunc status=none
truncate -s $((end + (64 << 30))) "$large"
files=("$small" "$large")

packed=$shared/data/qemu/q100-pc-kvm-host-s5.mig.gz
if [[ -e $packed ]]; then
    gunzip -c "$packed" >"$work/small.stream"
    head -c 4096 "$work/small.stream" >"$work/large.stream"
    truncate -s $((4096 + (8 << 30))) "$work/large.stream"
    tail -c +4097 "$work/small.stream" >>"$work/large.stream"
    files+=("$work/small.stream" "$work/large.stream")
fi

# The median of all rounds, in milliseconds; the files take turns, so that whatever else runs hits all of them.
declare -A times
for ((round = 0; round < rounds; round++)); do
    for file in "${files[@]}"; do
        start=$(date +%s%N)
        "$work/published/xstate" show "$file" >"$work/out.$(basename "$file")"
        times[$file]+="$((($(date +%s%N) - start) / 10000)) "
    done
done
median() { tr ' ' '\n' <<<"$1" | grep . | sort -n | sed -n "$((rounds / 2 + 1))p"; }
for kind in core stream; do
    [[ -e $work/small.$kind ]] || continue
    diff <(tail -n +3 "$work/out.small.$kind") <(tail -n +3 "$work/out.large.$kind") >/dev/null || echo "$kind: the registers shown differ" >&2
    s=$(median "${times[$work/small.$kind]}")
    l=$(median "${times[$work/large.$kind]}")
    printf '%s: %s bytes in %d.%02d ms, %s bytes in %d.%02d ms, ratio %d.%02d\n' "$kind" \
        "$(stat -c %s "$work/large.$kind")" $((l / 100)) $((l % 100)) "$(stat -c %s "$work/small.$kind")" $((s / 100)) $((s % 100)) $((l / s)) $((l * 100 / s % 100))
done
