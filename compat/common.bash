# Shared by the scripts here.

# Options for cargo that replace rayon-core by the drop-in.
patch=(--config "patch.crates-io.rayon-core.path=\"$PWD/compat/rayon-core\"")

target_directory() { echo "${CARGO_TARGET_DIR:-$PWD/target}"; }

in_directory() (
    cd "$1"
    shift
    "$@"
)

# Prints where cargo keeps the sources of a dependency of the root package.
package_directory() {
    cargo metadata --format-version 1 --locked |
        grep -oE '"manifest_path":"[^"]*/'"$1"'-[0-9][^"/]*/Cargo.toml"' | cut -d'"' -f4 | xargs dirname
}

# Whether a lock file names the drop-in, which is a package without a source. If cargo does not use
# the patch, it only warns.
uses_drop_in() {
    awk '/^name = / { here = ($3 == "\"rayon-core\""); found = found || here }
        /^source = / && here { sourced = 1 }
        END { exit !(found && !sourced) }' "$1"
}
