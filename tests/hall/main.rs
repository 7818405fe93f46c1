//! Stories of the hall: the whole hub in memory, clients on one side, servers on the other, one
//! rule of protocol.md or contract.md after the other.
#![cfg(test)]

#[expect(dead_code, reason = "wire asks more of it")]
#[path = "../schema/check.rs"]
mod check;
mod client;
mod http;
mod remote;
mod schemas;
mod server;
mod server_modern;
mod token;
mod vault;
mod world;

mod asks;
mod bridge_lm;
mod bridge_mm;
mod browsers_port;
mod calls;
mod eras;
mod far;
mod faults;
mod filters;
mod filters_at_work;
mod filters_bound;
mod idle;
mod isolation;
mod large;
mod limits;
mod lists;
mod metrics;
mod modern;
mod modern_server;
mod modern_stdio;
mod names;
mod notes;
mod oauth_client;
mod pages;
mod param_fields;
mod parking;
mod parking_edges;
mod reload;
mod remote_pair;
mod remote_sse;
mod resources;
mod restart;
mod sight;
mod sight_bound;
mod sight_changes;
mod sse;
mod status;
mod stdio;
mod stopping;
mod tasks_driven;
mod tasks_kit;
mod tasks_legacy;
mod tasks_modern;
mod tasks_stateless;
mod trace_context;
