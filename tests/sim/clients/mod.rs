//! Scripted MCP clients: on `/mcp`, on `/sse`, or at our own stdin. All draw their ids, tokens and
//! names from the same small pools, so that everything collides with everything.

pub(crate) mod described;
pub(crate) mod exchange;
pub(crate) mod hearing;
pub(crate) mod odd;
pub(crate) mod requests;
pub(crate) mod rounds;
pub(crate) mod stateless;
pub(crate) mod stateless_hearing;
pub(crate) mod stdio;
pub(crate) mod talk;
pub(crate) mod web;
pub(crate) mod web_hearing;
pub(crate) mod web_moves;
