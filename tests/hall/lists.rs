//! Lists: merged, in pages, from memory, refreshed; what is offered while servers come and go
//! (A3, A4, F15, contract 3).

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{LIST_WAIT_MS, WAITING_PER_SERVER_MAX};
use serde_json::json;

use crate::client::{Client, keys};
use crate::server::{anything, prompt, resource, template, tool, tools};
use crate::world::{World, entry};

const LISTS: [&str; 4] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];

#[test]
fn a3_what_is_advertised_is_answered_and_what_is_not_is_no_method() {
    let mut w = World::http().server("files", tools(["t"])).start();
    let a = Client::http(&mut w);
    let hello = a.initialize(&mut w, "2025-11-25", "{}");
    assert_eq!(
        hello["capabilities"],
        json!({"tools": {"listChanged": true}, "logging": {}})
    );
    assert_eq!(a.list(&mut w, "tools/list"), ["files_1mcp_t"]);
    a.request(&mut w, "logging/setLevel", r#"{"level":"info"}"#)
        .result(&mut w);
    for method in [
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
    ] {
        let (code, message) = a.request(&mut w, method, "{}").error(&mut w);
        assert_eq!(
            (code, message),
            (-32601, format!("method not found: {method}"))
        );
    }
}

#[test]
fn a3_capabilities_are_the_union_and_a_server_never_seen_may_have_everything() {
    let all = json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"subscribe": true, "listChanged": true},
        "completions": {},
        "logging": {},
    });
    let mut w = World::http().start();
    let a = Client::http(&mut w);
    assert_eq!(
        a.initialize(&mut w, "2025-11-25", "{}")["capabilities"],
        all
    );
    let mut w = World::http()
        .server("slow", tools([]).manual("initialize"))
        .start();
    let a = Client::http(&mut w);
    assert_eq!(
        a.initialize(&mut w, "2025-11-25", "{}")["capabilities"],
        all
    );
    let slow = w.server("slow").expect(&mut w, "initialize");
    slow.result(
        &mut w,
        r#"{"protocolVersion":"2025-06-18","capabilities":{"prompts":{}}}"#,
    );
    // What was advertised goes on to be answered.
    for method in [
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
    ] {
        assert_eq!(a.list(&mut w, method), [""; 0]);
    }
    let b = Client::http(&mut w);
    assert_eq!(
        b.initialize(&mut w, "2025-11-25", "{}")["capabilities"],
        json!({"prompts": {"listChanged": true}})
    );
    assert_eq!(
        b.request(&mut w, "tools/list", "{}").error(&mut w).0,
        -32601
    );
    assert_eq!(
        a.request(&mut w, "logging/setLevel", r#"{"level":"info"}"#)
            .result(&mut w),
        json!({})
    );
}

#[test]
fn a3_without_any_server_lists_are_empty() {
    let mut w = World::http().start();
    let a = w.client("{}");
    for method in LISTS {
        assert_eq!(a.list(&mut w, method), [""; 0]);
    }
}

#[test]
fn a4_lists_are_merged_in_file_order_and_served_from_memory() {
    let one = anything()
        .with("tools", [tool("z"), tool("a")])
        .with("resources", [resource("x://1")])
        .with("resourceTemplates", [template("x://{id}")]);
    let two = anything()
        .with("tools", [tool("m")])
        .with("prompts", [prompt("p")]);
    let mut w = World::http().server("two", two).server("one", one).start();
    let a = w.client("{}");
    for _ in 0..3 {
        assert_eq!(
            a.list(&mut w, LISTS[0]),
            ["two_1mcp_m", "one_1mcp_z", "one_1mcp_a"]
        );
        assert_eq!(a.list(&mut w, LISTS[1]), ["two_1mcp_p"]);
        assert_eq!(a.list(&mut w, LISTS[2]), ["x://1"]);
        assert_eq!(a.list(&mut w, LISTS[3]), ["x://{id}"]);
    }
    for server in ["one", "two"] {
        for method in LISTS {
            assert_eq!(w.server(server).got(&w, method), 1, "{server} {method}");
        }
    }
}

