//! Bounds of the directory of secrets and of the hashing thread.

/// One record of the directory of secrets; a longer one is refused when it is read.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
