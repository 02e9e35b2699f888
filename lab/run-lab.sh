#!/bin/bash
# Boots a Debian kernel in QEMU and runs one command in it. See README.md beside this file.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$(realpath -m "${XSTATE_LAB_CACHE:-$root/artifacts/lab}")
kernel=6.12
# Where a series is looked for that the machine's own sources do not have, in this order: short lists before long ones. Testing, unstable and experimental are asked when they are named.
suites=${XSTATE_LAB_SUITES:-bullseye-security bookworm-security bookworm-backports trixie-security trixie-backports bullseye bookworm trixie}
fetch=
debs=()
timeout=300
memory=1536
processors=1
cpu=max
out=
console=
publish=()
published=()
copies=()
environment=()

usage() {
    cat <<'TEXT'
usage: lab/run-lab.sh [options] -- COMMAND [ARGUMENT…]
  --kernel SERIES      Debian kernel series, such as 5.10 or 6.12 (default 6.12), or one release of it, such as 6.18.9:
                       the newest of the machine's own apt sources, else of the suites
  --suites "NAME…"     the suites of Debian's archive that are asked, first come first taken, such as "testing unstable"
                       (default: those of Debian 11, 12 and 13, or $XSTATE_LAB_SUITES); nothing is configured for it
  --fetch              only downloads and unpacks the kernel and prints its release; exit code 125 when it is not to be had
  --deb FILE|URL       a linux-image-…-amd64 package instead; from 6.19 on Debian has it in two, linux-binary-… and
                       linux-modules-… (repeatable)
  --publish PROJECT    publishes a project for the guest; its folder is on PATH there (repeatable)
  --published FOLDER   takes a folder that was published before, under its own name (repeatable)
  --copy PATH          copies a file or folder: inside the repository to the same place below /opt, elsewhere to its
                       own path; programs bring their shared libraries (repeatable)
  --env NAME=VALUE     sets an environment variable for the command (repeatable)
  --out FOLDER         where the files that the command leaves in /out are put
  --console FILE       where the console log is kept (default: a file in the cache, shown when the run fails)
  --timeout SECONDS    limit of the whole run (default 300)
  --memory MIB, --smp N, --cpu MODEL   of the virtual machine (1536, 1, max)
Exit code: the command's; 124 when the limit was reached, 125 when the kernel panicked or the lab could not start.
TEXT
}

fail() {
    echo "lab: $*" >&2
    exit 125
}

while [ $# -gt 0 ]; do
    case $1 in
        --kernel) kernel=$2; shift 2 ;;
        --suites) suites=$2; shift 2 ;;
        --fetch) fetch=yes; shift ;;
        --deb) debs+=("$2"); shift 2 ;;
        --publish) publish+=("$2"); shift 2 ;;
        --published) published+=("$2"); shift 2 ;;
        --copy) copies+=("$2"); shift 2 ;;
        --env) environment+=("$2"); shift 2 ;;
        --out) out=$2; shift 2 ;;
        --console) console=$2; shift 2 ;;
        --timeout) timeout=$2; shift 2 ;;
        --memory) memory=$2; shift 2 ;;
        --smp) processors=$2; shift 2 ;;
        --cpu) cpu=$2; shift 2 ;;
        --help | -h) usage; exit 0 ;;
        --) shift; break ;;
        *) usage >&2; fail "unknown option $1" ;;
    esac
