//! What happens at the bounds of core/limits.rs that the hall keeps.

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{
    ANSWERED_URIS_MAX, ASKS_PER_CLIENT_MAX, CALLS_PER_CLIENT_MAX, CHILD_OUTBOX_BYTES_MAX,
    ELICITATIONS_PER_POOL_MAX, GHOSTS_PER_POOL_MAX, HELD_PER_POOL_MAX, WAITING_PER_SERVER_MAX,
};
use serde_json::json;

use crate::client::Client;
use crate::server::{Child, Seen, anything, tools};
use crate::world::World;

const ALL: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}}}"#;

fn one() -> World {
    World::http().server("s", tools(["t"])).start()
}

fn calling(w: &mut World, client: Client, s: Child) -> Seen {
    client.call(w, "s_1mcp_t", "{}");
    s.expect(w, "tools/call")
}

#[test]
fn calls_of_one_client() {
    let _reached = must_hit(Mark::CallsFull);
    let mut w = one();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    let first = calling(&mut w, a, s);
    for _ in 1..CALLS_PER_CLIENT_MAX {
        calling(&mut w, a, s);
    }
    let (code, message) = a.call(&mut w, "s_1mcp_t", "{}").error(&mut w);
    assert_eq!((code, message.contains("256")), (-32603, true), "{message}");
    s.expect_nothing(&mut w);
    // Nobody else is concerned, and one place is free as soon as one call ended.
    calling(&mut w, b, s);
    first.result(&mut w, "{}");
    calling(&mut w, a, s);
}

#[test]
fn calls_that_wait_for_one_server() {
    let mut w = World::http()
        .server("s", tools(["t"]).manual("initialize"))
        .server("good", tools(["t"]))
        .start();
    let clients: Vec<Client> = (0..=WAITING_PER_SERVER_MAX / 200)
        .map(|_| w.client("{}"))
        .collect();
    for index in 0..WAITING_PER_SERVER_MAX {
        clients[index / 200]
            .call(&mut w, "s_1mcp_t", "{}")
            .pending(&mut w);
    }
    let last = *clients.last().unwrap();
    let (code, message) = last.call(&mut w, "s_1mcp_t", "{}").error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("server s") && message.contains("256 requests wait"),
        "{message}"
    );
    last.call(&mut w, "good_1mcp_t", "{}");
    w.server("good").expect(&mut w, "tools/call");
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#;
    let s = w.server("s");
    s.expect(&mut w, "initialize").result(&mut w, hello);
    for _ in 0..WAITING_PER_SERVER_MAX {
        s.expect(&mut w, "tools/call");
    }
    s.expect_nothing(&mut w);
}

#[test]
fn questions_to_one_client() {
    let mut w = one();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    for id in 0..ASKS_PER_CLIENT_MAX {
        s.asks(&mut w, &id.to_string(), "sampling/createMessage", "{}");
    }
    let asks: Vec<_> = (0..ASKS_PER_CLIENT_MAX)
        .map(|_| a.expect(&mut w, "sampling/createMessage"))
        .collect();
    s.asks(&mut w, "\"more\"", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "\"more\""), -32603);
    a.answers(&mut w, &asks[0], "{}");
    s.asks(&mut w, "\"again\"", "sampling/createMessage", "{}");
    w.advance(100);
    assert!(
        a.heard(&mut w)
            .contains(&"sampling/createMessage".to_owned())
    );
}

#[test]
fn questions_held_in_one_session() {
    let _reached = must_hit(Mark::HeldFull);
    let mut w = one();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let first = calling(&mut w, a, s);
    calling(&mut w, b, s);
    for id in 0..HELD_PER_POOL_MAX {
        s.asks(&mut w, &id.to_string(), "sampling/createMessage", "{}");
    }
    s.expect_nothing(&mut w);
    s.asks(&mut w, "\"more\"", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "\"more\""), -32601);
    first.result(&mut w, "{}");
    for _ in 0..HELD_PER_POOL_MAX {
        b.expect(&mut w, "sampling/createMessage");
    }
}

