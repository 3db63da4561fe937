# What the scripts share: where things are, and that the patch is used.

# Options for cargo that put the drop-in in the place of rayon-core.
patch=(--config "patch.crates-io.rayon-core.path=\"$PWD/compat/rayon-core\"")

target_directory() { echo "${CARGO_TARGET_DIR:-$PWD/target}"; }

in_directory() (
    cd "$1"
    shift
    "$@"
)

# Where cargo keeps the sources of a package that the root package depends on.
package_directory() {
    cargo metadata --format-version 1 --locked |
        grep -oE '"manifest_path":"[^"]*/'"$1"'-[0-9][^"/]*/Cargo.toml"' | cut -d'"' -f4 | xargs dirname
}

# Whether a lock file has the drop-in: a package without a source, where cargo only warns of a patch
# that is not used.
uses_drop_in() {
    awk '/^name = / { here = ($3 == "\"rayon-core\""); found = found || here }
        /^source = / && here { sourced = 1 }
        END { exit !(found && !sourced) }' "$1"
}
