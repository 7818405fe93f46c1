//! Everything on HTTP that is not MCP: which path is what ([`app`]), who may ask ([`guard`]), the
//! health pages ([`health`]), the pages for people ([`pages`]) and who we are ([`origin`]).
//!
//! Pure functions over a request and plain values. Never sees a session, a call or a socket.

pub mod answer;
pub mod app;
pub mod errors;
pub mod forwarded;
pub mod guard;
pub mod health;
pub mod metrics;
pub mod origin;
pub mod pages;

pub use pages::wants_html;
