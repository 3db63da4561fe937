//! What a debugger can call in a process that is stuck.
#![allow(unsafe_code)]

use crate::os::write_error;

/// Writes [`dump`](crate::dump()) to the standard error stream. The name has the version in it, as
/// a program may have several of this crate. (Of one version, two copies with this do not link:
/// hence the feature.)
#[unsafe(export_name = concat!("filch_dump_", env!("CARGO_PKG_VERSION_MAJOR"), "_", env!("CARGO_PKG_VERSION_MINOR")))]
extern "C" fn filch_dump() {
    write_error(&super::dump().to_string());
}

/// Keeps the linker from leaving it out.
#[used]
static FOR_DEBUGGERS: extern "C" fn() = filch_dump;
