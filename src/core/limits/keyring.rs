//! Bounds of the client of protected servers.

/// How long the owner has from the click on Authorize until he comes back (protocol S12).
pub const FLOW_MS_MAX: u64 = 600_000;
