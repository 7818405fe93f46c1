//! Sessions that go on after a restart (contract 5): two hubs, one after the other, with one disk.

use onemcp::base::mark::{Mark, must_hit};
use serde_json::json;

use crate::client::Client;
use crate::server::tools;
use crate::world::{Builder, World};

const ALL: &str = r#"{"roots":{},"sampling":{},"elicitation":{}}"#;

fn with(members: &str) -> Builder {
    World::http().server_with("s", members, tools(["t"]))
}

/// The next process, with what the first one left on its disk.
fn restarted(before: &World, members: &str) -> World {
    let builder = with(members).seed(8).store(before.store.clone());
    let mut world = builder.begin_with(|world| world.finds_records_of(before));
    world.advance(300);
    world
}

const CHANGES: [&str; 3] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
];

#[test]
fn contract_5_a_client_does_not_notice_a_restart_but_for_its_lists() {
    let _reached = must_hit(Mark::SessionRestored);
    let mut before = with("").start();
    let a = before.client(ALL);
    assert_eq!(a.list(&mut before, "tools/list"), ["s_1mcp_t"]);
    let mut w = restarted(&before, "");
    let a = a.goes_on(&mut before, &mut w);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    s.expect(&mut w, "tools/call").result(&mut w, r#"{"n":1}"#);
    assert_eq!(call.result(&mut w), json!({"n": 1}));
    assert_eq!(w.counts().sessions, 1);
    // The first stream tells that all lists are news, once.
    w.advance(1_000);
    a.listen(&mut w);
    assert_eq!(a.heard(&mut w), CHANGES);
    w.advance(10_000);
    a.expect_nothing(&mut w);
}

#[test]
fn contract_5_the_stream_may_be_the_first_thing_that_is_asked_for() {
    let mut before = with("").start();
    let a = before.client(ALL);
    let mut w = restarted(&before, "");
    let a = a.goes_on(&mut before, &mut w);
    a.listen(&mut w);
    w.advance(1_000);
    assert_eq!(a.heard(&mut w), CHANGES);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
}

#[test]
fn a3_no_method_that_may_have_been_offered_before_the_restart_is_unknown() {
    let mut before = with("").start();
    let a = before.client(ALL);
    let mut w = restarted(&before, "");
    let a = a.goes_on(&mut before, &mut w);
    for (method, params) in [
        ("ping", "{}"),
        ("prompts/list", "{}"),
        ("resources/list", "{}"),
        ("resources/templates/list", "{}"),
        ("logging/setLevel", r#"{"level":"debug"}"#),
    ] {
        a.request(&mut w, method, params).result(&mut w);
    }
}

#[test]
fn s3_an_answer_to_a_question_from_before_a_restart_answers_no_other_one() {
    let mut before = with("").start();
    let a = before.client(ALL);
    let asked = |w: &mut World, a: Client| {
        let call = a.call(w, "s_1mcp_t", "{}");
        let s = w.server("s");
        let seen = s.expect(w, "tools/call");
        s.asks(w, "7", "sampling/createMessage", "{}");
        (s, call, seen, a.expect(w, "sampling/createMessage"))
    };
    let (.., old) = asked(&mut before, a);
    let mut w = restarted(&before, "");
    let a = a.goes_on(&mut before, &mut w);
    a.listen(&mut w);
    let (s, call, seen, new) = asked(&mut w, a);
    // Both are the first question of their process.
    assert_ne!(old["id"], new["id"]);
    assert!(new["id"].as_u64().is_some_and(|id| id < 1 << 53));
    a.answers(&mut w, &old, r#"{"stale":true}"#);
    assert_eq!(s.answer_to(&mut w, "7"), None);
    // Nor does one that nobody was ever asked, next to the right one or far away.
    for id in [0, 1, new["id"].as_u64().unwrap() + 1, u64::MAX] {
        a.answers(&mut w, &json!({"id": id}), r#"{"made":"up"}"#);
        assert_eq!(s.answer_to(&mut w, "7"), None);
    }
    a.answers(&mut w, &new, r#"{"fresh":true}"#);
    assert!(s.answer_to(&mut w, "7").unwrap().contains("fresh"));
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn s1_a_client_with_servers_of_its_own_gets_new_ones() {
    let own = r#""isolation":"session""#;
    let mut before = with(own).start();
    let (a, b) = (before.client(ALL), before.client(ALL));
    let running = before.running("s").len();
    let mut w = restarted(&before, own);
    let (a, b) = (
        a.goes_on(&mut before, &mut w),
        b.goes_on(&mut before, &mut w),
    );
    for client in [a, b] {
        assert_eq!(client.list(&mut w, "tools/list"), ["s_1mcp_t"]);
    }
    w.advance(1_000);
    assert_eq!(w.running("s").len(), running);
}

#[test]
fn contract_5_what_was_ended_stays_ended_and_the_client_is_told_so() {
    let mut before = with("").start();
    let (a, b) = (before.client(ALL), before.client(ALL));
    b.leaves(&mut before);
    let mut w = restarted(&before, "");
    let b = b.goes_on(&mut before, &mut w);
    let (_, text) = b.request(&mut w, "tools/list", "{}").error(&mut w);
    assert!(text.contains("Send initialize"), "{text}");
    assert_eq!(b.status(&mut w), Some(404));
    let a = a.goes_on(&mut before, &mut w);
    assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_t"]);
}
