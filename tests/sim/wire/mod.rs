//! Small strict readers of what the hub writes. They share no code with it: what both got wrong in
//! the same way would look right.

pub(crate) mod http;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod sse;
