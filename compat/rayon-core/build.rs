//! Cargo requires a build script in a package that sets `links`. `links` keeps a program from
//! depending on two versions of rayon-core.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
