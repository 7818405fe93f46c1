//! An hour in which nobody says anything: every kind of stream gets its comments, so that proxies
//! keep it, none is ended, and the gateway holds at the end what it held at the beginning.

use onemcp::limits::KEEP_ALIVE_COMMENT_MS;
use serde_json::json;

use crate::client::Client;
use crate::server::{tool, tools};
use crate::world::World;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const PART_MS: u64 = 5 * MINUTE_MS;

/// Comment lines among what came on a stream and nobody has read.
fn comments(received: &[u8]) -> usize {
    received.windows(2).filter(|two| *two == b"\n:").count()
}

#[test]
fn an_hour_of_silence_ends_no_stream_and_costs_nothing() {
    let server = r#""requestTimeout":7200000"#;
    let mut w = World::http().server_with("s", server, tools(["t"])).start();
    let main = w.client("{}");
    main.listen(&mut w);
    let old = Client::sse(&mut w);
    old.initialize(&mut w, "2024-11-05", "{}");
    old.initialized(&mut w);
    let modern = Client::modern(&mut w, "{}");
    let filter = r#"{"notifications":{"toolsListChanged":true}}"#;
    modern.request(&mut w, "subscriptions/listen", filter);
    // What is awaited is a stream after a few seconds, and lives as the others do.
    let call = main.call(&mut w, "s_1mcp_t", "{}");
    let seen = w.server("s").expect(&mut w, "tools/call");

    // The connections on which the rest was sent have ended by then.
    w.advance(PART_MS);
    let streams = (0..w.peers.len()).filter(|n| comments(&w.peers[*n].received) > 0);
    let open: Vec<usize> = streams.collect();
    assert_eq!(open.len(), 4, "the three streams, and that of the call");
    let clients = [main, old, modern];
    for client in clients {
        client.clear(&mut w);
    }
    let before = w.counts();

    let fewest = usize::try_from(PART_MS / KEEP_ALIVE_COMMENT_MS).unwrap();
    for _ in 0..HOUR_MS / PART_MS {
        w.advance(PART_MS);
        for n in &open {
            let peer = &w.peers[*n];
            assert!(!peer.closed, "stream {n} at {} ms", w.tick());
            let came = comments(&peer.received);
            assert!((fewest..=fewest + 1).contains(&came), "{came} comments");
        }
        for client in clients {
            client.expect_nothing(&mut w);
        }
        assert_eq!(w.counts(), before, "at {} ms", w.tick());
        assert!(
            w.next_alarm()
                .is_some_and(|at| at <= w.tick() + KEEP_ALIVE_COMMENT_MS)
        );
    }

    seen.result(&mut w, r#"{"late":true}"#);
    assert_eq!(call.result(&mut w), json!({"late": true}));
    w.script("s").set("tools", [tool("t"), tool("new")]);
    w.server("s").list_changed(&mut w, "tools");
    w.advance(1_000);
    for client in clients {
        assert_eq!(client.heard(&mut w), ["notifications/tools/list_changed"]);
    }
}
