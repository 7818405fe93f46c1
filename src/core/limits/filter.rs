//! Bounds of filters and presets.

/// Length of one filter expression; a longer one is refused with 400, or as wrong usage.
pub const FILTER_BYTES_MAX: usize = 2_000;
/// Tags in one; with more it is refused as a longer one is. Every session may have another one, and
/// every server is held against it: one more than this helps nobody to choose.
pub const FILTER_TAGS_MAX: usize = 100;
/// Depth of parentheses in one; a deeper one is refused as a longer one is.
pub const FILTER_DEPTH_MAX: usize = 32;
/// Queries of URLs whose meaning is kept; of another one it is worked out anew, and the one that
/// was kept for longest is forgotten.
pub const FILTERS_KNOWN_MAX: usize = 16;
/// Presets in one file; the others are left out with a warning.
pub const PRESETS_MAX: usize = 500;
/// Operators and tags in the query of one preset, more than an expression has room for; a preset
/// with more is left out with a warning.
pub const PRESET_PARTS_MAX: usize = FILTER_BYTES_MAX;
