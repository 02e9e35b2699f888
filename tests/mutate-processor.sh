#!/bin/bash
# Mutation run over the Processor room with dotnet-stryker: see docs/processor/mutation.md. Works on a copy of what is committed, in a folder of its own.
# usage: tests/mutate-processor.sh FOLDER [options of dotnet-stryker, such as --mutate '**/Processor/X87Image.cs']
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(realpath -m "${1:?usage: mutate-processor.sh FOLDER [options]}")
shift
[ ! -e "$folder" ] || { echo "$folder exists" >&2; exit 1; }

mkdir -p "$folder/tools"
git -C "$root" archive HEAD | tar -x -C "$folder"
dotnet tool install dotnet-stryker --version 5.1.0 --tool-path "$folder/tools"

# Only the tests of the room, so that a mutant takes seconds; the comparison with the processor joins them, at a thousandth of its cases.
cd "$folder/tests/Xstate.Tests"
find . -mindepth 1 -maxdepth 1 -type d ! -name Processor -exec rm -r {} +
rm -f ./*Tests.cs Processor/DocumentationTests.cs
mkdir Native
cp ../Xstate.Linux.Tests/Processor/ProcessorComparisonTests.cs Native/
dotnet add reference ../../src/Xstate.Linux/Xstate.Linux.csproj
dotnet restore -p:RestoreLockedMode=false --force-evaluate

# Patterns add up, so the room is the default only where none is given.
case " $* " in *" --mutate "* | *" -m "*) ;; *) set -- --mutate '**/Processor/**/*.cs' "$@" ;; esac
export XSTATE_TEST_SCALE=${XSTATE_TEST_SCALE:-0.001} CI=
exec "$folder/tools/dotnet-stryker" --project Xstate.csproj --test-runner mtp --reporter json --reporter cleartext \
    --skip-version-check "$@"