#[test]
fn a4_pages_cover_every_entry_once_in_any_size() {
    for page in 1..=8 {
        let mut w = World::http()
            .settings(|settings| settings.page_entries = page)
            .server("a", tools(["1", "2", "3"]))
            .server_with("b", r#""disabledTools":["2"]"#, tools(["1", "2"]))
            .server("c", tools([]))
            .server("d", tools(["1", "2"]))
            .start();
        let client = w.client("{}");
        let (mut all, mut params) = (Vec::new(), "{}".to_owned());
        loop {
            let result = client.request(&mut w, "tools/list", &params).result(&mut w);
            let keys = keys("tools/list", &result);
            assert!(!keys.is_empty() && keys.len() <= page, "{result}");
            all.extend(keys);
            match result.get("nextCursor") {
                Some(cursor) => params = format!("{{\"cursor\":{cursor}}}"),
                None => break,
            }
        }
        assert_eq!(
            all,
            [
                "a_1mcp_1", "a_1mcp_2", "a_1mcp_3", "b_1mcp_1", "d_1mcp_1", "d_1mcp_2"
            ]
        );
    }
}

#[test]
fn a4_a_cursor_that_is_not_ours_is_invalid_params() {
    let script = anything()
        .with("tools", [tool("1"), tool("2")])
        .with("prompts", [prompt("1"), prompt("2")]);
    let mut w = World::http()
        .settings(|settings| settings.page_entries = 1)
        .server("a", script)
        .start();
    let a = w.client("{}");
    let first = a.request(&mut w, "tools/list", "{}").result(&mut w);
    let cursor = first["nextCursor"].as_str().unwrap().to_owned();
    let params = |cursor: &str| format!("{{\"cursor\":{}}}", json!(cursor));
    assert_eq!(
        a.request(&mut w, "tools/list", &params(&cursor))
            .result(&mut w)["tools"][0]["name"],
        "a_1mcp_2"
    );
    let forged = cursor.replace('1', "2");
    for bad in [
        "x",
        "1",
        "1.",
        ".",
        "0",
        "99999999999999999999.x",
        &cursor[1..],
        &forged,
        &format!("+{cursor}"),
    ] {
        let (code, message) = a.request(&mut w, "tools/list", &params(bad)).error(&mut w);
        assert_eq!((code, message.contains("cursor")), (-32602, true), "{bad}");
    }
    // Of another list.
    assert_eq!(
        a.request(&mut w, "prompts/list", &params(&cursor))
            .error(&mut w)
            .0,
        -32602
    );
    // No string at all.
    for bad in [
        r#"{"cursor":1}"#,
        r#"{"cursor":null}"#,
        r#"{"cursor":"","cursor":""}"#,
    ] {
        assert_eq!(
            a.request(&mut w, "tools/list", bad).error(&mut w).0,
            -32602,
            "{bad}"
        );
    }
    // The empty string is a legal cursor: the beginning.
    assert_eq!(
        a.request(&mut w, "tools/list", &params("")).result(&mut w),
        first
    );
    // The cursor is the same for everybody, and a list that shrank meanwhile has no more.
    let b = w.client("{}");
    w.script("a").set("tools", [tool("1")]);
    w.server("a").list_changed(&mut w, "tools");
    assert_eq!(
        b.request(&mut w, "tools/list", &params(&cursor))
            .result(&mut w),
        json!({"tools": []})
    );
}

#[test]
fn f15_the_pages_of_a_server_are_followed_to_the_end() {
    let mut script = tools([]);
    let page = |names: [&str; 2]| names.map(tool).to_vec();
    script.lists.insert(
        "tools",
        vec![page(["a", "b"]), Vec::new(), page(["c", "d"])],
    );
    let mut w = World::http().server("s", script).start();
    let a = w.client("{}");
    assert_eq!(
        a.list(&mut w, "tools/list"),
        ["s_1mcp_a", "s_1mcp_b", "s_1mcp_c", "s_1mcp_d"]
    );
    assert_eq!(w.server("s").got(&w, "tools/list"), 3);
}

#[test]
fn a_change_is_fetched_and_told_once_to_everybody() {
    let script = anything()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")]);
    let mut w = World::http().server("s", script).start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let s = w.server("s");
    w.script("s").set("tools", [tool("t"), tool("u")]);
    w.script("s").set("prompts", []);
    for _ in 0..5 {
        s.list_changed(&mut w, "tools");
        s.list_changed(&mut w, "prompts");
    }
    a.expect_nothing(&mut w);
    w.advance(100);
    for client in [a, b] {
        assert_eq!(
            client.heard(&mut w),
            [
                "notifications/tools/list_changed",
                "notifications/prompts/list_changed"
            ]
        );
    }
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t", "s_1mcp_u"]);
    assert_eq!(a.list(&mut w, "prompts/list"), [""; 0]);
    // A change that changes nothing is not told.
    s.list_changed(&mut w, "tools");
    w.advance(100);
    assert_eq!(a.heard(&mut w), [""; 0]);
}

#[test]
fn a_refetch_runs_alone_and_is_repeated_once_if_the_list_changed_meanwhile() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let a = w.client("{}");
    let s = w.server("s");
    w.script("s").manual.insert("tools/list");
    for _ in 0..10 {
        s.list_changed(&mut w, "tools");
    }
    let fetch = s.expect(&mut w, "tools/list");
    s.expect_nothing(&mut w);
    // Meanwhile the old list and the old route serve.
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    a.call(&mut w, "s_1mcp_t", "{}");
    s.expect(&mut w, "tools/call");
    fetch.result(&mut w, &format!(r#"{{"tools":[{}]}}"#, tool("u")));
    // A moment later, or a server that announces a change whenever it is asked had us run.
    s.expect_nothing(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_u"]);
    w.advance(250);
    a.clear(&mut w);
    let again = s.expect(&mut w, "tools/list");
    again.result(&mut w, &format!(r#"{{"tools":[{}]}}"#, tool("v")));
    s.expect_nothing(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_v"]);
    w.advance(100);
    assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
    assert_eq!(a.call(&mut w, "s_1mcp_t", "{}").error(&mut w).0, -32602);
}

#[test]
fn a_list_that_cannot_be_had_leaves_what_was_known_and_the_others() {
    let script = anything()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")]);
    let broken = anything().with("tools", [tool("x")]).manual("prompts/list");
    let mut w = World::http()
        .server("good", script)
        .server_with("bad", r#""requestTimeout":1000"#, broken)
        .begin();
    let bad = w.server("bad");
    bad.expect(&mut w, "prompts/list")
        .error(&mut w, r#"{"code":-32603,"message":"no"}"#);
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "prompts/list"), ["good_1mcp_p"]);
    assert_eq!(a.list(&mut w, "tools/list"), ["good_1mcp_t", "bad_1mcp_x"]);
    assert!(w.logged(&["Warn", "server=bad", "prompts/list"]));
    // Silence is as good as an error.
    w.advance(250);
    bad.list_changed(&mut w, "prompts");
    bad.expect(&mut w, "prompts/list");
    w.script("bad").set("tools", [tool("y")]);
    bad.list_changed(&mut w, "tools");
    assert_eq!(a.list(&mut w, "prompts/list"), ["good_1mcp_p"]);
    w.advance(1_000);
    assert_eq!(a.list(&mut w, "tools/list"), ["good_1mcp_t", "bad_1mcp_y"]);
}

#[test]
fn a_list_that_hangs_does_not_hide_the_other_lists() {
    let script = anything().with("tools", [tool("t")]).manual("prompts/list");
    let mut w = World::http().server("s", script).start();
    let a = w.client("{}");
    let list = a.request(&mut w, "tools/list", "{}");
    w.advance(10_000);
    assert_eq!(keys("tools/list", &list.result(&mut w)), ["s_1mcp_t"]);
    a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    s.expect(&mut w, "prompts/list");
    s.expect(&mut w, "tools/call");
}

#[test]
fn the_first_list_waits_for_a_server_that_was_never_seen_but_not_for_ever() {
    let mut w = World::http()
        .server("good", tools(["t"]))
        .server("slow", tools(["u"]).manual("initialize"))
        .server("hung", tools([]).manual("initialize"))
        .start();
    let a = w.client("{}");
    let list = a.request(&mut w, "tools/list", "{}");
    list.pending(&mut w);
    let hello = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}"#;
    w.server("slow")
        .expect(&mut w, "initialize")
        .result(&mut w, hello);
    list.pending(&mut w);
    w.advance(10_000);
    assert_eq!(
        keys("tools/list", &list.result(&mut w)),
        ["good_1mcp_t", "slow_1mcp_u"]
    );
}

#[test]
fn no_alarm_is_left_when_nobody_waits_any_more() {
    let mut w = World::http()
        .server("s", tools(["t"]).manual("initialize").manual("tools/call"))
        .start();
    let a = w.client("{}");
    let list = a.request(&mut w, "tools/list", "{}");
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let hello = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}"#;
    w.server("s")
        .expect(&mut w, "initialize")
        .result(&mut w, hello);
    list.result(&mut w);
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, "{}");
    call.result(&mut w);
    // What changed meanwhile is told and asked for within a second. What comes then is the first
    // comment on the client's event stream, 15 s after it was opened.
    w.advance(1_000);
    let next = w.next_alarm().unwrap_or(u64::MAX);
    assert!(next > w.tick() + LIST_WAIT_MS, "{next}");
}

#[test]
fn a_server_that_hangs_delays_the_first_list_only() {
    let mut w = World::http()
        .server("good", tools(["t"]))
        .server("hung", tools([]).manual("initialize"))
        .start();
    let a = w.client("{}");
    let list = a.request(&mut w, "tools/list", "{}");
    w.advance(10_000);
    list.result(&mut w);
    for _ in 0..3 {
        assert_eq!(a.list(&mut w, "tools/list"), ["good_1mcp_t"]);
    }
    let b = w.client("{}");
    assert_eq!(b.list(&mut w, "tools/list"), ["good_1mcp_t"]);
}

#[test]
fn a_server_that_cannot_be_started_delays_nobody() {
    let mut missing = tools([]);
    missing.missing = Some("no such program: nope".to_owned());
    let mut w = World::http()
        .server("good", tools(["t"]))
        .server("nope", missing)
        .server_with("unset", r#""args":["${NOT_SET_ANYWHERE}"]"#, tools([]))
        .start();
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["good_1mcp_t"]);
    let (code, message) = a.call(&mut w, "nope_1mcp_x", "{}").error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.starts_with("server nope is down: no such program: nope; next try in "),
        "{message}"
    );
    let (code, message) = a.call(&mut w, "unset_1mcp_x", "{}").error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("unset") && message.contains("NOT_SET_ANYWHERE"),
        "{message}"
    );
}

#[test]
fn a_waiting_list_can_be_cancelled_and_ends_with_its_client() {
    let mut w = World::http()
        .server("hung", tools([]).manual("initialize"))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let list = a.request(&mut w, "tools/list", "{}");
    a.cancels(&mut w, &list);
    let other = b.request(&mut w, "tools/list", "{}");
    b.leaves(&mut w);
    w.advance(20_000);
    list.pending(&mut w);
    drop(other);
    assert_eq!(a.unread_answers(&mut w), [""; 0]);
}

#[test]
fn what_was_known_is_offered_at_once_after_a_restart_and_not_told_as_a_change() {
    let mut script = anything()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")]);
    script.instructions = Some("use t".to_owned());
    script.capabilities = r#"{"tools":{},"prompts":{}}"#.to_owned();
    let w = World::http().server("s", script.clone()).start();
    assert_eq!(w.store.len(), 1);
    let (name, record) = w.store.first_key_value().unwrap();
    assert!(
        name.bytes().all(|byte| byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || b"-.".contains(&byte))
    );
    let record = String::from_utf8(record.clone()).unwrap();
    assert!(record.contains("use t"), "{record}");

    let silent = script.manual("initialize");
    let mut w = World::http().server("s", silent).store(w.store).begin();
    let a = Client::http(&mut w);
    let hello = a.initialize(&mut w, "2025-11-25", "{}");
    assert_eq!(
        hello["capabilities"],
        json!({"tools": {"listChanged": true}, "prompts": {"listChanged": true}})
    );
    assert!(hello["instructions"].as_str().unwrap().contains("use t"));
    a.initialized(&mut w);
    a.listen(&mut w);
    w.advance(100);
    a.clear(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    assert_eq!(a.list(&mut w, "prompts/list"), ["s_1mcp_p"]);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let before = w.store.clone();
    let hello = r#"{"protocolVersion":"2025-11-25","instructions":"use t","capabilities":{"tools":{},"prompts":{}}}"#;
    let s = w.server("s");
    s.expect(&mut w, "initialize").result(&mut w, hello);
    s.expect(&mut w, "tools/call").result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    w.advance(100);
    assert_eq!(a.heard(&mut w), [""; 0]);
    assert_eq!(w.store, before);
}

#[test]
fn a_record_of_another_command_line_or_a_damaged_one_is_not_used() {
    let _reached = must_hit(Mark::RecordDamaged);
    let mut w = World::http().server("s", tools(["t"])).start();
    let mut store = std::mem::take(&mut w.store);
    let other = r#""args":["--other"]"#;
    let mut w = World::http()
        .server_with("s", other, tools(["u"]).manual("initialize"))
        .store(store.clone())
        .start();
    let a = w.client("{}");
    a.request(&mut w, "tools/list", "{}").pending(&mut w);
    store
        .values_mut()
        .for_each(|bytes| bytes.truncate(bytes.len() / 2));
    let mut w = World::http().server("s", tools(["t"])).store(store).start();
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
}

#[test]
fn lists_shrink_and_grow_with_a_server_and_clients_are_told() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["u"]))
        .start();
    let a = w.client("{}");
    w.server("one").dies(&mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["two_1mcp_u"]);
    let (code, message) = a.call(&mut w, "one_1mcp_t", "{}").error(&mut w);
    assert_eq!(code, -32603);
    assert!(
        message.contains("server one is down: exited with exit code 1")
            && message.contains("next try in"),
        "{message}"
    );
    w.advance(100);
    assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
    w.advance(2_000);
    assert_eq!(w.starts("one"), 2);
    assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
    assert_eq!(a.list(&mut w, "tools/list"), ["one_1mcp_t", "two_1mcp_u"]);
    a.call(&mut w, "one_1mcp_t", "{}");
    w.server("one").expect(&mut w, "tools/call");
}