done
[ $# -gt 0 ] || [ -n "$fetch" ] || { usage >&2; fail "no command"; }

# What the lab needs from the distribution. Installed only when something is missing.
install_tools() {
    local missing=() pair
    for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio xz:xz-utils zstd:zstd dpkg-deb:dpkg; do
        command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "lab: installing ${missing[*]}" >&2
        {
            apt-get update
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
        } > "$cache/apt.log" 2>&1 || { tail -20 "$cache/apt.log" >&2; fail "apt-get could not install ${missing[*]}"; }
    fi
}

# Asks apt about one suite without touching what this machine has configured: the package lists and the sources are in a folder of the cache. An empty suite is the machine's own sources.
apt_in() {
    local suite=$1 command=$2 folder=$cache/apt/$1
    shift 2
    [ -n "$suite" ] || { "$command" "$@"; return; }
    "$command" -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Check-Valid-Until=false -o APT::Update::Post-Invoke-Success=/bin/true -o APT::Sandbox::User=root "$@"
}

# The mirror that this machine's own sources name for an origin's label: "Debian" or "Debian-Security". Nothing when it has none.
mirror_of() {
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2> /dev/null | sed -n "s/^Debian|$1|//p" | head -1
}

# Fetches the package list of a suite from the same mirror as the machine's own; a list of the last day is taken again.
# A suite that is no longer renewed is still wanted, so its date is not looked at; its signature is.
update_suite() {
    local suite=$1 folder=$cache/apt/$1 label=Debian mirror keyring signed=
    case $suite in *-security) label=Debian-Security ;; esac
    mirror=$(mirror_of "$label")
    if [ -z "$mirror" ]; then
        apt-get update > "$cache/apt.log" 2>&1 || true
        mirror=$(mirror_of "$label")
    fi
    [ -n "$mirror" ] || { echo "lab: this machine's apt sources name no mirror of $label, so $suite cannot be asked" >&2; return 1; }
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        [ ! -e "$keyring" ] || signed=" signed-by=$keyring"
    done
    mkdir -p "$folder"/{lists,archives}/partial
    echo "deb [arch=amd64$signed] $mirror $suite main" > "$folder/sources.list"
    [ -z "$(find "$folder" -maxdepth 1 -name updated -mtime -1)" ] || return 0
    apt_in "$suite" apt-get update > "$folder/log" 2>&1 || { tail -3 "$folder/log" >&2; return 1; }
    touch "$folder/updated"
}

# The newest cloud kernel of a series in a suite; the metapackages, which have no release in their names, are none.
newest_package() {
    local pattern="^linux-image-${2//./\\.}([.+-][^ ]*)?-cloud-amd64\$"
    apt_in "$1" apt-cache search --names-only "$pattern" | grep -v '(meta-package)' | cut -d' ' -f1 | sort -V | tail -1
}

# Sets $package and $suite to where the series is found first: the machine's own sources, then the suites.
find_kernel() {
    suite=
    package=$(newest_package "" "$kernel")
    [ -z "$package" ] || return 0
    apt-get update > "$cache/apt.log" 2>&1 || true
    package=$(newest_package "" "$kernel")
    [ -z "$package" ] || return 0
    for suite in $suites; do
        update_suite "$suite" || continue
        package=$(newest_package "$suite" "$kernel")
        [ -z "$package" ] || return 0
    done
    return 1
}

# Sets $deb to the file of a package, downloaded unless the cache has it.
download_package() {
    local log=$cache/apt.log
    mkdir -p "$cache/deb"
    deb=$(find "$cache/deb" -name "$1_*.deb" | sort -V | tail -1)
    [ -z "$deb" ] || return 0
    (cd "$cache/deb" && apt_in "$suite" apt-get download "$1" > "$log" 2>&1) || { tail -5 "$log" >&2; fail "apt-get could not download $1"; }
    deb=$(find "$cache/deb" -name "$1_*.deb" | sort -V | tail -1)
    [ -n "$deb" ] || fail "apt-get left no file of $1"
}

# Sets $debs to the package files of the series: one up to 6.18, then one of the image, one of the modules and an empty one that needs the two.
download_kernel() {
    local package suite deb part
    find_kernel || fail "neither the apt sources nor $suites have a cloud kernel $kernel; name suites with --suites or XSTATE_LAB_SUITES, or give a package with --deb"
    download_package "$package"
    debs=("$deb")
    for part in $(dpkg-deb --field "$deb" Depends | tr ',' '\n' | sed -nE 's/^ *(linux-(binary|modules)-[^ ]*).*/\1/p'); do
        download_package "$part"
        debs+=("$deb")
    done
}

