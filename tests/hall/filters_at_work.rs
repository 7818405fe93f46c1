//! What a client asks to see changes: its URL, the preset that it names, the tags of servers. It is
//! told once, and what it has in servers that it leaves out ends (contract 4).

use onemcp::base::mark::{Mark, must_hit};
use serde_json::json;

use crate::client::Client;
use crate::filters::asking;
use crate::parking::{CALL, again, asked};
use crate::server::{anything, prompt, resource, tool, tools};
use crate::server_modern::stateless;
use crate::sight::house;
use crate::tasks_kit::{KNOWS, about, begun, script, shown};
use crate::token::{ERAS, Era};
use crate::world::{World, entry, presets};

const ALL: [&str; 3] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
];
const UPDATED: &str = "notifications/resources/updated";
const LISTS: &str =
    r#""toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true"#;

const A: &str = r#""tags":["a"]"#;
const B: &str = r#""tags":["b"]"#;

/// The ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Session,
    Sse,
    Listen,
}
const WAYS: [Way; 3] = [Way::Session, Way::Sse, Way::Listen];

fn two() -> World {
    let builder = World::http().presets(&[("p", "a"), ("other", "a")]);
    let builder = builder.server_with("work", A, house("work"));
    builder.server_with("home", B, house("home")).start()
}

fn entries() -> [String; 2] {
    [entry("work", A), entry("home", B)]
}

/// A client that hears of changes, of lists and of these resources.
fn hearing(w: &mut World, way: Way, query: &str, uris: &[&str]) -> Client {
    let client = match way {
        Way::Session => {
            let client = asking(w, Era::Legacy, query, None);
            client.listen(w);
            client
        }
        Way::Sse => {
            let client = Client::sse_at(w, &format!("/sse?{query}"), None);
            client.initialize(w, "2024-11-05", "{}");
            client.initialized(w);
            client
        }
        Way::Listen => {
            let client = asking(w, Era::Modern, query, None);
            let wanted = format!(
                r#"{{"notifications":{{{LISTS},"resourceSubscriptions":{}}}}}"#,
                json!(uris)
            );
            client.request(w, "subscriptions/listen", &wanted);
            client
        }
    };
    if way != Way::Listen {
        for uri in uris {
            let params = json!({ "uri": uri }).to_string();
            client.request(w, "resources/subscribe", &params).result(w);
        }
    }
    w.advance(1_000);
    client.clear(w);
    client
}

fn updated(w: &mut World, server: &str) {
    let params = json!({"uri": format!("x://{server}")}).to_string();
    w.server(server).notes(w, UPDATED, &params);
}

/// The tools that are seen through a preset, by who asks now.
fn seen_now(w: &mut World, way: Way, client: Client) -> Vec<String> {
    match way {
        Way::Listen => asking(w, Era::Modern, "preset=p", None).list(w, "tools/list"),
        Way::Session | Way::Sse => client.list(w, "tools/list"),
    }
}

#[test]
fn a_preset_that_changes_reaches_open_sessions_once() {
    for way in WAYS {
        let mut w = two();
        let a = hearing(&mut w, way, "preset=p", &["x://work"]);
        let by_expr = hearing(&mut w, way, "tags=a", &["x://work"]);
        let all = hearing(&mut w, way, "", &["x://work", "x://home"]);
        updated(&mut w, "work");
        for client in [a, by_expr, all] {
            assert_eq!(client.heard(&mut w), [UPDATED], "{way:?}");
        }
        let ended = |w: &World| w.server("work").got(w, "resources/unsubscribe");
        w.presets = presets(&[("p", "b"), ("other", "b")]);
        w.configure(&entries());
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL, "{way:?}");
        // For nobody else anything has changed.
        by_expr.expect_nothing(&mut w);
        all.expect_nothing(&mut w);
        updated(&mut w, "work");
        updated(&mut w, "home");
        a.expect_nothing(&mut w);
        assert_eq!(by_expr.heard(&mut w), [UPDATED]);
        assert_eq!(all.heard(&mut w), [UPDATED, UPDATED]);
        assert_eq!(ended(&w), 0, "others listen there");
        assert_eq!(seen_now(&mut w, way, a), ["home_1mcp_t"]);
        // The same once more is no news, nor is what changes for another preset.
        w.presets = presets(&[("p", "b"), ("other", "a")]);
        w.configure(&entries());
        w.advance(1_000);
        a.expect_nothing(&mut w);
        // Nor is what means the same.
        w.presets = presets(&[("p", "b,nothing"), ("other", "a")]);
        w.configure(&entries());
        w.advance(1_000);
        a.expect_nothing(&mut w);
    }
}