#[test]
fn calls_in_flight_fail_when_their_server_dies_and_say_why() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["u"]))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let lost = [
        a.call(&mut w, "one_1mcp_t", "{}"),
        b.call(&mut w, "one_1mcp_t", "{}"),
    ];
    let kept = b.call(&mut w, "two_1mcp_u", "{}");
    let last = w.server("one");
    let answered = last.expect(&mut w, "tools/call");
    answered.result(&mut w, "{}");
    last.dies(&mut w);
    assert_eq!(lost[0].result(&mut w), json!({}));
    let (code, message) = lost[1].error(&mut w);
    assert_eq!((code, message.contains("one")), (-32603, true));
    kept.pending(&mut w);
    assert_eq!(w.counts().calls, 1);
}

#[test]
fn calls_wait_for_a_server_that_is_starting_and_fail_if_it_does_not_come_up() {
    let mut w = World::http()
        .server("s", tools(["t"]).manual("initialize"))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let calls = [
        a.call(&mut w, "s_1mcp_t", r#"{"n":1}"#),
        b.call(&mut w, "s_1mcp_t", r#"{"n":2}"#),
    ];
    let s = w.server("s");
    let hello = s.expect(&mut w, "initialize");
    s.expect_nothing(&mut w);
    hello.result(
        &mut w,
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#,
    );
    for (call, n) in calls.iter().zip([1, 2]) {
        let seen = s.expect(&mut w, "tools/call");
        assert_eq!(seen.value["params"]["arguments"]["n"], n);
        seen.result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
    let mut w = World::http()
        .server("s", tools(["t"]).manual("initialize"))
        .start();
    let a = w.client("{}");
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    w.server("s").dies(&mut w);
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, message.contains("server s is down")),
        (-32603, true),
        "{message}"
    );
}

#[test]
fn calls_wait_also_for_a_server_that_is_being_started_again() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let a = w.client("{}");
    w.script("s").manual.insert("initialize");
    w.server("s").dies(&mut w);
    assert_eq!(a.call(&mut w, "s_1mcp_t", "{}").error(&mut w).0, -32603);
    w.advance(3_000);
    let s = w.server("s");
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    call.pending(&mut w);
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#;
    s.expect(&mut w, "initialize").result(&mut w, hello);
    s.expect(&mut w, "tools/call").result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    // And do not wait for ever if it does not come up.
    s.dies(&mut w);
    w.advance(5_000);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    call.pending(&mut w);
    w.server("s").dies(&mut w);
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, message.contains("is down")),
        (-32603, true),
        "{message}"
    );
}

