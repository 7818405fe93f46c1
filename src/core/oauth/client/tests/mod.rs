//! Whole stories: keyrings with a shared disk, browsers, a protected server and its issuers, all in
//! memory.

mod attacks;
mod haste;
mod issuer;
mod mixups;
mod renewing;
mod rules;
mod scenarios;
mod stdio;
mod world;
