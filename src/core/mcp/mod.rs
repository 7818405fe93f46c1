//! What is said in MCP, free of who says it: revisions, capabilities, method names.

pub mod capabilities;
pub mod familiar;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod headers;
pub mod levels;
pub mod meta;
pub mod modern;
pub mod names;
pub mod tasks;
pub mod version;