#[test]
fn a_call_waits_for_a_starting_server_as_long_as_a_call_may_take() {
    let members = r#""requestTimeout":2000"#;
    let script = tools(["t"]).manual("initialize");
    let mut w = World::http().server_with("s", members, script).start();
    let a = w.client("{}");
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let gone = a.call(&mut w, "s_1mcp_t", "{}");
    a.cancels(&mut w, &gone);
    w.advance(1_999);
    call.pending(&mut w);
    w.advance(1);
    let (code, message) = call.error(&mut w);
    assert_eq!(
        (code, message.contains("still starting")),
        (-32603, true),
        "{message}"
    );
    assert_eq!(a.unread_answers(&mut w), [""; 0]);
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#;
    let s = w.server("s");
    s.expect(&mut w, "initialize").result(&mut w, hello);
    s.expect_nothing(&mut w);
}

#[test]
fn instructions_are_one_line_of_ours_and_those_of_each_server() {
    let mut one = tools(["t"]);
    one.instructions = Some("say \"please\"\n\u{e9}".to_owned());
    let mut two = tools(["t"]);
    two.instructions = Some("never shown".to_owned());
    let mut w = World::http()
        .server("one", one)
        .server_with("two", r#""instructionOverride":"shown""#, two)
        .server("three", tools([]))
        .start();
    let a = Client::http(&mut w);
    let hello = a.initialize(&mut w, "2025-06-18", "{}");
    let text = hello["instructions"].as_str().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("<server>_1mcp_<name>"), "{text}");
    assert_eq!(
        lines[1..],
        [
            "",
            "## one",
            "say \"please\"",
            "\u{e9}",
            "",
            "## two",
            "shown"
        ]
    );
    assert_eq!(hello["serverInfo"]["name"], "1mcp");
    assert_eq!(hello["protocolVersion"], "2025-06-18");
}