#[test]
fn calls_given_up_in_one_session() {
    let _reached = must_hit(Mark::GhostsFull);
    let mut w = one();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    for _ in 0..GHOSTS_PER_POOL_MAX + 10 {
        let call = a.call(&mut w, "s_1mcp_t", "{}");
        s.expect(&mut w, "tools/call");
        a.cancels(&mut w, &call);
        s.expect(&mut w, "notifications/cancelled");
    }
    calling(&mut w, b, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    b.expect_nothing(&mut w);
    w.advance(5_000);
    assert_eq!(s.refused(&mut w, "1"), -32601);
}

#[test]
fn elicitations_whose_end_is_awaited() {
    let mut w = one();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    for id in 0..=ELICITATIONS_PER_POOL_MAX {
        let params = format!(r#"{{"mode":"url","url":"u","elicitationId":"{id}","message":"m"}}"#);
        s.asks(&mut w, &id.to_string(), "elicitation/create", &params);
        w.rest();
        while let Some(ask) = a.next(&mut w) {
            if ask["method"] == "elicitation/create" {
                a.answers(&mut w, &ask, r#"{"action":"accept"}"#);
            }
        }
    }
    w.advance(100);
    a.clear(&mut w);
    // The oldest is forgotten, the others are not.
    for id in [0, 1, ELICITATIONS_PER_POOL_MAX] {
        let params = format!(r#"{{"elicitationId":"{id}"}}"#);
        s.notes(&mut w, "notifications/elicitation/complete", &params);
    }
    let told: Vec<_> = std::iter::from_fn(|| a.next(&mut w)).collect();
    let ids: Vec<_> = told
        .iter()
        .map(|told| told["params"]["elicitationId"].clone())
        .collect();
    assert_eq!(
        ids,
        [
            json!("s:1"),
            json!(format!("s:{ELICITATIONS_PER_POOL_MAX}"))
        ]
    );
}

#[test]
fn uris_whose_server_is_remembered() {
    let _reached = must_hit(Mark::AnsweredUrisFull);
    let script = || anything().capable(r#"{"resources":{}}"#);
    let mut w = World::http()
        .server("one", script())
        .server("two", script())
        .start();
    let a = w.client("{}");
    let (one, two) = (w.server("one"), w.server("two"));
    let read = |w: &mut World, id: usize| {
        let call = a.request(w, "resources/read", &format!(r#"{{"uri":"x://{id}"}}"#));
        let searched = match one.next(w) {
            Some(line) => {
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                let error = r#"{"code":-32002,"message":"no"}"#;
                one.says(
                    w,
                    &format!(
                        r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#,
                        value["id"]
                    ),
                );
                true
            }
            None => false,
        };
        two.expect(w, "resources/read")
            .result(w, r#"{"contents":[]}"#);
        call.result(w);
        searched
    };
    for id in 0..=ANSWERED_URIS_MAX {
        assert!(read(&mut w, id));
    }
    assert!(!read(&mut w, 1));
    assert!(!read(&mut w, ANSWERED_URIS_MAX));
    assert!(read(&mut w, 0), "the oldest is forgotten");
}

#[test]
fn a_child_that_does_not_read() {
    let mut w = World::http()
        .server("s", tools(["t"]))
        .server("good", tools(["t"]))
        .start();
    let a = w.client("{}");
    let s = w.server("s");
    let link = w.children[0].link.unwrap();
    w.peer(link).stalled = true;
    let fill = |w: &mut World, bytes: usize| {
        let before = w.unsent(link);
        let arguments = format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes));
        let line = a.call(w, "s_1mcp_t", &arguments).line(w);
        (line, w.unsent(link) - before)
    };
    for _ in 0..4 {
        assert_eq!(fill(&mut w, 15 * 1024 * 1024).0, None);
    }
    let rest = CHILD_OUTBOX_BYTES_MAX - w.unsent(link) - 1000;
    fill(&mut w, rest);
    let (_, frame) = fill(&mut w, 0);
    // Not even ten bytes are left.
    let rest = CHILD_OUTBOX_BYTES_MAX - w.unsent(link) - frame - 5;
    fill(&mut w, rest);
    let line = fill(&mut w, 1).0.unwrap();
    assert!(
        line.contains("-32603") && line.contains("server s is busy"),
        "{line}"
    );
    // Others are served, and a list that could not be asked for counts as failed.
    a.call(&mut w, "good_1mcp_t", "{}");
    w.server("good").expect(&mut w, "tools/call");
    w.script("s").set("tools", [crate::server::tool("u")]);
    s.list_changed(&mut w, "tools");
    w.advance(300);
    assert!(w.logged(&["Warn", "server=s", "tools/list"]));
    assert_eq!(a.list(&mut w, "tools/list").len(), 2);
    w.unstall(link);
    for _ in 0..7 {
        s.expect(&mut w, "tools/call");
    }
    s.list_changed(&mut w, "tools");
    w.advance(300);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_u", "good_1mcp_t"]);
}

#[test]
fn a_token_of_a_server_that_is_too_long_is_refused() {
    let mut w = one();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    let token = "x".repeat(onemcp::limits::ID_BYTES_MAX);
    let params = format!(r#"{{"_meta":{{"progressToken":"{token}"}}}}"#);
    s.asks(&mut w, "1", "sampling/createMessage", &params);
    assert_eq!(s.refused(&mut w, "1"), -32602);
}
