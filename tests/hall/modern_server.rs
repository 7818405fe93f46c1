//! Servers without sessions (2026-07-28): how they come up, and how they tell of changes (protocol
//! F1, F3, F13).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{SUBSCRIPTIONS_PER_CLIENT_MAX, WATCHED_URIS_MAX};

use crate::client::{Call, Client};
use crate::server::{Child, Script, anything, resource, template, tool};
use crate::server_modern::{acknowledgement, stateless};
use crate::world::World;

const MODERN: &str = r#""era":"modern""#;
const FORMS: &str = r#"{"elicitation":{}}"#;
const UPDATED: &str = "notifications/resources/updated";

fn start(members: &str, script: Script) -> World {
    World::http().server_with("s", members, script).start()
}

fn resources() -> Script {
    stateless()
        .with("tools", [tool("t")])
        .with("resources", [resource("x://1"), resource("x://2")])
}

fn subscribe(w: &mut World, client: Client, uri: &str) -> Call {
    client.request(w, "resources/subscribe", &json!({"uri": uri}).to_string())
}

fn watched(uris: &[&str]) -> Value {
    json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourcesListChanged": true,
        "resourceSubscriptions": uris,
    })
}

/// What the server's only stream was asked to tell.
#[track_caller]
fn stream(w: &World, server: Child) -> Value {
    let streams = server.open_streams(w);
    assert_eq!(streams.len(), 1, "{streams:?}");
    streams[0].clone()
}

