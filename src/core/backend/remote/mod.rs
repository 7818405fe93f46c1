//! Sessions with servers that somebody else runs.

#[cfg_attr(not(test), expect(dead_code, reason = "no session takes it yet"))]
mod sse;
