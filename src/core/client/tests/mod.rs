//! The whole room, driven as the hub drives it: bytes in, events out, bytes out. One file per
//! checklist of protocol.md.

mod auth;
mod filters;
mod kit;
mod large;
mod leaving;
mod limits;
mod modern;
mod pages;
mod post;
mod resume;
mod resume_disk;
mod resume_long;
mod sse;
mod stdio;
mod storm;
mod streams;
mod web;