#[test]
fn f1_a_modern_server_comes_up_by_discover_and_nothing_else() {
    let script = stateless().with("tools", [tool("t")]);
    let mut w = start(MODERN, script);
    let s = w.server("s");
    assert_eq!(s.got(&w, "server/discover"), 1);
    assert_eq!(s.got(&w, "initialize"), 0);
    assert_eq!(s.got(&w, "notifications/initialized"), 0);
    assert_eq!(s.got(&w, "tools/list"), 1);
    assert_eq!(s.got(&w, "resources/templates/list"), 1);
    let survey = &w.survey().servers[0];
    assert_eq!(survey.protocol, Some("2026-07-28"));
    assert_eq!(survey.server_name.as_deref(), Some("x"));
    let client = w.client("{}");
    assert_eq!(client.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    s.expect_nothing(&mut w);
}

#[test]
fn f13_one_stream_tells_of_all_lists_and_other_words_of_changes_are_ignored() {
    let _reached = must_hit(Mark::ChangeUntagged);
    let mut w = start(MODERN, resources());
    let (s, c) = (w.server("s"), w.client("{}"));
    let mut lists = watched(&[]);
    lists
        .as_object_mut()
        .unwrap()
        .remove("resourceSubscriptions");
    assert_eq!(stream(&w, s), lists);
    w.script("s").set("tools", [tool("new")]);
    s.notes(&mut w, "notifications/tools/list_changed", "{}");
    for foreign in [
        json!(1),
        json!("1mcp-listen-01"),
        json!("1mcp-listen-2"),
        json!("x"),
    ] {
        s.on_stream(&mut w, &foreign, "notifications/tools/list_changed", "");
    }
    w.advance(1_000);
    assert_eq!(s.got(&w, "tools/list"), 1);
    s.list_changed(&mut w, "tools");
    w.advance(1_000);
    assert_eq!(s.got(&w, "tools/list"), 2);
    c.expect(&mut w, "notifications/tools/list_changed");
    assert_eq!(c.list(&mut w, "tools/list"), ["s_1mcp_new"]);
}

#[test]
fn f13_without_anything_to_tell_there_is_no_stream_until_a_client_subscribes() {
    let script = resources().capable(r#"{"tools":{},"resources":{"subscribe":true}}"#);
    let mut w = start(MODERN, script);
    let (s, c) = (w.server("s"), w.client("{}"));
    assert_eq!(s.open_streams(&w), Vec::<Value>::new());
    subscribe(&mut w, c, "x://1").result(&mut w);
    assert_eq!(stream(&w, s), json!({"resourceSubscriptions": ["x://1"]}));
    let params = r#"{"uri":"x://1"}"#;
    c.request(&mut w, "resources/unsubscribe", params)
        .result(&mut w);
    assert_eq!(s.open_streams(&w), Vec::<Value>::new());
}

#[test]
fn f13_another_resource_opens_another_stream_before_the_old_one_is_closed() {
    let _reached = must_hit(Mark::ListenReplaced);
    let mut w = start(MODERN, resources());
    let (s, a, b) = (w.server("s"), w.client("{}"), w.client("{}"));
    subscribe(&mut w, a, "x://1").result(&mut w);
    subscribe(&mut w, b, "x://1").result(&mut w);
    assert_eq!(stream(&w, s), watched(&["x://1"]));
    // Its words are read one by one from here on.
    w.script("s").manual.insert("subscriptions/listen");
    let waits = subscribe(&mut w, a, "x://2");
    let opened = s.expect(&mut w, "subscriptions/listen");
    assert_eq!(
        opened.value["params"]["notifications"],
        watched(&["x://1", "x://2"])
    );
    waits.pending(&mut w);
    s.updates(&mut w, "x://1");
    for client in [a, b] {
        let params = client.expect(&mut w, UPDATED)["params"].clone();
        assert_eq!(params, json!({"uri": "x://1", "_meta": {}}));
    }
    let granted = watched(&["x://1", "x://2"]).to_string();
    let ack = acknowledgement(&opened.value["id"], &granted);
    s.says(&mut w, ack.trim());
    let closed = s.expect(&mut w, "notifications/cancelled");
    assert_eq!(closed.value["params"]["requestId"], "1mcp-listen-2");
    assert_eq!(waits.result(&mut w), json!({}));
    s.on_stream(&mut w, &opened.value["id"], UPDATED, r#""uri":"x://2","#);
    assert_eq!(a.expect(&mut w, UPDATED)["params"]["uri"], "x://2");
    b.expect_nothing(&mut w);
    s.expect_nothing(&mut w);
}

#[test]
fn lm_what_the_server_does_not_acknowledge_is_refused_to_the_client() {
    let _reached = must_hit(Mark::WatchRefused);
    let script = resources().manual("subscriptions/listen");
    let mut w = start(MODERN, script);
    let (s, c) = (w.server("s"), w.client("{}"));
    let first = s.expect(&mut w, "subscriptions/listen");
    let one = subscribe(&mut w, c, "x://1");
    let two = subscribe(&mut w, c, "x://2");
    // The streams follow each other: what was asked for meanwhile waits for the next one.
    s.says(&mut w, acknowledgement(&first.value["id"], "{}").trim());
    let second = s.expect(&mut w, "subscriptions/listen");
    let granted = json!({"resourceSubscriptions": ["x://2", "other://"]}).to_string();
    s.says(
        &mut w,
        acknowledgement(&second.value["id"], &granted).trim(),
    );
    let (code, message) = one.error(&mut w);
    assert_eq!(code, -32601);
    assert!(
        message.contains("server s does not tell of changes"),
        "{message}"
    );
    assert_eq!(two.result(&mut w), json!({}));
    // The next stream is asked for what can be had.
    assert_eq!(
        s.expect(&mut w, "notifications/cancelled").value["params"]["requestId"],
        "1mcp-listen-1"
    );
    let third = s.expect(&mut w, "subscriptions/listen");
    assert_eq!(third.value["params"]["notifications"], watched(&["x://2"]));
}

#[test]
fn mm_what_the_server_does_not_acknowledge_is_left_out() {
    let script = resources().manual("subscriptions/listen");
    let mut w = start(MODERN, script);
    let (s, c) = (w.server("s"), Client::modern(&mut w, "{}"));
    let first = s.expect(&mut w, "subscriptions/listen");
    s.says(&mut w, acknowledgement(&first.value["id"], "{}").trim());
    let filter = r#"{"notifications":{"resourceSubscriptions":["x://1","x://2"]}}"#;
    c.request_as(&mut w, "\"L\"", "subscriptions/listen", filter);
    while let Some(line) = s.next(&mut w) {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["method"] == "subscriptions/listen" {
            let ack = acknowledgement(&line["id"], r#"{"resourceSubscriptions":["x://2"]}"#);
            s.says(&mut w, ack.trim());
        }
    }
    let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
    let granted = &ack["params"]["notifications"];
    assert_eq!(*granted, json!({"resourceSubscriptions": ["x://2"]}));
    let sent = w.children[0].lines.iter().rev();
    let last = sent
        .clone()
        .find(|line| line.contains("subscriptions/listen"))
        .unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["params"]["notifications"], watched(&["x://2"]));
    s.on_stream(&mut w, &last["id"], UPDATED, r#""uri":"x://2","#);
    let params = c.expect(&mut w, UPDATED)["params"].clone();
    let tag = json!({"io.modelcontextprotocol/subscriptionId": "L"});
    assert_eq!(params, json!({"uri": "x://2", "_meta": tag}));
    c.hangs_up(&mut w);
    let last = s.next(&mut w).unwrap();
    assert!(!last.contains("resourceSubscriptions"), "{last}");
}

#[test]
fn x10_clients_listen_to_so_many_resources_of_one_server_and_no_more() {
    let _reached = must_hit(Mark::WatchedFull);
    let script = resources().with("resourceTemplates", [template("t://{n}")]);
    let mut w = start(MODERN, script);
    let s = w.server("s");
    for client in 0..WATCHED_URIS_MAX / SUBSCRIPTIONS_PER_CLIENT_MAX {
        let c = Client::modern(&mut w, "{}");
        let uri = |n| format!("t://{client}-{n}");
        let uris: Vec<String> = (0..SUBSCRIPTIONS_PER_CLIENT_MAX).map(uri).collect();
        let filter = json!({"notifications": {"resourceSubscriptions": uris}});
        c.request(&mut w, "subscriptions/listen", &filter.to_string());
        let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
        assert_eq!(ack["params"]["notifications"], filter["notifications"]);
    }
    let all = stream(&w, s)["resourceSubscriptions"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(all, WATCHED_URIS_MAX);
    let c = Client::modern(&mut w, "{}");
    let filter = r#"{"notifications":{"resourceSubscriptions":["x://1"]}}"#;
    c.request(&mut w, "subscriptions/listen", filter);
    let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
    assert_eq!(
        ack["params"]["notifications"],
        json!({"resourceSubscriptions": []})
    );
    let legacy = w.client("{}");
    let (code, message) = subscribe(&mut w, legacy, "x://1").error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("subscribe to 2048 resources of server s"),
        "{message}"
    );
}

/// What a run leaves behind in which the server asked a client something.
fn interactive_before() -> BTreeMap<String, Vec<u8>> {
    let asking = anything().with("tools", [tool("t")]);
    let mut w = World::http().server("s", asking).start();
    let (s, c) = (w.server("s"), w.client(FORMS));
    c.call(&mut w, "s_1mcp_t", "{}");
    let call = s.expect(&mut w, "tools/call");
    let params = r#"{"message":"?","requestedSchema":{"type":"object","properties":{}}}"#;
    s.asks(&mut w, "1", "elicitation/create", params);
    let ask = c.expect(&mut w, "elicitation/create");
    c.answers(&mut w, &ask, r#"{"action":"accept"}"#);
    call.result(&mut w, "{}");
    w.rest();
    w.store
}

#[test]
fn s1_a_server_that_turns_out_modern_needs_no_sessions_of_single_clients() {
    let _reached = must_hit(Mark::SessionsMerge);
    let script = resources().manual("server/discover");
    let store = interactive_before();
    let mut w = World::http()
        .server_with("s", MODERN, script)
        .store(store)
        .begin();
    let (a, b) = (w.client(FORMS), w.client(FORMS));
    let waits = subscribe(&mut w, a, "x://1");
    // The common session, and one for each client.
    assert_eq!(w.running("s").len(), 3);
    let first = w.running("s")[0];
    let asked = first.expect(&mut w, "server/discover");
    let discovered = w.script("s").discovered();
    asked.result(&mut w, &discovered);
    w.rest();
    assert_eq!(w.running("s"), [first]);
    waits.result(&mut w);
    subscribe(&mut w, b, "x://1").result(&mut w);
    assert_eq!(stream(&w, first), watched(&["x://1"]));
    // The next run knows from the beginning.
    let script = resources();
    let mut w = World::http()
        .server_with("s", MODERN, script)
        .store(w.store)
        .begin();
    let client = w.client(FORMS);
    client.list(&mut w, "tools/list");
    assert_eq!(w.starts("s"), 1);
}

#[test]
fn s1_a_server_that_turns_out_to_have_sessions_again_asks_each_client_in_its_own() {
    let script = resources().with("tools", [tool("t")]);
    let mut w = World::http()
        .server("s", script)
        .store(interactive_before())
        .begin();
    w.client("{}").list(&mut w, "tools/list");
    assert_eq!(w.starts("s"), 1);
    let older = anything()
        .with("tools", [tool("t")])
        .manual("server/discover")
        .manual("resources/subscribe");
    let mut w = World::http().server("s", older).store(w.store).begin();
    let (a, b) = (w.client(FORMS), w.client(FORMS));
    // Before anybody knows what it is now.
    let calls = [a, b].map(|client| client.call(&mut w, "s_1mcp_t", "{}"));
    let first = w.running("s")[0];
    let waits = subscribe(&mut w, a, "x://1");
    first
        .expect(&mut w, "server/discover")
        .error(&mut w, r#"{"code":-32601,"message":"?"}"#);
    w.rest();
    let own = w.running("s");
    assert_eq!(own.len(), 3);
    for child in &own[1..] {
        child
            .expect(&mut w, "server/discover")
            .error(&mut w, r#"{"code":-32601,"message":"?"}"#);
    }
    w.rest();
    let params = r#"{"message":"?","requestedSchema":{"type":"object","properties":{}}}"#;
    for ((client, other), (child, call)) in
        [(a, b), (b, a)].into_iter().zip(own[1..].iter().zip(calls))
    {
        let seen = child.expect(&mut w, "tools/call");
        child.asks(&mut w, "1", "elicitation/create", params);
        let ask = client.expect(&mut w, "elicitation/create");
        other.expect_nothing(&mut w);
        client.answers(&mut w, &ask, r#"{"action":"accept"}"#);
        seen.result(&mut w, r#"{"content":[]}"#);
        call.result(&mut w);
    }
    own[1]
        .expect(&mut w, "resources/subscribe")
        .result(&mut w, "{}");
    waits.result(&mut w);
}

#[test]
fn s1_who_wants_a_process_for_each_client_gets_it_in_either_era() {
    let members = r#""era":"modern","isolation":"session""#;
    let mut w = start(members, resources());
    let (a, b) = (w.client("{}"), w.client("{}"));
    for client in [a, b] {
        subscribe(&mut w, client, "x://1").result(&mut w);
    }
    assert_eq!(w.running("s").len(), 3);
}

#[test]
fn removed_methods_are_never_sent_to_a_modern_server() {
    let mut w = start(MODERN, resources());
    let (s, c) = (w.server("s"), w.client(r#"{"roots":{"listChanged":true}}"#));
    c.request(&mut w, "logging/setLevel", r#"{"level":"debug"}"#)
        .result(&mut w);
    c.notes(&mut w, "notifications/roots/list_changed", "{}");
    subscribe(&mut w, c, "x://1").result(&mut w);
    c.request(&mut w, "resources/unsubscribe", r#"{"uri":"x://1"}"#)
        .result(&mut w);
    c.request(&mut w, "ping", "{}").result(&mut w);
    w.advance(10_000);
    s.expect_nothing(&mut w);
    for line in &w.children[0].lines {
        let message: Value = serde_json::from_str(line).unwrap();
        let method = message["method"].as_str().unwrap();
        assert!(w.script_of(0).serves(method), "{line}");
        assert!(!method.ends_with("roots/list_changed"), "{line}");
    }
}

#[test]
fn f13_lists_are_fetched_again_when_a_stream_was_lost_and_those_who_waited_are_told() {
    let mut w = start(MODERN, resources());
    let (s, c) = (w.server("s"), w.client("{}"));
    subscribe(&mut w, c, "x://1").result(&mut w);
    let (id, _) = w.children[0].streams.remove(0);
    w.script("s").set("tools", [tool("new")]);
    s.says(
        &mut w,
        &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
    );
    w.advance(5_000);
    assert_eq!(stream(&w, s), watched(&["x://1"]));
    c.expect(&mut w, "notifications/tools/list_changed");
    assert_eq!(c.list(&mut w, "tools/list"), ["s_1mcp_new"]);
    s.updates(&mut w, "x://1");
    c.expect(&mut w, UPDATED);
}

#[test]
fn f14_a_modern_server_that_dies_is_listened_to_again() {
    let mut w = start(MODERN, resources());
    let (s, c) = (w.server("s"), w.client("{}"));
    subscribe(&mut w, c, "x://1").result(&mut w);
    w.script("s").manual.insert("subscriptions/listen");
    let waits = subscribe(&mut w, c, "x://2");
    s.expect(&mut w, "subscriptions/listen");
    s.dies(&mut w);
    let (code, message) = waits.error(&mut w);
    assert_eq!(code, -32603);
    assert!(message.contains("server s"), "{message}");
    w.script("s").manual.clear();
    w.advance(5_000);
    let s = w.server("s");
    assert_eq!(stream(&w, s), watched(&["x://1"]));
    s.updates(&mut w, "x://1");
    c.clear(&mut w);
    s.updates(&mut w, "x://1");
    c.expect(&mut w, UPDATED);
}

#[test]
fn c11_a_subscription_that_is_cancelled_is_not_asked_for_any_more() {
    let script = resources().manual("subscriptions/listen");
    let mut w = start(MODERN, script);
    let (s, c) = (w.server("s"), w.client("{}"));
    let first = s.expect(&mut w, "subscriptions/listen");
    let waits = subscribe(&mut w, c, "x://1");
    c.cancels(&mut w, &waits);
    s.says(&mut w, acknowledgement(&first.value["id"], "{}").trim());
    s.expect_nothing(&mut w);
    assert_eq!(waits.line(&mut w), None);
}