#[test]
fn tags_of_the_command_line_bound_what_everybody_sees() {
    let members = r#""tags":["Web","x"]"#;
    let mut w = World::http()
        .settings(|settings| settings.tags = vec!["wEB".to_owned(), "named".to_owned()])
        .server_with("one", members, tools(["t"]))
        .server("named", tools(["t"]))
        .server("other", tools(["t"]))
        .start();
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["one_1mcp_t", "named_1mcp_t"]);
    assert_eq!(a.call(&mut w, "other_1mcp_t", "{}").error(&mut w).0, -32602);
    assert_eq!(w.starts("other"), 0);
    w.configure(&[entry("other", members)]);
    assert_eq!(a.list(&mut w, "tools/list"), ["other_1mcp_t"]);
}

#[test]
fn a_server_that_announces_a_change_whenever_it_is_asked_does_not_keep_us_busy() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let a = w.client("{}");
    let s = w.server("s");
    w.script("s").manual.insert("tools/list");
    s.list_changed(&mut w, "tools");
    let mut asked = 0;
    for _ in 0..100 {
        while let Some(line) = s.next(&mut w) {
            if line.contains("tools/list") {
                asked += 1;
                s.list_changed(&mut w, "tools");
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                s.says(
                    &mut w,
                    &format!(
                        r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{}]}}}}"#,
                        value["id"],
                        tool("t")
                    ),
                );
            }
            assert!(asked < 200, "asked without end");
        }
        w.advance(10);
    }
    assert!((4..=5).contains(&asked), "{asked} times in a second");
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
}