# Sets $unpacked to the folder of the unpacked packages, and $image to the kernel in it.
unpack_kernel() {
    local deb file files=()
    for deb in "${debs[@]}"; do
        case $deb in
            http://* | https://*)
                mkdir -p "$cache/deb"
                file="$cache/deb/${deb##*/}"
                [ -s "$file" ] || curl -fsSL -o "$file" "$deb" || fail "could not download $deb"
                deb=$file
                ;;
        esac
        [ -f "$deb" ] || fail "no package $deb"
        files+=("$deb")
    done
    unpacked=$cache/kernel/$(basename "${files[0]}" .deb)
    if [ ! -d "$unpacked" ]; then
        mkdir -p "$cache/kernel"
        rm -rf "$unpacked.part"
        for deb in "${files[@]}"; do
            dpkg-deb -x "$deb" "$unpacked.part" || fail "$deb is not a package"
        done
        mv "$unpacked.part" "$unpacked"
    fi
    image=$(find "$unpacked" -name 'vmlinuz*' -type f | head -1)
    [ -n "$image" ] || fail "${debs[*]} has no kernel image"
}

# Adds a module after those it depends on; one that the kernel has built in is not there.
add_module() {
    local name=${1//_/-} file plain dependency
    case " ${modules[*]-} " in *" $name "*) return ;; esac
    file=$(find "$unpacked" -name "$name.ko*" -o -name "${name//-/_}.ko*" | head -1)
    [ -n "$file" ] || return 0
    mkdir -p "$tree/lab/modules"
    plain=$tree/lab/modules/$name.ko
    case $file in
        *.xz) xz -dc "$file" > "$plain" ;;
        *.zst) zstd -qdc "$file" > "$plain" ;;
        *) cp "$file" "$plain" ;;
    esac
    for dependency in $(tr '\0' '\n' < "$plain" | sed -n 's/^depends=//p' | tr ',' ' '); do
        add_module "$dependency"
    done
    modules+=("$name")
}

# Copies the shared libraries that programs below a folder need to their own paths.
add_libraries() {
    local library
    # ldd says no to scripts and the like.
    { find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -print0 | xargs -0 -r ldd 2> /dev/null || true; } \
        | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/lib[^ ]*\) .*/\1/p' | sort -u \
        | while read -r library; do
            [ -e "$tree$library" ] || install -D "$library" "$tree$library"
        done
}

# .NET opens the distribution's OpenSSL by name, so ldd does not see it; test frameworks hash with it.
add_openssl() {
    local library
    for library in $(ldconfig -p | sed -n 's/.*libssl\.so\.[0-9.]* .*x86-64.*=> //p' | tail -1); do
        install -D "$library" "$tree$library"
        add_libraries "$tree$library"
    done
}

