//! Bounds of connections that we open: looking up, connecting, keeping.

use crate::limits::OPEN_MS_MAX;

/// How long the resolver may take for one name; then that name has no address.
pub const LOOKUP_MS_MAX: u64 = 5_000;
/// Names that the resolver is asked for at once, each on a thread; further ones wait.
pub const LOOKUPS_MAX: usize = 16;
/// Threads that the resolver still holds although they were given up; while there are so many, no
/// other is started.
pub const LOOKUPS_HUNG_MAX: usize = 16;
/// Names that wait for the resolver; one more fails.
pub const LOOKUPS_WAITING_MAX: usize = 1024;
/// Names that hung and are remembered for it; of more the oldest is forgotten.
pub const LOOKUPS_SUSPECT_MAX: usize = 64;
/// Connections that are being opened; one more fails.
pub const DIALS_MAX: usize = 4096;
/// A connection that we opened and on which nothing was said for this long is asked whether the
/// peer is still there: servers may keep a stream silent for days, dead peers do too.
pub const PROBE_IDLE_S: u32 = 30;
/// From one such question to the next.
pub const PROBE_EVERY_S: u32 = 10;
/// Questions without an answer that end the connection.
pub const PROBES_MAX: u32 = 3;
/// What we sent and the peer's machine has not acknowledged for this long ends the connection.
pub const UNACKNOWLEDGED_MS_MAX: u32 = 60_000;
/// Bytes of one write that are sealed at once. As many may lie sealed while the kernel refuses
/// them.
pub const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What a server may send until the handshake is done; more fails it. Chains of certificates have
/// some kilobytes.
pub const HANDSHAKE_BYTES_MAX: usize = 256 * 1024;
/// Servers whose last TLS session is remembered, so that the next connection needs less.
pub const TLS_SESSIONS_MAX: usize = 32;
/// Length of a file of certificates; a longer one is refused. Those of whole systems have some
/// hundred kilobytes.
pub const CA_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(LOOKUP_MS_MAX < OPEN_MS_MAX);