#[test]
fn a_preset_that_is_deleted_shows_nothing_until_it_is_back() {
    for way in WAYS {
        let mut w = two();
        let a = hearing(&mut w, way, "preset=p", &["x://work"]);
        w.presets = presets(&[]);
        w.configure(&entries());
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL, "{way:?}");
        assert_eq!(w.server("work").got(&w, "resources/unsubscribe"), 1);
        updated(&mut w, "work");
        a.expect_nothing(&mut w);
        if way != Way::Listen {
            assert_eq!(a.list(&mut w, "tools/list"), [""; 0]);
            assert_eq!(a.call(&mut w, "work_1mcp_t", "{}").error(&mut w).0, -32602);
        }
        w.presets = presets(&[("p", "a,b")]);
        w.configure(&entries());
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL, "{way:?}");
        assert_eq!(seen_now(&mut w, way, a), ["work_1mcp_t", "home_1mcp_t"]);
    }
}

#[test]
fn tags_that_change_reach_who_filters_by_them() {
    for way in WAYS {
        let mut w = two();
        let a = hearing(&mut w, way, "filter=a", &["x://work"]);
        let b = hearing(&mut w, way, "filter=!a+!c", &[]);
        w.configure(&[entry("work", r#""tags":["c"]"#), entry("home", B)]);
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL, "{way:?}");
        b.expect_nothing(&mut w);
        assert_eq!(w.server("work").got(&w, "resources/unsubscribe"), 1);
        w.configure(&[entry("work", A), entry("home", r#""tags":["A","b"]"#)]);
        w.advance(1_000);
        assert_eq!(a.heard(&mut w), ALL, "{way:?}");
        assert_eq!(b.heard(&mut w), ALL, "{way:?}");
        // Tags are no reason to start anything anew.
        assert_eq!((w.starts("work"), w.starts("home")), (1, 1));
    }
}

#[test]
fn of_a_session_the_latest_url_counts() {
    let mut w = two();
    let c = hearing(&mut w, Way::Session, "tags=a", &["x://work"]);
    assert_eq!(c.list(&mut w, "tools/list"), ["work_1mcp_t"]);
    let running = c.call(&mut w, "work_1mcp_t", "{}");
    let of_work = w.server("work").expect(&mut w, "tools/call");
    c.asks_for(&mut w, "tags=b");
    assert_eq!(c.list(&mut w, "tools/list"), ["home_1mcp_t"]);
    w.advance(1_000);
    assert_eq!(c.heard(&mut w), ALL);
    updated(&mut w, "work");
    c.expect_nothing(&mut w);
    // What was asked for in time is answered.
    of_work.result(&mut w, r#"{"content":[]}"#);
    running.result(&mut w);
    // By the GET stream alone.
    c.asks_for(&mut w, "");
    c.listen(&mut w);
    w.advance(1_000);
    assert_eq!(c.heard(&mut w), ALL);
    assert_eq!(c.list(&mut w, "tools/list"), ["work_1mcp_t", "home_1mcp_t"]);
}

#[test]
fn on_sse_only_the_url_of_the_stream_counts() {
    let mut w = two();
    let c = hearing(&mut w, Way::Sse, "filter=a%2B!b", &[]);
    for _ in 0..2 {
        assert_eq!(c.list(&mut w, "tools/list"), ["work_1mcp_t"]);
    }
    let (code, message) = c.call(&mut w, "home_1mcp_t", "{}").error(&mut w);
    let whole = "unknown tool: home_1mcp_t; the filter in the URL leaves server home out";
    assert_eq!((code, &*message), (-32602, whole));
}

#[test]
fn what_is_left_out_cannot_be_listened_to() {
    let mut w = two();
    let c = asking(&mut w, Era::Legacy, "tags=b", None);
    let before = w.server("work").got(&w, "resources/subscribe");
    for uri in ["x://work", "onemcp://work/x://work", "x://home"] {
        // There is one server that could be asked, so it is.
        let params = json!({ "uri": uri }).to_string();
        c.request(&mut w, "resources/subscribe", &params)
            .result(&mut w);
    }
    assert_eq!(w.server("home").got(&w, "resources/subscribe"), 3);
    assert_eq!(w.server("work").got(&w, "resources/subscribe"), before);
    updated(&mut w, "work");
    c.expect_nothing(&mut w);
    // Who leaves out all of them has nobody to ask.
    let none = asking(&mut w, Era::Legacy, "tags=none", None);
    for uri in ["x://work", "onemcp://work/x://work"] {
        let params = json!({ "uri": uri }).to_string();
        let call = none.request(&mut w, "resources/subscribe", &params);
        assert_eq!(call.error(&mut w).0, -32002);
    }
    let c = hearing(&mut w, Way::Listen, "tags=b", &["x://work", "x://home"]);
    assert_eq!(w.server("work").got(&w, "resources/subscribe"), before);
    updated(&mut w, "work");
    c.expect_nothing(&mut w);
    updated(&mut w, "home");
    assert_eq!(c.heard(&mut w), [UPDATED]);
}

#[test]
fn a_cursor_is_good_for_who_sees_the_same() {
    for era in ERAS {
        let many = || tools(["1", "2", "3"]);
        let mut w = World::http()
            .settings(|settings| settings.page_entries = 2)
            .server_with("work", A, many())
            .server_with("home", B, many())
            .start();
        let queries = ["", "tags=a", "tags=b", "tags=a,b"];
        let mut known = Vec::new();
        for query in queries {
            let c = asking(&mut w, era, query, None);
            let first = c.request(&mut w, "tools/list", "{}").result(&mut w);
            known.push((c, first["nextCursor"].as_str().unwrap().to_owned()));
        }
        for (c, own) in &known {
            for (_, cursor) in &known {
                let params = json!({ "cursor": cursor }).to_string();
                let call = c.request(&mut w, "tools/list", &params);
                if cursor == own {
                    call.result(&mut w);
                } else {
                    assert_eq!(call.error(&mut w).0, -32602);
                }
            }
        }
    }
}

#[test]
fn what_depends_on_the_url_is_kept_by_nobody_else() {
    let script = stateless()
        .capable(r#"{"tools":{},"resources":{}}"#)
        .manual("tools/list")
        .with("resources", [resource("x://1")]);
    let mut w = World::http()
        .server_with("s", r#""era":"modern","tags":["a"]"#, script)
        .start();
    let result = r#"{"resultType":"complete","tools":[],"ttlMs":60000,"cacheScope":"public"}"#;
    let listed = w.server("s").expect(&mut w, "tools/list");
    listed.result(&mut w, result);
    for (query, scope) in [("", "public"), ("tags=a", "private"), ("x=1", "public")] {
        let c = asking(&mut w, Era::Modern, query, None);
        let listed = c.request(&mut w, "tools/list", "{}").result(&mut w);
        assert_eq!(listed["cacheScope"], scope, "{query}");
        let call = c.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
        let result = r#"{"resultType":"complete","contents":[],"ttlMs":7,"cacheScope":"public"}"#;
        w.server("s")
            .expect(&mut w, "resources/read")
            .result(&mut w, result);
        assert_eq!(call.result(&mut w)["cacheScope"], scope, "{query}");
    }
}

#[test]
fn a3_capabilities_are_those_of_the_servers_that_are_wanted() {
    let mut w = World::http()
        .server_with(
            "work",
            A,
            anything()
                .capable(r#"{"tools":{}}"#)
                .with("tools", [tool("t")]),
        )
        .server_with(
            "home",
            B,
            anything()
                .capable(r#"{"prompts":{}}"#)
                .with("prompts", [prompt("p")]),
        )
        .start();
    for era in ERAS {
        for (query, groups) in [("tags=a", vec!["tools"]), ("", vec!["prompts", "tools"])] {
            let c = asking(&mut w, era, query, None);
            let hello = match era {
                Era::Legacy => c.initialize(&mut w, "2025-11-25", "{}"),
                Era::Modern => c.request(&mut w, "server/discover", "{}").result(&mut w),
            };
            let shown: Vec<&String> = hello["capabilities"].as_object().unwrap().keys().collect();
            assert_eq!(shown, groups, "{era:?} {query}");
        }
        let c = asking(&mut w, era, "tags=a", None);
        assert_eq!(
            c.request(&mut w, "prompts/list", "{}").error(&mut w).0,
            -32601
        );
        let call = c.request(&mut w, "prompts/get", r#"{"name":"home_1mcp_p"}"#);
        let (code, message) = call.error(&mut w);
        assert_eq!(code, -32602);
        assert!(message.ends_with("leaves server home out"), "{message}");
    }
}

#[test]
fn a_session_of_its_own_ends_when_its_server_is_left_out() {
    let _ends = must_hit(Mark::HiddenSessionEnds);
    let own = || tools(["t"]);
    let mut w = World::http()
        .presets(&[("p", "a,b")])
        .server_with("work", r#""tags":["a"],"isolation":"session""#, own())
        .server_with("home", B, own())
        .start();
    let before = w.running("work").len();
    let c = asking(&mut w, Era::Legacy, "preset=p", None);
    let other = asking(&mut w, Era::Legacy, "tags=b", None);
    assert_eq!(other.list(&mut w, "tools/list"), ["home_1mcp_t"]);
    w.advance(1_000);
    assert_eq!(
        w.running("work").len(),
        before + 1,
        "who leaves it out gets none"
    );
    let call = c.call(&mut w, "work_1mcp_t", "{}");
    w.presets = presets(&[("p", "b")]);
    w.configure(&[
        entry("work", r#""tags":["a"],"isolation":"session""#),
        entry("home", B),
    ]);
    assert_eq!(call.error(&mut w).0, -32603);
    w.advance(10_000);
    assert_eq!(w.running("work").len(), before);
    assert_eq!(c.list(&mut w, "tools/list"), ["home_1mcp_t"]);
}

#[test]
fn a_task_of_a_server_that_is_left_out_is_unknown() {
    let mut w = World::http()
        .server_with("s", A, script())
        .server_with("t", B, script())
        .start();
    let s = w.server("s");
    let legacy = asking(&mut w, Era::Legacy, "tags=a", None);
    let modern = Client::modern(&mut w, KNOWS);
    modern.asks_for(&mut w, "tags=a");
    let ids = [begun(&mut w, legacy, s, "x"), shown(&mut w, modern, s, "y")];
    for (c, id, methods) in [
        (
            legacy,
            &ids[0],
            ["tasks/get", "tasks/result", "tasks/cancel"],
        ),
        (
            modern,
            &ids[1],
            ["tasks/get", "tasks/update", "tasks/cancel"],
        ),
    ] {
        c.asks_for(&mut w, "tags=b");
        for method in methods {
            let params = json!({"taskId": id, "inputResponses": {}}).to_string();
            let (code, message) = c.request(&mut w, method, &params).error(&mut w);
            assert_eq!(code, -32602, "{method}");
            assert!(message.starts_with("unknown task"), "{message}");
        }
        s.expect_nothing(&mut w);
        c.asks_for(&mut w, "tags=a,b");
        about(&mut w, c, "tasks/get", id);
        s.expect(&mut w, "tasks/get");
    }
    legacy.asks_for(&mut w, "tags=b");
    let listed = legacy.request(&mut w, "tasks/list", "{}").result(&mut w);
    assert_eq!(listed["tasks"], json!([]));
}

#[test]
fn a_call_that_is_asked_back_is_taken_up_only_by_who_sees_its_server() {
    let mut w = World::http().server_with("s", A, tools(["t"])).start();
    let c = Client::modern(&mut w, r#"{"elicitation":{"form":{},"url":{}}}"#);
    c.asks_for(&mut w, "tags=a");
    let call = c.request(&mut w, "tools/call", CALL);
    let error = r#"{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"1","url":"http://x","message":"m"}]}}"#;
    w.server("s")
        .expect(&mut w, "tools/call")
        .error(&mut w, error);
    let first = asked(&mut w, &call);
    c.asks_for(&mut w, "tags=b");
    let call = c.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    let (code, message) = call.error(&mut w);
    assert_eq!(code, -32602);
    assert!(message.ends_with("leaves server s out"), "{message}");
    w.server("s").expect_nothing(&mut w);
    c.asks_for(&mut w, "filter=a");
    let call = c.request(&mut w, "tools/call", &again(CALL, "{}", &first.state));
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, r#"{"content":[]}"#);
    call.result(&mut w);
}

#[test]
fn a_call_that_waits_for_its_server_is_let_in_once_more_when_that_is_up() {
    let slow = anything()
        .with("resources", [resource("x://1")])
        .with("tools", [tool("t")]);
    let mut w = World::http()
        .server_with("s", A, slow.manual("initialize"))
        .server_with("t", B, tools(["t"]))
        .start();
    let c = asking(&mut w, Era::Legacy, "tags=a", None);
    let call = c.call(&mut w, "s_1mcp_t", "{}");
    call.pending(&mut w);
    c.asks_for(&mut w, "tags=b");
    c.request(&mut w, "ping", "{}").result(&mut w);
    let hello = w.server("s").expect(&mut w, "initialize");
    hello.result(
        &mut w,
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}"#,
    );
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, &*message),
        (-32602, "the filter in the URL leaves server s out")
    );
    assert_eq!(w.server("s").got(&w, "tools/call"), 0);
}
