//! Bounds of the directory of secrets and of the hashing thread.

/// One record of the directory of secrets; a longer one is refused when it is read.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records that are read; further ones are told of in the log and count as not there. There is one
/// for each protected server.
pub const RECORDS_MAX: usize = 2_048;
/// Orders about records that wait or are under way; one more fails with a sentence.
pub const RECORD_ORDERS_MAX: usize = 1_024;
/// Threads that lock, read and write records; further orders wait. Each may hang on a slow disk, or
/// on the lock of another process.
pub const RECORD_THREADS_MAX: usize = 16;
/// How long the lock of another process is waited for; then the order fails with a sentence. A
/// refresh of a token, which may take as long as an exchange may, is done under such a lock.
pub const RECORD_LOCK_MS_MAX: u64 = 45_000;
/// The same for a command, before which a person sits.
pub const RECORD_LOCK_COMMAND_MS_MAX: u64 = 10_000;
/// How often a new password is stretched: what OWASP wants of PBKDF2-HMAC-SHA256.
pub const PASSWORD_ROUNDS: u32 = 600_000;
/// Length of a password that a person chooses; a shorter one is refused.
pub const PASSWORD_CHARS_MIN: usize = 8;
