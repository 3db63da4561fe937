# What the scripts here share: how to skip, a copy of the tree, and which tests to run.

skip() {
    echo "SKIPPED: ci/$(basename "$0"): $*"
    exit 0
}

# Copies what git knows or would add to the directory, which is emptied first.
copy_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$1"
}

# For checkers of leaks: tests of which a handle is forgotten, and payloads that are leaked since their drop
# panics again without end.
forgetful=(leave_the_seat whose_handle_was_forgotten Aftershock)

# Sets `suites` to cargo's options for the named test files, `lib` being the unit tests; for all
# if none is named, but for compile_fail, which runs cargo itself, costs, which counts what a checker
# adds to, and deterministic, whose tests need a feature of that name.
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
