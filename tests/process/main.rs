//! The built binary from outside: real pipes, sockets, terminals, signals and children, with the
//! fixture server behind it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed, also in its helpers"
)]

mod configuration;
mod faults;
mod gateway;
mod own_stdio;
mod signals;
mod stopping;
