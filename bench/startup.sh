#!/bin/bash
# What a whole run of the shipped command costs beside an empty .NET program that the framework runs: processor time and wall time, taken in
# turn in one run, as ratios of each pair. Absolute times on a shared machine say nothing.
# usage: bench/startup.sh XSTATE [ROUNDS]
set -euo pipefail
xstate=$(realpath "${1:?usage: bench/startup.sh XSTATE [ROUNDS]}")
rounds=${2:-31}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/empty"
cat > "$work/empty/empty.csproj" << END
<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>
END
echo 'return 0;' > "$work/empty/Program.cs"
(cd "$work/empty" && dotnet build --configuration Release -v quiet --output "$work/out" > /dev/null)

check=(check samples/captures/leaked-pkru.json --on samples/hosts/intel-skylake-sp.json@linux-6.1.40)
# Processor and wall seconds of one run, its output away.
cost() {
    local TIMEFORMAT='%U %S %R'
    { time { "$@" > /dev/null 2>&1 || true; } 2> /dev/null; } 2>&1 | awk '{ print $1 + $2, $3 }'
}
cost "$work/out/empty" > /dev/null
cost "$xstate" --version > /dev/null
for _ in $(seq "$rounds"); do
    echo "$(cost "$work/out/empty") $(cost "$xstate" --version) $(cost "$xstate" "${check[@]}")"
done > "$work/costs"
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", v[int((NR + 1) / 2)] }'; }
echo "| run | processor time | wall time |"
echo "|---|---|---|"
for row in "--version:3:4" "check of a sample:5:6"; do
    IFS=: read -r name processor wall <<< "$row"
    echo "| $name | $(awk -v c="$processor" '{ print $c / $1 }' "$work/costs" | median) | $(awk -v c="$wall" '{ print $c / $2 }' "$work/costs" | median) |"
done
