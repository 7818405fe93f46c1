//! Requests that are not small: strangers are turned away by their heads, clients are served.

use onemcp::base::mark::{Mark, must_hit};
use onemcp::links::LinkKey;
use serde_json::json;

use crate::client::described;
use crate::http::Response;
use crate::server::tools;
use crate::token::{ERAS, guarded, holder, token};
use crate::world::World;

const BYTES: usize = 10_000_000;

fn status(world: &mut World, link: LinkKey) -> Option<u16> {
    let received = std::mem::take(&mut world.peer(link).received);
    let mut response = Response::default();
    response.take(&received);
    response.status
}

#[test]
fn strangers_with_large_bodies_keep_nobody_from_calling() {
    let mut w = guarded().server("s", tools(["t"])).open();
    for path in ["/mcp", "/register", "/token", "/oauth/login", "/nothing"] {
        for framing in ["Content-Length: 16000000", "Transfer-Encoding: chunked"] {
            let links: Vec<LinkKey> = (0..24).map(|_| w.connect()).collect();
            for link in &links {
                let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1:3050\r\n{framing}");
                w.bytes(*link, format!("{head}\r\n\r\n").as_bytes());
                if framing.starts_with("Transfer") {
                    w.bytes(*link, b"f42400\r\n");
                }
                w.bytes(*link, &vec![b'x'; 100_000]);
                let expected = match path {
                    "/mcp" => 401,
                    "/nothing" => 404,
                    _ => 413,
                };
                assert_eq!(status(&mut w, *link), Some(expected), "{path} {framing}");
                // The rest is thrown away.
                w.bytes(*link, &vec![b'x'; 1_000_000]);
                assert!(w.peer(*link).received.is_empty());
            }
        }
    }
    for era in ERAS {
        let client = holder(&mut w, era, 1, "mcp");
        let arguments = json!({"a": "x".repeat(BYTES)}).to_string();
        let call = client.call(&mut w, "s_1mcp_t", &arguments);
        let seen = w.server("s").expect(&mut w, "tools/call");
        assert!(
            seen.value["params"]["arguments"]["a"]
                .as_str()
                .unwrap()
                .len()
                == BYTES
        );
        seen.result(&mut w, r#"{"content":[]}"#);
        call.result(&mut w);
    }
}

#[test]
fn a_large_call_comes_whole_in_chunks_and_when_it_waits_to_continue() {
    let _reached = must_hit(Mark::BodyLarge);
    let mut w = guarded().server("s", tools(["t"])).open();
    let token = token(&mut w, 1, "mcp");
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "s_1mcp_t", "arguments": {"a": "x".repeat(BYTES)}},
    });
    let body = described(&message.to_string(), "{}", "");
    for expects in ["", "Expect: 100-continue\r\n"] {
        let link = w.connect();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:3050\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: s_1mcp_t\r\n\
             Transfer-Encoding: chunked\r\n{expects}\r\n"
        );
        w.bytes(link, head.as_bytes());
        let interim = std::mem::take(&mut w.peer(link).received);
        assert_eq!(!interim.is_empty(), !expects.is_empty());
        for piece in body.as_bytes().chunks(100_000) {
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            w.bytes(link, &chunk);
        }
        w.bytes(link, b"0\r\n\r\n");
        let seen = w.server("s").expect(&mut w, "tools/call");
        assert!(
            seen.value["params"]["arguments"]["a"]
                .as_str()
                .unwrap()
                .len()
                == BYTES
        );
        seen.result(&mut w, r#"{"content":[]}"#);
        assert_eq!(status(&mut w, link), Some(200));
    }
}
