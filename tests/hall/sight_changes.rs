//! What a client is told, and what ends for it, as its token and the tags of servers change; and
//! that hidden servers tell it nothing (contract 4 and 5, X11).

use onemcp::base::mark::{Mark, must_hit};
use serde_json::json;

use crate::client::Client;
use crate::server::{Script, anything, resource, tool};
use crate::sight::three;
use crate::token::{ERAS, Era, guarded, holder, holder_of, is_forbidden, renews};
use crate::world::{World, entry};

const TOOLS: &str = "notifications/tools/list_changed";
const UPDATED: &str = "notifications/resources/updated";
const LOG: &str = "notifications/message";
const ALL: [&str; 3] = [
    TOOLS,
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
];
const FILTER: &str = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}"#;

/// A client that hears of changes of all lists.
fn hearing(w: &mut World, era: Era, grant: u8, scopes: &str) -> Client {
    let client = holder(w, era, grant, scopes);
    if era == Era::Modern {
        client.request(w, "subscriptions/listen", FILTER);
    }
    w.advance(1_000);
    client.clear(w);
    client
}

fn subscribe(w: &mut World, client: Client, uri: &str) {
    let params = json!({ "uri": uri }).to_string();
    client.request(w, "resources/subscribe", &params).result(w);
}

fn updated(w: &mut World, server: &str, uri: &str) {
    let params = json!({ "uri": uri }).to_string();
    w.server(server).notes(w, UPDATED, &params);
}

fn level(w: &mut World, client: Client, level: &str) {
    let params = json!({ "level": level }).to_string();
    client.request(w, "logging/setLevel", &params).result(w);
}

fn levels(w: &World, name: &str) -> usize {
    w.server(name).got(w, "logging/setLevel")
}

#[test]
fn r9_lists_of_hidden_servers_change_for_nobody() {
    for era in ERAS {
        let mut w = three();
        let narrow = hearing(&mut w, era, 1, "tag:home");
        let wide = hearing(&mut w, era, 2, "mcp");
        w.script("work").set("tools", [tool("other")]);
        w.server("work").list_changed(&mut w, "tools");
        w.advance(1_000);
        narrow.expect_nothing(&mut w);
        assert_eq!(wide.heard(&mut w), [TOOLS]);
        // It goes down and comes back.
        w.server("work").dies(&mut w);
        w.advance(5_000);
        narrow.expect_nothing(&mut w);
        assert!(!wide.heard(&mut w).is_empty());
        w.script("home").set("tools", [tool("other")]);
        w.server("home").list_changed(&mut w, "tools");
        w.advance(1_000);
        assert_eq!(narrow.heard(&mut w), [TOOLS], "{era:?}");
    }
}

#[test]
fn a_token_that_shows_less_ends_what_was_there() {
    let _ends = must_hit(Mark::HiddenSubscriptionEnds);
    let _changes = must_hit(Mark::SightChanges);
    let mut w = three();
    let a = hearing(&mut w, Era::Legacy, 1, "tag:home tag:work");
    let b = hearing(&mut w, Era::Legacy, 2, "tag:home tag:work");
    for client in [a, b] {
        subscribe(&mut w, client, "x://home");
    }
    subscribe(&mut w, a, "x://work");
    // The same once more is no news.
    renews(&mut w, a, 1, "tag:work tag:home");
    a.request(&mut w, "ping", "{}").result(&mut w);
    renews(&mut w, a, 1, "tag:work");
    a.request(&mut w, "ping", "{}").result(&mut w);
    w.advance(1_000);
    assert_eq!(a.heard(&mut w), ALL);
    assert_eq!(a.list(&mut w, "tools/list"), ["work_1mcp_t"]);
    // Another one still listens there.
    assert_eq!(w.server("home").got(&w, "resources/unsubscribe"), 0);
    updated(&mut w, "home", "x://home");
    updated(&mut w, "work", "x://work");
    assert_eq!(a.heard(&mut w), [UPDATED]);
    assert_eq!(b.heard(&mut w), [UPDATED]);
    let call = a.call(&mut w, "home_1mcp_t", "{}");
    is_forbidden(&mut w, a, &call, "tag:home tag:work");
    // The last who listens.
    renews(&mut w, b, 2, "tag:work");
    b.request(&mut w, "ping", "{}").result(&mut w);
    assert_eq!(w.server("home").got(&w, "resources/unsubscribe"), 1);
    // What is shown again has to be asked for again.
    renews(&mut w, a, 1, "mcp");
    a.request(&mut w, "ping", "{}").result(&mut w);
    w.advance(1_000);
    assert_eq!(a.heard(&mut w), ALL);
    updated(&mut w, "home", "x://home");
    a.expect_nothing(&mut w);
    subscribe(&mut w, a, "x://home");
    updated(&mut w, "home", "x://home");
    assert_eq!(a.heard(&mut w), [UPDATED]);
}

