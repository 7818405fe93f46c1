//! The built binary from outside: real pipes, sockets, terminals, signals and children, with the
//! fixture server behind it.

mod configuration;
mod faults;
mod gateway;
mod own_stdio;
mod signals;
