#!/bin/bash
# coverage.sh [SECONDS] [FOLDER]: fuzzing that is guided by coverage. Builds the fuzz program, instruments the library and the command in a copy of it with SharpFuzz, and lets afl-fuzz (AFL++) make files for
# as long as that. FOLDER (artifacts/coverage) keeps seeds and findings, and the next run goes on with them. The exit code is 1 when a file made the program throw, and each of them is named.
set -euo pipefail
seconds=${1:-600}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(realpath -m "${2:-$root/artifacts/coverage}")
tool_version=2.3.0
command -v afl-fuzz > /dev/null || { echo "coverage.sh needs afl-fuzz (Debian: apt-get install afl++)" >&2; exit 2; }
mkdir -p "$folder"
[ -x "$folder/tool/sharpfuzz" ] || dotnet tool install SharpFuzz.CommandLine --version "$tool_version" --tool-path "$folder/tool"
dotnet build -c Release "$root/tests/Xstate.Fuzz"
rm -rf "$folder/program"
cp -r "$root/tests/Xstate.Fuzz/bin/Release/net10.0" "$folder/program"
dotnet "$folder/program/Xstate.Fuzz.dll" seeds "$folder/seeds"
export DOTNET_ROLL_FORWARD=Major
for assembly in Xstate Xstate.Cli; do
    "$folder/tool/sharpfuzz" "$folder/program/$assembly.dll"
done

# One process runs all files: what it compiled stays compiled. Without these afl-fuzz asks how cores are written and whether the program was made by its own compiler.
export AFL_SKIP_BIN_CHECK=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1 AFL_AUTORESUME=1 AFL_FORKSRV_INIT_TMOUT=120000
afl-fuzz -i "$folder/seeds" -o "$folder/found" -m none -t 5000 -V "$seconds" -- dotnet "$folder/program/Xstate.Fuzz.dll" coverage
grep -E '^(execs_done|corpus_count|edges_found|bitmap_cvg|saved_crashes|saved_hangs) ' "$folder/found/default/fuzzer_stats" | tee "$folder/summary"
crashes=$(find "$folder/found" -path '*/crashes/*' -name 'id:*')
[ -z "$crashes" ] || { echo "$crashes"; exit 1; }