fn own() -> Script {
    anything()
        .with("tools", [tool("t")])
        .with("resources", [resource("x://1")])
}

#[test]
fn a_session_of_its_own_ends_when_its_server_is_hidden() {
    let _ends = must_hit(Mark::HiddenSessionEnds);
    let mut w = guarded()
        .server_with("s", r#""tags":["s"],"isolation":"session""#, own())
        .server_with("t", r#""tags":["t"]"#, own())
        .open();
    let before = w.running("s").len();
    let a = holder(&mut w, Era::Legacy, 1, "tag:s tag:t");
    let b = holder(&mut w, Era::Legacy, 2, "tag:s");
    // Who does not see it gets none to begin with.
    let c = holder(&mut w, Era::Legacy, 3, "tag:t");
    assert_eq!(c.list(&mut w, "tools/list"), ["t_1mcp_t"]);
    w.advance(1_000);
    assert_eq!(w.running("s").len(), before + 2);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    renews(&mut w, a, 1, "tag:t");
    a.request(&mut w, "ping", "{}").result(&mut w);
    assert_eq!(call.error(&mut w).0, -32603);
    w.advance(10_000);
    assert_eq!(w.running("s").len(), before + 1);
    assert_eq!(b.list(&mut w, "tools/list"), ["s_1mcp_t"]);
}

#[test]
fn a_lent_session_and_a_listener_end_when_their_server_is_hidden() {
    let members = |tag: &str| format!(r#""tags":["{tag}"],"isolation":"session""#);
    let mut w = guarded()
        .server_with("s", &members("s"), own())
        .server_with("t", r#""tags":["t"]"#, own())
        .open();
    let scopes = (1, "tag:s tag:t");
    let listener = holder_of(&mut w, Era::Modern, scopes, "{}");
    let filter = r#"{"notifications":{"resourceSubscriptions":["x://1","onemcp://t/x://1"]}}"#;
    listener.request(&mut w, "subscriptions/listen", filter);
    listener.expect(&mut w, "notifications/subscriptions/acknowledged");
    let common = w.running("s")[0];
    let caller = holder_of(&mut w, Era::Modern, scopes, r#"{"sampling":{}}"#);
    let call = caller.call(&mut w, "s_1mcp_t", "{}");
    w.advance(1_000);
    let lent = w.server("s");
    assert!(lent != common && lent.got(&w, "tools/call") == 1);
    w.configure(&[entry("s", &members("other")), entry("t", r#""tags":["t"]"#)]);
    assert_eq!(call.error(&mut w).0, -32603);
    w.advance(10_000);
    assert!(!lent.alive(&w) && common.alive(&w));
    assert_eq!(common.got(&w, "resources/unsubscribe"), 1);
    common.notes(&mut w, UPDATED, r#"{"uri":"x://1"}"#);
    listener.expect_nothing(&mut w);
    updated(&mut w, "t", "x://1");
    let told = listener.expect(&mut w, UPDATED);
    assert_eq!(told["params"]["uri"], "onemcp://t/x://1");
}

#[test]
fn tags_that_change_show_and_hide_at_once() {
    for era in ERAS {
        let mut w = three();
        let a = hearing(&mut w, era, 1, "tag:home");
        let b = hearing(&mut w, era, 2, "tag:work");
        if era == Era::Legacy {
            subscribe(&mut w, a, "x://home");
        }
        let (of_work, of_home) = (w.server("work"), w.server("home"));
        let tagged =
            |work: &str, home: &str| [entry("work", work), entry("home", home), entry("bare", "")];
        // Nothing that the second sees is touched.
        w.configure(&tagged(r#""tags":["work"]"#, r#""tags":["other"]"#));
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL, "{era:?}");
        b.expect_nothing(&mut w);
        let lister = holder(&mut w, era, 1, "tag:home");
        assert_eq!(lister.list(&mut w, "tools/list"), [""; 0]);
        if era == Era::Legacy {
            assert_eq!(of_home.got(&w, "resources/unsubscribe"), 1);
            assert_eq!(a.list(&mut w, "tools/list"), [""; 0]);
        }
        w.configure(&tagged(r#""tags":["work","home"]"#, r#""tags":["other"]"#));
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL);
        assert_eq!(b.heard(&mut w), ALL);
        assert_eq!(lister.list(&mut w, "tools/list"), ["work_1mcp_t"]);
        // Tags are no reason to start anything anew.
        assert!(of_work.alive(&w) && of_home.alive(&w));
        // One that is not seen comes and goes.
        w.configure(&[
            entry("work", r#""tags":["work","home"]"#),
            entry("home", r#""tags":["other"]"#),
        ]);
        w.advance(1_000);
        a.expect_nothing(&mut w);
    }
}

#[test]
fn c14_levels_go_to_servers_that_are_seen_and_messages_come_from_no_others() {
    let mut w = three();
    let a = holder(&mut w, Era::Legacy, 1, "tag:home");
    let b = holder(&mut w, Era::Legacy, 2, "mcp");
    level(&mut w, a, "debug");
    assert_eq!(
        ["work", "home", "bare"].map(|name| levels(&w, name)),
        [0, 1, 0]
    );
    level(&mut w, b, "error");
    // At home another one wants more.
    assert_eq!(
        ["work", "home", "bare"].map(|name| levels(&w, name)),
        [1, 1, 1]
    );
    a.clear(&mut w);
    let call = a.call(&mut w, "home_1mcp_t", "{}");
    let seen = w.server("home").expect(&mut w, "tools/call");
    // It loses sight of what it waits for: the answer was asked for in time, the rest was not.
    renews(&mut w, a, 1, "tag:work");
    a.request(&mut w, "ping", "{}").result(&mut w);
    w.advance(1_000);
    a.clear(&mut w);
    w.server("home")
        .notes(&mut w, LOG, r#"{"level":"error","data":1}"#);
    a.expect_nothing(&mut w);
    seen.result(&mut w, r#"{"content":[]}"#);
    call.result(&mut w);
    // The others there get what they asked for.
    assert_eq!(
        ["work", "home", "bare"].map(|name| levels(&w, name)),
        [2, 2, 1]
    );
}

#[test]
fn a_call_that_waits_for_its_server_is_let_in_once_more_when_that_is_up() {
    let slow = own().manual("initialize");
    let mut w = guarded()
        .server_with("s", r#""tags":["s"]"#, slow)
        .server_with("t", r#""tags":["t"]"#, own())
        .open();
    let a = holder_of(&mut w, Era::Legacy, (1, "tag:s"), "{}");
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    call.pending(&mut w);
    renews(&mut w, a, 1, "tag:t");
    a.request(&mut w, "ping", "{}").result(&mut w);
    let hello = w.server("s").expect(&mut w, "initialize");
    hello.result(
        &mut w,
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}"#,
    );
    assert_eq!(call.error(&mut w).0, -32600);
    assert_eq!(w.server("s").got(&w, "tools/call"), 0);
}
