# Shared by the scripts here: how to skip, how to copy the tree, and which tests to run.

skip() {
    echo "SKIPPED: ci/$(basename "$0"): $*"
    exit 0
}

# Empties the directory, and copies into it all files that git tracks or would add.
copy_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$1"
}

# Tests that leak on purpose: they forget a handle, or have payloads whose drop panics again and
# again.
forgetful=(leave_the_seat whose_handle_was_forgotten Aftershock)

# Sets `suites` to cargo's options for the named test files; `lib` stands for the unit tests.
# Without names: all files, except compile_fail (which runs cargo itself), costs (which counts what
# a checker adds to), and deterministic (which needs a feature).
choose_suites() {
    local name names=("$@")
    if [ $# = 0 ]; then
        names=(lib)
        for name in tests/*.rs tests/*/main.rs; do
            name=${name#tests/} name=${name%/main.rs} name=${name%.rs}
            [[ $name =~ ^(compile_fail|costs|deterministic)$ ]] || names+=("$name")
        done
    fi
    suites=()
    for name in "${names[@]}"; do
        if [ "$name" = lib ]; then suites+=(--lib); else suites+=(--test "$name"); fi
    done
}
