# Shared by the scripts here.

skip() {
    echo "SKIPPED: ci/$(basename "$0"): $*"
    exit 0
}

# Empties a directory, and copies all files to it that git tracks or would add.
copy_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$1"
}

nightly() { rustup which --toolchain nightly "$1" 2>/dev/null; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Installs Debian's packages.
install_packages() {
    command -v apt-get >/dev/null || return
    as_root apt-get -qq update || echo 'cannot update the package lists'
    as_root apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# Unpacks rustc, cargo and the sources of std from Debian's packages into a directory, unless they
# are there already: the newest version, or the version given. Installs nothing. With these,
# nightly's cargo can build std for any target, and for sanitizers.
unpack_rustc() {
    local tools=$1 packages=$1/packages version std package
    [ ! -e "$tools/complete" ] || return 0
    command -v apt-get >/dev/null || return
    as_root apt-get -qq update || echo 'cannot update the package lists'
    version=$(apt-cache madison rustc-web | awk -v v="^${2:-}" '$3 ~ v && !n++ { print $3 }')
    [ -n "$version" ] || return
    libraries() { apt-cache depends "$1" | sed -n 's/^ *Depends: \(lib.*\)/\1/p' | grep -vE '^lib(c6|gcc-s1|stdc)'; }
    std=$(libraries "libstd-rust-web-dev=$version")
    rm -rf "$tools"
    mkdir -p "$packages"
    (cd "$packages" && apt-get -qq download "rustc-web=$version" "cargo-web=$version" \
        "libstd-rust-web-dev=$version" "rust-web-src=$version" "$std" \
        $(libraries "$std") $(libraries "cargo-web=$version")) || return
    for package in "$packages"/*.deb; do
        dpkg -x "$package" "$tools" || return
    done
    rm -rf "$packages"
    touch "$tools/complete"
}

# Makes cargo use the rustc that was unpacked to a directory.
use_rustc() {
    export RUSTC=$1/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export LD_LIBRARY_PATH=$1/usr/lib/x86_64-linux-gnu:$1/usr/lib:$1/lib/x86_64-linux-gnu
}

# Names in the stacks of leaks that are on purpose: tests forget a handle, or have payloads whose
# drop panics with another such payload.
forgetful=(whose_handle_was_forgotten Aftershock)

# Sets `suites` to cargo's options for the named test files. `lib` stands for the unit tests.
# Without names, chooses all files except
# - compile_fail, which runs cargo itself,
# - costs, whose counts a checker changes,
# - detach, which replaces a function of the C library, as checkers do,
# - soak, which runs for a fixed time,
# - deterministic, whose schedules a checker does not change.
# Some files need features.
choose_suites() {
    local name names=("$@")
    if [ $# = 0 ]; then
        names=(lib)
        for name in tests/*.rs tests/*/main.rs; do
            name=${name#tests/} name=${name%/main.rs} name=${name%.rs}
            [[ $name =~ ^(compile_fail|costs|detach|soak|deterministic)$ ]] || names+=("$name")
        done
    fi
    suites=()
    for name in "${names[@]}"; do
        if [ "$name" = lib ]; then suites+=(--lib); else suites+=(--test "$name"); fi
    done
}
