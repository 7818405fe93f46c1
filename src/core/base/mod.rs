//! Small tools without any knowledge of MCP or HTTP. Imports nothing else of the core but the
//! limits and the clock.

pub mod base64;
pub mod budget;
pub mod few;
pub mod frame;
pub mod gather;
pub mod mark;
pub mod outbox;
pub mod short;
pub mod slab;
pub mod timers;
pub(crate) mod word;
