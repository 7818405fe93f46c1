//! Small tools without any knowledge of MCP or HTTP. Imports nothing else of the core but the
//! limits and the clock.

pub mod attempts;
pub mod authority;
pub mod base64;
pub mod budget;
pub mod digest;
pub mod few;
pub mod form;
pub mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod gather;
pub mod html;
pub mod mark;
pub mod origin;
pub mod outbox;
pub mod parents;
pub mod percent;
pub mod public;
pub mod quoted;
pub mod secret;
pub mod short;
pub mod slab;
pub mod timers;
pub mod unseen;
pub mod url;
pub(crate) mod word;
