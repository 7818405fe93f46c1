//! What a call costs in each pairing of client and server: with a session (legacy) or without one
//! (modern), as processor time of the gateway against a client and a server with sessions.

use crate::Fault;
use crate::http;
use crate::place::{self, Gateway, Programs};
use crate::rows::{CONNECTIONS, Row, measure, median};
use std::time::Duration;

const META: &str = concat!(
    r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"}}}}"#
);
const TOOL: &str = "s0_1mcp_echo";

/// The rows, measured in turns.
pub(crate) fn rows(programs: &Programs, runs: usize, time: Duration) -> Result<Vec<Row>, Fault> {
    let gateways = [
        Gateway::start_era(programs, "legacy")?,
        Gateway::start_era(programs, "modern")?,
    ];
    let mut loads = Vec::new();
    for gateway in &gateways {
        gateway.wait_for(1)?;
        loads.push((gateway, legacy(gateway)?));
        loads.push((gateway, vec![modern(); CONNECTIONS]));
    }
    let mut seen = vec![Vec::new(); loads.len()];
    for _ in 0..runs {
        for ((gateway, requests), list) in loads.iter().zip(&mut seen) {
            let (_, each_us) = measure(gateway.addr, gateway.pid(), requests, time)?;
            list.push(each_us);
        }
    }
    let medians: Vec<f64> = seen.into_iter().map(median).collect();
    let &[ll, ml, lm, mm] = medians.as_slice() else {
        return Err("four pairings".into());
    };
    let row = |what, ours: f64, aim, ratio_max: f64| Row {
        what,
        ours: format!("{ours:.1} us"),
        floor: format!("{ll:.1} us"),
        ratio: format!("{:.2}", ours / ll),
        aim,
        met: ours / ll <= ratio_max,
    };
    let free = f64::INFINITY;
    Ok(vec![
        row(
            "processor time per call, client without a session, against one with",
            ml,
            "<= 1.05",
            1.05,
        ),
        row("the same towards a server of 2026-07-28", mm, "", free),
        row("client with a session, server of 2026-07-28", lm, "", free),
    ])
}

/// Calls of clients with sessions.
pub(crate) fn legacy(gateway: &Gateway) -> Result<Vec<Vec<u8>>, Fault> {
    let call = place::echo_call(TOOL);
    (0..CONNECTIONS)
        .map(|_| {
            let session = gateway.session()?;
            let fields = format!("{session}MCP-Protocol-Version: 2025-06-18\r\n");
            Ok(http::post("/mcp", &fields, &call))
        })
        .collect()
}

fn modern() -> Vec<u8> {
    let call = place::echo_call(TOOL);
    let body = format!("{}{META}", call.strip_suffix("}}").unwrap_or(&call));
    let fields = format!(
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {TOOL}\r\n"
    );
    http::post("/mcp", &fields, &body)
}
