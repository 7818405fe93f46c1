//! Bounds of what is counted.

/// Pairs of server and tool that are counted apart; further tools count together, without a name.
pub const METRIC_TOOLS_MAX: usize = 2_000;
