#!/bin/bash
# Installs the .deb of a release in a fresh Debian without .NET and does there what the README says: the main command, a manual page, a
# completion; then removes it and looks for what it left. Needs root and debootstrap; without them it says so and is skipped (exit code 77).
# usage: tests/release/install-deb.sh FILE.deb
set -euo pipefail
deb=$(realpath "${1:?usage: tests/release/install-deb.sh FILE.deb}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

skip() { echo "skipped: $1"; exit 77; }
fail() { echo "failed: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || skip "a system is set up as root"
command -v debootstrap > /dev/null || { command -v apt-get > /dev/null && apt-get install -y --no-install-recommends debootstrap > /dev/null; } || skip "debootstrap is not installed"

# The archive that this machine itself installs from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase "$suite" "$root" "$mirror" > "$root.log" 2>&1 || { tail -5 "$root.log"; rm -f "$root.log"; skip "debootstrap did not make a system"; }
rm -f "$root.log"
files() { (cd "$root" && find . -xdev -not -path './proc/*' -not -path './sys/*' -not -path './var/lib/dpkg/*' -not -path './var/log/*' -not -path './var/cache/*' | sort); }

[ -z "$(chroot "$root" sh -c 'command -v dotnet || true')" ] || fail "the fresh system has .NET"
before=$(files)
cp "$deb" "$root/tmp/xstate.deb"
cp -a samples "$root/tmp/samples"
chroot "$root" dpkg --install /tmp/xstate.deb > /dev/null

# The README's first command, without the part that starts it from source.
command=$(sed -n 's/^\$ dotnet run --project src\/Xstate.Cli -- //p' README.md | head -1)
shown=$(sed -n '/^\$ dotnet run --project src\/Xstate.Cli -- /,/^```$/p' README.md | sed -n '2,/^```$/p' | sed '/^```$/,$d')
printed=$(chroot "$root" sh -c "cd /tmp && xstate $command") && fail "the README's command found nothing" || [ $? = 1 ] || fail "the README's command did not run"
[ "$shown" = "$printed" ] || { diff <(echo "$shown") <(echo "$printed"); fail "the README shows something else"; }
echo "passed: the README's command prints what the README shows"

chroot "$root" sh -c 'cd /tmp && xstate fix samples/captures/intel-for-amd.json --on samples/hosts/amd-genoa.json@linux-6.12 -o /tmp/fixed.json > /dev/null; \
    xstate fix /tmp/fixed.json --undo -o /tmp/original.json > /dev/null && cmp /tmp/original.json samples/captures/intel-for-amd.json' || fail "a repair does not come back"
echo "passed: a repair and its undo"

zcat "$root/usr/share/man/man1/xstate-check.1.gz" | grep -q '^\.SH EXIT STATUS$' || fail "there is no manual page of check"
echo "passed: manual pages"
answer=$(chroot "$root" bash -c '. /usr/share/bash-completion/completions/xstate; COMP_WORDS=(xstate chec); COMP_CWORD=1; _xstate; echo "${COMPREPLY[@]}"')
[ "$answer" = check ] || fail "bash completes chec to '$answer'"
echo "passed: completion"

chroot "$root" dpkg --purge xstate > /dev/null
rm -rf "$root/tmp/xstate.deb" "$root/tmp/samples" "$root"/tmp/fixed.json* "$root/tmp/original.json"
left=$(diff <(echo "$before") <(files) | grep '^>' || true)
[ -z "$left" ] || fail "removing the package leaves: $left"
echo "passed: nothing is left"
