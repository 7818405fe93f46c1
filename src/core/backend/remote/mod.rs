//! Sessions with servers that somebody else runs.

mod sse;
mod sse_post;