#[test]
fn a_call_by_bare_name_waits_for_a_server_that_was_never_seen() {
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#;
    let mut w = World::http()
        .server_with("s", r#""prefix":"""#, tools(["t"]).manual("initialize"))
        .server("d", tools(["u"]))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let calls = [
        a.call(&mut w, "t", r#"{"n":1}"#),
        b.call(&mut w, "t", r#"{"n":2}"#),
        a.call(&mut w, "nobody", "{}"),
    ];
    // A name in the default form of a server that is known never waits.
    assert_eq!(a.call(&mut w, "d_1mcp_v", "{}").error(&mut w).0, -32602);
    for call in &calls {
        call.pending(&mut w);
    }
    let s = w.server("s");
    s.expect(&mut w, "initialize").result(&mut w, hello);
    for (call, n) in calls.iter().zip([1, 2]) {
        let seen = s.expect(&mut w, "tools/call");
        assert_eq!(seen.value["params"]["arguments"]["n"], n);
        seen.result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
    let (code, message) = calls[2].error(&mut w);
    assert_eq!((code, message.as_str()), (-32602, "unknown tool: nobody"));
}

#[test]
fn a_call_by_bare_name_waits_no_longer_than_a_list() {
    let mut w = World::http()
        .server_with("s", r#""prefix":"x/""#, tools(["t"]).manual("initialize"))
        .start();
    let a = w.client("{}");
    assert_eq!(a.call(&mut w, "y_t", "{}").error(&mut w).0, -32602);
    let call = a.call(&mut w, "x_t", "{}");
    w.advance(9_000);
    call.pending(&mut w);
    w.advance(1_000);
    assert_eq!(call.error(&mut w).0, -32602);
    // Once waited for in vain is enough.
    assert_eq!(a.call(&mut w, "x_t", "{}").error(&mut w).0, -32602);
}

#[test]
fn a_call_that_waits_for_its_name_can_be_cancelled_and_is_bounded() {
    let mut w = World::http()
        .server_with("s", r#""prefix":"""#, tools(["t"]).manual("initialize"))
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let cancelled = a.call(&mut w, "t", "{}");
    a.cancels(&mut w, &cancelled);
    let kept: Vec<_> = (0..WAITING_PER_SERVER_MAX)
        .map(|_| b.call(&mut w, "t", "{}"))
        .collect();
    assert_eq!(a.call(&mut w, "t", "{}").error(&mut w).0, -32602);
    let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#;
    let s = w.server("s");
    s.expect(&mut w, "initialize").result(&mut w, hello);
    for call in &kept {
        s.expect(&mut w, "tools/call").result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
    s.expect_nothing(&mut w);
}
