//! Who shares a session with a server, and what moves when that changes (protocol S1).

use onemcp::base::mark::{Mark, must_hit};
use serde_json::json;

use crate::client::{Call, Client};
use crate::server::{Child, Seen, anything, resource, tool, tools};
use crate::world::{Builder, World};

const ALL: &str =
    r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
const FORM: &str = r#"{"message":"name?","requestedSchema":{"type":"object","properties":{}}}"#;

fn one() -> Builder {
    World::http().server("s", tools(["t"]))
}

fn with(members: &str) -> Builder {
    World::http().server_with("s", members, tools(["t"]))
}

/// A client calls; which child got it, and the two ends of the call.
fn calls(w: &mut World, client: Client) -> (Child, Call, Seen) {
    let call = client.call(w, "s_1mcp_t", "{}");
    w.rest();
    for child in w.running("s") {
        while let Some(line) = child.next(w) {
            if !line.contains("tools/call") {
                continue;
            }
            let value = serde_json::from_str(&line).unwrap();
            return (child, call, Seen { child, line, value });
        }
    }
    panic!("no child got the call");
}

fn served(w: &mut World, client: Client) -> Child {
    let (child, call, seen) = calls(w, client);
    seen.result(w, "{}");
    call.result(w);
    child
}

/// The server asks one client something in a call of its own, and is marked.
fn marks(w: &mut World, client: Client) -> Child {
    let (child, call, seen) = calls(w, client);
    child.asks(w, "\"mark\"", "elicitation/create", FORM);
    let ask = client.expect(w, "elicitation/create");
    client.answers(w, &ask, r#"{"action":"accept"}"#);
    child.granted(w, "\"mark\"");
    seen.result(w, "{}");
    call.result(w);
    child
}

#[test]
fn s1_a_common_session_lures_with_everything_but_roots() {
    let w = one().start();
    assert_eq!(
        w.server("s").declared(&w),
        json!({"sampling": {"tools": {}, "context": {}}, "elicitation": {"form": {}, "url": {}}})
    );
    assert_eq!(w.starts("s"), 1);
}

#[test]
fn s1_shared_declares_nothing_and_refuses_every_question() {
    let mut w = with(r#""isolation":"shared""#).start();
    let (a, b) = (w.client(ALL), w.client("{}"));
    let s = w.server("s");
    assert_eq!(s.declared(&w), json!({}));
    let (_, call, seen) = calls(&mut w, a);
    for (id, method) in [("1", "roots/list"), ("2", "sampling/createMessage")] {
        s.asks(&mut w, id, method, "{}");
        assert_eq!(s.refused(&mut w, id), -32601);
    }
    s.asks(&mut w, "3", "elicitation/create", FORM);
    assert_eq!(s.granted(&mut w, "3"), json!({"action": "cancel"}));
    a.expect_nothing(&mut w);
    seen.result(&mut w, "{}");
    call.result(&mut w);
    assert_eq!(served(&mut w, b), s);
    assert_eq!(w.starts("s"), 1);
}

#[test]
fn s1_session_gives_each_client_one_of_its_own_with_exactly_its_capabilities() {
    let mut w = with(r#""isolation":"session""#).start();
    let (a, b, c) = (w.client(ALL), w.client(r#"{"roots":{}}"#), w.client("{}"));
    let own = [a, b, c].map(|client| served(&mut w, client));
    assert!(own[0] != own[1] && own[1] != own[2] && own[0] != own[2]);
    assert_eq!(
        own.map(|child| child.declared(&w)),
        [
            json!({"roots": {"listChanged": true}, "sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}}),
            json!({"roots": {"listChanged": false}}),
            json!({}),
        ]
    );
    assert_eq!([a, b, c].map(|client| served(&mut w, client)), own);
    // Its questions need no call.
    own[0].asks(&mut w, "1", "roots/list", "{}");
    let heard: Vec<_> = std::iter::from_fn(|| a.next(&mut w)).collect();
    let ask = heard
        .iter()
        .find(|ask| ask["method"] == "roots/list")
        .unwrap();
    a.answers(&mut w, ask, r#"{"roots":[]}"#);
    assert_eq!(own[0].granted(&mut w, "1"), json!({"roots": []}));
    a.notes(&mut w, "notifications/roots/list_changed", "{}");
    own[0].expect(&mut w, "notifications/roots/list_changed");
    own[1].expect_nothing(&mut w);
    // It ends with its client, and only it.
    let before = w.counts().backends;
    b.leaves(&mut w);
    assert_eq!(own.map(|child| child.alive(&w)), [true, false, true]);
    assert_eq!(w.counts().backends, before - 1);
}

#[test]
fn s1_the_asked_client_keeps_the_child_and_the_others_move() {
    let mut w = one().start();
    let (a, b, plain) = (
        w.client(ALL),
        w.client(r#"{"sampling":{}}"#),
        w.client("{}"),
    );
    let s = w.server("s");
    assert_eq!(
        [a, b, plain].map(|client| served(&mut w, client)),
        [s, s, s]
    );
    w.advance(100);
    for client in [a, b, plain] {
        client.clear(&mut w);
    }
    assert_eq!(marks(&mut w, a), s);
    assert!(w.logged(&["Info", "server=s", "session of its own"]));
    w.advance(100);
    for client in [a, b, plain] {
        let heard = client.heard(&mut w);
        assert_eq!(heard, ["notifications/tools/list_changed"], "told once");
    }
    assert_eq!(served(&mut w, a), s);
    let (of_b, of_plain) = (served(&mut w, b), served(&mut w, plain));
    assert!(of_b != s && of_plain != s && of_b != of_plain);
    assert_eq!(of_b.declared(&w), json!({"sampling": {}}));
    assert_eq!(of_plain.declared(&w), json!({}));
    let other = w.client("{}");
    assert_eq!(served(&mut w, other), of_plain, "plain clients share one");
    for client in [a, b, plain, other] {
        assert_eq!(client.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    }
    // Of the child that a keeps, nobody else hears any more.
    s.asks(&mut w, "1", "elicitation/create", FORM);
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"error","data":"x"}"#,
    );
    for client in [b, plain, other] {
        let heard = client.heard(&mut w);
        assert!(
            heard.iter().all(|method| method.ends_with("list_changed")),
            "{heard:?}"
        );
    }
    let heard = a.heard(&mut w);
    assert!(
        heard.contains(&"elicitation/create".to_owned()),
        "{heard:?}"
    );
    assert!(
        heard.contains(&"notifications/message".to_owned()),
        "{heard:?}"
    );
}

#[test]
fn s1_a_client_that_cannot_answer_does_not_keep_the_child() {
    let mut w = one().start();
    let (a, plain) = (w.client(ALL), w.client("{}"));
    let s = w.server("s");
    let (child, call, seen) = calls(&mut w, plain);
    assert_eq!(child, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "1"), -32601);
    assert!(s.alive(&w));
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    assert!(!s.alive(&w), "it ends with its last call");
    let of_plain = served(&mut w, plain);
    assert_eq!(of_plain.declared(&w), json!({}));
    assert_ne!(served(&mut w, a), of_plain);
}

#[test]
fn s1_the_mark_is_remembered() {
    let mut w = one().start();
    let a = w.client(ALL);
    marks(&mut w, a);
    let store = std::mem::take(&mut w.store);
    let mut w = one().store(store).start();
    assert_eq!(w.server("s").declared(&w), json!({}));
    let (a, plain) = (w.client(ALL), w.client("{}"));
    let (of_a, of_plain) = (served(&mut w, a), served(&mut w, plain));
    assert_ne!(of_a, of_plain);
    assert_eq!(of_a.declared(&w)["roots"], json!({"listChanged": true}));
    of_a.asks(&mut w, "1", "roots/list", "{}");
    let heard: Vec<_> = std::iter::from_fn(|| a.next(&mut w)).collect();
    assert!(heard.iter().any(|ask| ask["method"] == "roots/list"));
}

#[test]
fn s1_roots_are_asked_of_a_client_only_where_nobody_else_is() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let (s, ..) = calls(&mut w, a);
    s.asks(&mut w, "1", "roots/list", "{}");
    let ask = a.expect(&mut w, "roots/list");
    a.answers(&mut w, &ask, r#"{"roots":[{"uri":"file:///a"}]}"#);
    s.granted(&mut w, "1");
    // From here on it is a's own.
    assert_ne!(served(&mut w, b), s);
}

#[test]
fn s1_a_private_session_that_dies_comes_back_for_the_same_client() {
    let mut w = with(r#""isolation":"session""#).start();
    let (a, b) = (w.client(ALL), w.client("{}"));
    let (of_a, of_b) = (served(&mut w, a), served(&mut w, b));
    w.advance(100);
    a.clear(&mut w);
    b.clear(&mut w);
    of_a.dies(&mut w);
    assert_eq!(a.call(&mut w, "s_1mcp_t", "{}").error(&mut w).0, -32603);
    assert_eq!(a.list(&mut w, "tools/list"), [""; 0]);
    assert_eq!(b.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    assert_eq!(served(&mut w, b), of_b);
    w.advance(3_000);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    let again = served(&mut w, a);
    assert!(again != of_a && again != of_b);
    assert_eq!(again.declared(&w), of_a.declared(&w));
    assert!(!a.heard(&mut w).is_empty());
    assert_eq!(b.heard(&mut w), [""; 0]);
}

#[test]
fn s1_a_private_session_without_anything_to_do_ends_after_a_while() {
    let mut w = with(r#""isolation":"session""#).start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let (of_a, of_b) = (served(&mut w, a), served(&mut w, b));
    w.advance(onemcp::limits::POOL_IDLE_MS / 2);
    served(&mut w, b);
    w.advance(onemcp::limits::POOL_IDLE_MS / 2 + 1_000);
    assert_eq!((of_a.alive(&w), of_b.alive(&w)), (false, true));
    // One more call brings it back.
    assert_ne!(served(&mut w, a), of_a);
    // A call that runs is something to do.
    let (of_b, call, seen) = calls(&mut w, b);
    for _ in 0..30 {
        w.advance(30_000);
        let params = format!(r#"{{"progressToken":{},"progress":1}}"#, seen.id());
        of_b.notes(&mut w, "notifications/progress", &params);
    }
    assert!(of_b.alive(&w));
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    w.advance(2 * onemcp::limits::POOL_IDLE_MS);
    assert!(!of_b.alive(&w));
}

#[test]
fn s1_clients_beyond_the_number_of_sessions_are_told_that_the_server_is_busy() {
    let _reached = must_hit(Mark::PrivatesFull);
    let mut w = with(r#""isolation":"session""#).start();
    let max = onemcp::limits::POOL_SESSIONS_PER_SERVER_MAX;
    let clients: Vec<Client> = (0..max).map(|_| w.client("{}")).collect();
    for client in &clients {
        served(&mut w, *client);
    }
    let late = w.client("{}");
    let (code, message) = late.call(&mut w, "s_1mcp_t", "{}").error(&mut w);
    assert_eq!(
        (code, message.contains("server s is busy")),
        (-32603, true),
        "{message}"
    );
    assert_eq!(late.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    clients[0].leaves(&mut w);
    served(&mut w, late);
    assert_eq!(w.running("s").len(), max + 1);
}

#[test]
fn s1_many_clients_come_and_go_and_leave_nothing() {
    let mut w = one().start();
    let a = w.client(ALL);
    marks(&mut w, a);
    a.leaves(&mut w);
    w.advance(1_000);
    let before = w.counts();
    for round in 0..50 {
        let client = w.client(if round % 2 == 0 { ALL } else { "{}" });
        if round % 3 == 0 {
            calls(&mut w, client);
        } else if round % 3 == 1 {
            served(&mut w, client);
        }
        client.leaves(&mut w);
    }
    // Connections that nobody uses are closed some time.
    w.advance(2 * onemcp::limits::POOL_IDLE_MS);
    assert_eq!(w.counts().sessions, before.sessions);
    assert_eq!(
        (w.counts().backends, w.counts().calls),
        (before.backends, 0)
    );
    assert_eq!(w.counts().alarms, 0);
}

#[test]
fn tools_are_those_that_the_server_offers_to_this_client() {
    let mut w = World::http()
        .server_with(
            "s",
            r#""isolation":"session""#,
            tools(["t"]).manual("tools/list"),
        )
        .start();
    let common = w.server("s");
    common
        .expect(&mut w, "tools/list")
        .result(&mut w, &format!(r#"{{"tools":[{}]}}"#, tool("t")));
    let a = w.client(ALL);
    let list = a.request(&mut w, "tools/list", "{}");
    let own = w.server("s");
    assert_ne!(own, common);
    let both = format!(r#"{{"tools":[{},{}]}}"#, tool("t"), tool("ask"));
    own.expect(&mut w, "tools/list").result(&mut w, &both);
    assert_eq!(
        crate::client::keys("tools/list", &list.result(&mut w)),
        ["s_1mcp_t", "s_1mcp_ask"]
    );
    let call = a.call(&mut w, "s_1mcp_ask", "{}");
    own.expect(&mut w, "tools/call").result(&mut w, "{}");
    call.result(&mut w);
}

#[test]
fn a_subscription_that_is_granted_by_a_session_on_its_way_out_is_made_again() {
    let _reached = must_hit(Mark::SubscriptionOutlivesSession);
    let script = anything()
        .with("tools", [tool("t")])
        .with("resources", [resource("x://1")])
        .manual("resources/subscribe");
    let mut w = World::http().server("s", script).start();
    let (a, b) = (w.client(ALL), w.client("{}"));
    let (old, _, seen) = calls(&mut w, a);
    let subscribe = b.request(&mut w, "resources/subscribe", r#"{"uri":"x://1"}"#);
    let subscribed = old.expect(&mut w, "resources/subscribe");
    old.asks(&mut w, "1", "elicitation/create", FORM);
    w.advance(5_000);
    seen.result(&mut w, "{}");
    subscribed.result(&mut w, "{}");
    subscribe.result(&mut w);
    assert!(!old.alive(&w));
    let common = w.server("s");
    common
        .expect(&mut w, "resources/subscribe")
        .result(&mut w, "{}");
    w.advance(500);
    b.clear(&mut w);
    common.notes(
        &mut w,
        "notifications/resources/updated",
        r#"{"uri":"x://1"}"#,
    );
    assert_eq!(b.heard(&mut w), ["notifications/resources/updated"]);
}

#[test]
fn a_subscription_follows_a_client_that_moves_to_a_session_of_its_own() {
    let script = anything()
        .with("tools", [tool("t")])
        .with("resources", [resource("x://1"), resource("x://2")]);
    let mut w = World::http().server("s", script).start();
    let (a, b, plain) = (w.client(ALL), w.client(ALL), w.client("{}"));
    let s = w.server("s");
    for (client, uri) in [(a, "x://1"), (b, "x://1"), (b, "x://2"), (plain, "x://2")] {
        let params = format!(r#"{{"uri":"{uri}"}}"#);
        client
            .request(&mut w, "resources/subscribe", &params)
            .result(&mut w);
    }
    assert_eq!(s.got(&w, "resources/subscribe"), 2);
    assert_eq!(marks(&mut w, a), s);
    w.advance(500);
    // The child that a keeps is told that nobody listens to x://2 there any more.
    assert_eq!(s.got(&w, "resources/unsubscribe"), 1);
    let common = w.server("s");
    assert_ne!(common, s);
    let of_b = served(&mut w, b);
    w.advance(500);
    for client in [a, b, plain] {
        client.clear(&mut w);
    }
    let changed = |uri: &str| format!(r#"{{"uri":"{uri}"}}"#);
    for child in [s, common, of_b] {
        for uri in ["x://1", "x://2"] {
            child.notes(&mut w, "notifications/resources/updated", &changed(uri));
        }
    }
    let heard = |w: &mut World, client: Client| {
        let uris = std::iter::from_fn(|| client.next(w));
        uris.map(|told| told["params"]["uri"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut w, a), ["x://1"]);
    assert_eq!(heard(&mut w, b), ["x://1", "x://2"]);
    assert_eq!(heard(&mut w, plain), ["x://2"]);
    // It is not said to the wrong child when they end it.
    b.request(&mut w, "resources/unsubscribe", r#"{"uri":"x://1"}"#)
        .result(&mut w);
    assert_eq!(of_b.got(&w, "resources/unsubscribe"), 1);
    assert_eq!(s.got(&w, "resources/unsubscribe"), 1);
}