# A project for the guest: self-contained, ahead-of-time compiled, and trimmed unless it is a test project. Built apart from the ordinary build, whose lock files have no runtime.
publish_project() {
    local project=$root/$1 name trim=true
    name=$(basename "$1")
    case $1 in tests/*) trim=false ;; esac
    dotnet publish "$project" --configuration Release --runtime linux-x64 --self-contained \
        -p:PublishTrimmed=$trim -p:PublishReadyToRun=true -p:DebugType=embedded \
        --artifacts-path "$cache/build" "-p:NuGetLockFilePath=$cache/build/$name.lock.json" \
        --output "$cache/publish/$name" > "$cache/publish-$name.log" 2>&1 || { tail -30 "$cache/publish-$name.log" >&2; fail "could not publish $1"; }
    published+=("$cache/publish/$name")
}

build_tree() {
    local folder name path
    mkdir -p "$tree"/{bin,proc,sys,dev,tmp,out,root,etc,lab,opt}
    install "$(command -v busybox)" "$tree/bin/busybox"
    install "$root/lab/guest-init.sh" "$tree/init"

    echo 'root:x:0:0:root:/root:/bin/sh' > "$tree/etc/passwd"
    echo 'root:x:0:' > "$tree/etc/group"

    # Tests find the repository by this file.
    install -m 644 "$root/Xstate.slnx" "$tree/opt/Xstate.slnx"
    guest_path=/bin:/usr/bin
    for folder in "${published[@]}"; do
        name=$(basename "$folder")
        cp -r "$folder" "$tree/opt/$name"
        rm -f "$tree/opt/$name"/{libmscordbi.so,libmscordaccore.so,libcoreclrtraceprovider.so}
        guest_path=$guest_path:/opt/$name
    done
    for path in "${copies[@]}"; do
        path=$(realpath "$path")
        case $path in
            "$root"/*) mkdir -p "$tree/opt/$(dirname "${path#"$root"/}")"; cp -rL "$path" "$tree/opt/${path#"$root"/}" ;;
            *) mkdir -p "$tree$(dirname "$path")"; cp -rL "$path" "$tree$path"; add_libraries "$tree$path" ;;
        esac
    done
    add_libraries "$tree/opt"
    if [ -n "$(find "$tree/opt" -name 'libSystem.Security.Cryptography.Native.OpenSsl.so')" ]; then
        add_openssl
    fi

    modules=()
    for name in irqbypass rng-core ccp kvm kvm-amd kvm-intel; do
        add_module "$name"
    done
    printf '%s\n' "${modules[@]}" > "$tree/lab/modules.list"
    {
        echo '#!/bin/busybox sh'
        printf 'export PATH=%q\n' "$guest_path"
        for name in "${environment[@]}"; do
            printf 'export %q\n' "$name"
        done
        printf 'exec'
        printf ' %q' "$@"
        echo
    } > "$tree/lab/command"
    chmod +x "$tree/lab/command" "$tree/init"
    (cd "$tree" && find . -print0 | cpio --null -o -H newc --quiet) > "$work/initramfs.cpio"
}

stop_machine() {
    if [ -n "${qemu:-}" ] && kill -0 "$qemu" 2> /dev/null; then
        kill "$qemu" 2> /dev/null || true
        wait "$qemu" 2> /dev/null || true
    fi
}

show_console() {
    echo "lab: the console said (all of it is in $console):" >&2
    tail -40 "$console" | tr -d '\r' >&2
}

mkdir -p "$cache"
work=$(mktemp -d "${TMPDIR:-/tmp}/xstate-lab.XXXXXX")
trap 'stop_machine; rm -rf "$work"' EXIT
tree=$work/tree
install_tools
[ ${#debs[@]} -gt 0 ] || download_kernel
unpack_kernel
[ -z "$fetch" ] || { basename "$(find "$unpacked" -path '*/lib/modules/*' -type d -prune | head -1)"; exit 0; }
for project in "${publish[@]}"; do
    publish_project "${project%/}"
done
build_tree "$@"

mkdir -p "$cache/console"
console=${console:-$cache/console/$(basename "$unpacked")-$$.log}
output=$work/output
results=$work/results.tar
: > "$console"
: > "$output"
started=$SECONDS
qemu-system-x86_64 -M q35 -cpu "$cpu" -accel tcg -m "$memory" -smp "$processors" -display none -monitor none -no-reboot -nodefaults \
    -serial "file:$console" -serial "file:$output" -serial "file:$results" \
    -kernel "$image" -initrd "$work/initramfs.cpio" -append "console=ttyS0 panic=-1 rdinit=/init loglevel=5" < /dev/null &
qemu=$!

# Everything up to the marker is the command's; it appears as it comes.
tail -n +1 -f --pid="$qemu" "$output" 2> /dev/null | sed -u -e '/^$/{N;/^\n@@xstate-lab exit /d}' -e '/^@@xstate-lab exit /,$d' &
shown=$!
status=125
while kill -0 "$qemu" 2> /dev/null; do
    if grep -aq 'Kernel panic - not syncing' "$console"; then
        sleep 1
        stop_machine
        break
    fi
    if [ $((SECONDS - started)) -ge "$timeout" ]; then
        status=124
        stop_machine
        break
    fi
    sleep 0.2
done
wait "$qemu" 2> /dev/null || true
qemu=
wait "$shown" || true

if answer=$(grep -a '^@@xstate-lab exit ' "$output" | tail -1) && [ -n "$answer" ]; then
    status=${answer##* }
    if [ -n "$out" ] && [ -s "$results" ]; then
        mkdir -p "$out"
        tar -xzf "$results" -C "$out" || fail "the results came back damaged"
    fi
elif [ "$status" = 124 ]; then
    echo "lab: not finished after $timeout seconds" >&2
    show_console
elif grep -aq 'Kernel panic - not syncing' "$console"; then
    echo "lab: the kernel panicked" >&2
    show_console
else
    echo "lab: the machine stopped before the command ended" >&2
    show_console
fi

# A command may succeed although the kernel complained on its way.
if grep -aqE 'BUG:|WARNING:|Oops:|Bad FPU state' "$console"; then
    echo "lab: the kernel complained" >&2
    show_console
    [ "$status" != 0 ] || status=125
fi
exit "$status"
