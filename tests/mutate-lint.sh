#!/bin/bash
# Mutation run over the table of lint's rules with dotnet-stryker: see docs/lint.md. Works on a copy of what is committed, in a folder of its own.
# usage: tests/mutate-lint.sh FOLDER [options of dotnet-stryker, such as --mutate '**/Lint/AmxRules.cs']
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(realpath -m "${1:?usage: mutate-lint.sh FOLDER [options]}")
shift
[ ! -e "$folder" ] || { echo "$folder exists" >&2; exit 1; }

mkdir -p "$folder/tools"
git -C "$root" archive HEAD | tar -x -C "$folder"
dotnet tool install dotnet-stryker --version 5.1.0 --tool-path "$folder/tools"

# Only the tests of the room, so that a mutant takes seconds.
cd "$folder/tests/Xstate.Tests"
find . -mindepth 1 -maxdepth 1 -type d ! -name Lint -exec rm -r {} +
rm -f ./*Tests.cs Lint/LintViewTests.cs
dotnet restore --locked-mode

# Messages are not what a rule decides.
echo '{ "stryker-config": { "ignore-mutations": ["string"] } }' > stryker-config.json
case " $* " in *" --mutate "* | *" -m "*) ;; *) set -- --mutate '**/Lint/*Rules.cs' --mutate '**/Lint/TdxChecks.cs' "$@" ;; esac
export XSTATE_TEST_SCALE=${XSTATE_TEST_SCALE:-0.01} CI=
exec "$folder/tools/dotnet-stryker" --project Xstate.csproj --test-runner mtp --reporter json --reporter cleartext \
    --skip-version-check --config-file stryker-config.json "$@"
