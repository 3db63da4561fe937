//! Cargo wants a build script where a package says `links`, which keeps a program from having two
//! packages of this name.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
