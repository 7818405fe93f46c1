//! The fixture server by itself, in both eras, on a pipe and over HTTP: what the gateway is tested
//! with is tested first. Every message that arrives is checked against its revision's schema.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../schema/check.rs"]
mod check;
mod checked;
mod handshake;
mod headers;
mod listening;
mod pipe;
mod requests;
mod rounds;
mod tasks;
mod web;
