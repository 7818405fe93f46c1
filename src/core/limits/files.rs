//! Bounds of configuration files and of what is kept on disk.

/// Length of mcp.json; a longer one is refused.
pub const CONFIG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Backups of mcp.json that are kept; a further one takes the place of the oldest.
pub const CONFIG_BACKUPS_MAX: usize = 20;
/// Backups of one application's files; a further one is refused until old ones are removed, for
/// the first of them is what somebody may want back years later.
pub const APP_BACKUPS_MAX: usize = 1000;
/// Between two looks at a configuration file that must agree before it is read.
pub const CONFIG_SETTLE_MS: u64 = 50;
/// How often the configuration is looked at where the system has no file events.
pub const CONFIG_STAT_EVERY_MS: u64 = 1_000;
/// Symbolic links followed for one path, as in the kernel; more count as a loop.
pub const SYMLINKS_MAX: usize = 40;
/// Length of one record of the state directory; a longer one is not kept.
pub const STATE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// State records that wait for a slow disk; a further one is dropped.
pub const STATE_WRITES_MAX: usize = 256;
/// JSON values in one configuration file; a file with more is refused. They are held as a tree
/// while the file is read.
pub const CONFIG_VALUES_MAX: usize = 1_000_000;
/// Entries of `mcpServers`; further ones are reported as problems and skipped.
pub const SERVERS_MAX: usize = 1000;
/// Problems reported for one configuration; further ones are only counted in the last.
pub const CONFIG_PROBLEMS_MAX: usize = 100;
/// Length of a server's name: what leaves room for a tool's name within `NAME_BYTES_MAX`.
pub const SERVER_NAME_BYTES_MAX: usize = 50;
/// Depth of `${A:-${B:-..}}`; a deeper one is a fault of its server.
pub const SUBSTITUTE_DEPTH_MAX: usize = 16;
/// Length of a string after substitution; a longer one is a fault of its server. Kernels refuse
/// longer arguments anyway.
pub const SUBSTITUTED_BYTES_MAX: usize = 1024 * 1024;
