//! Variables of our own environment that are for us alone.

use std::env;
use std::ffi::OsString;

/// Takes a variable out, so that no child inherits it. To be called before the first thread is
/// started: nobody else may be looking at the environment meanwhile.
pub(crate) fn take_variable(name: &str) -> Option<OsString> {
    let value = env::var_os(name);
    if value.is_some() {
        // SAFETY: the caller promises that this is the only thread.
        unsafe { env::remove_var(name) };
    }
    value
}
