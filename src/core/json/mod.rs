//! JSON as bytes: where a value lies, what a message says on its envelope, how lines are framed,
//! how a string is written. Never a tree: payloads are not ours to understand.

pub mod cuts;
#[cfg(test)]
mod differential;
pub mod envelope;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod id;
pub mod newline;
mod scan;
pub mod span;
pub mod write;
