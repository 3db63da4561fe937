//! A dump that a debugger can call in a process that hangs.
#![allow(unsafe_code)]

use crate::os::write_error;

/// Writes [`dump`](crate::dump()) to standard error. The name contains the version, since a program
/// may contain several versions of this crate. (Two copies of one version would not link with this,
/// hence the feature.)
#[unsafe(export_name = concat!(
    "filch_dump_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    "_",
    env!("CARGO_PKG_VERSION_MINOR"),
))]
extern "C" fn filch_dump() {
    write_error(&super::dump().to_string());
}

/// Keeps the linker from removing it.
#[used]
static FOR_DEBUGGERS: extern "C" fn() = filch_dump;
