//! The core of 1mcp: everything it knows about MCP, HTTP, JSON-RPC and its configuration, as one
//! function of its inputs. No I/O, no clock, no randomness, no threads, no unsafe.
//!
//! Everything that happens arrives as one [`input::Input`] at [`hub::Hub::handle`]; everything
//! that is wanted leaves as an [`effect::Effect`], and the bytes to be written stay in
//! [`links::Links`] until the shell took them. So the same hub runs under the real event loop,
//! under the simulator (`tests/sim`), under the fuzzer and in unit tests.
//!
//! The way of one `tools/call`:
//! 1. the shell reads at most 64 KiB and calls [`hub::Hub::handle`] with `Input::Bytes`;
//! 2. [`http1::server`] finds the head and the body, refuses what could be read in two ways;
//! 3. [`client`] finds the session, [`json::envelope`] the id, the method and the span of `params`;
//! 4. [`route`] looks the name up, mints an id of our own and remembers who asked;
//! 5. [`backend`] takes the spliced line into that child's outbox;
//! 6. back: [`json::newline`] -> [`json::envelope`] -> [`route`] finds the caller by our id and
//!    splices the caller's id in -> [`client`] frames it as a line, a JSON body or an SSE event.
//!
//! `tests/walkthrough.rs` walks exactly this list with one real message.
#![forbid(unsafe_code)]

pub mod backend;
pub mod base;
pub mod client;
pub mod config;
pub mod cx;
pub mod effect;
pub mod entropy;
pub mod fetch;
pub mod filter;
pub mod http1;
pub mod hub;
pub mod input;
pub mod instance;
pub mod json;
pub mod language;
pub mod limits;
pub mod links;
pub mod mcp;
pub mod now;
pub mod oauth;
pub mod principal;
pub mod route;
pub mod settings;
pub mod tally;
pub mod web;
