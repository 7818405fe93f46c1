//! Servers that somebody else runs, in memory: `Effect::Open` finds one of the *sites* of the
//! world by host and port, each connection is a link whose requests are read whole, and what comes
//! back is said byte by byte.
//!
//! A site is a small well-behaved MCP server, of either era, over Streamable HTTP or HTTP+SSE, that
//! answers what its [`Script`](crate::server::Script) answers and leaves everything else to the
//! test:
//!
//! ```text
//! let mut w = World::http().remote("r", far(tools(["t"]))).start();     // http://r.test/mcp
//! let a = w.client("{}");
//! let call = a.call(&mut w, "r_1mcp_t", "{}");
//! let seen = w.site("r").expect(&mut w, "tools/call");   // a request without an answer so far
//! seen.result(&mut w, "{}");                             // as JSON; after `begins`: as an event
//! ```
//!
//! What goes wrong: `site.unreachable(..)` for connections, `site.breaks(&mut w, Of::All, act)` for
//! answers, `seen.raw(..)`, `seen.resets(..)`, `seen.closes(..)` by hand, `site.forgets_sessions`,
//! `site.restarts(script)`; `site.heals(&mut w)` ends all of it.

mod handle;
mod issuer;
mod legacy;
mod modern;
mod net;
mod request;
mod selftest;
mod site;
mod wire;

pub(crate) use handle::{Asked, Site};
pub(crate) use issuer::ISSUER;
pub(crate) use net::Net;
pub(crate) use site::{Act, End, Lost, Of, SiteState, far, proxy};
pub(crate) use wire::{chunk, event, response, stream_head};
