//! Questions of servers to clients: to whom, or to nobody (protocol S3).

use onemcp::base::mark::{Mark, must_hit};
use onemcp::input::Input;
use serde_json::json;

use crate::client::Client;
use crate::server::{Child, tools};
use crate::world::{Builder, World};

const ALL: &str =
    r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
const FORM: &str = r#"{"message":"name?","requestedSchema":{"type":"object","properties":{}}}"#;

fn one() -> Builder {
    World::http().server("s", tools(["t"]))
}

/// A client calls, and the child has got it.
fn calling(w: &mut World, client: Client, s: Child) -> (crate::client::Call, crate::server::Seen) {
    let call = client.call(w, "s_1mcp_t", "{}");
    let seen = s.expect(w, "tools/call");
    (call, seen)
}

#[test]
fn s3_with_one_client_in_flight_the_question_is_for_it() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    let line = r#"{"params": {"messages":[],"n":1.0,"x":"\u00e9"},"jsonrpc":"2.0" ,"id":"q\u0031","method":"sampling/createMessage"}"#;
    s.says(&mut w, line);
    let asked = a.next_line(&mut w).unwrap();
    let id: serde_json::Value =
        serde_json::from_str::<serde_json::Value>(&asked).unwrap()["id"].clone();
    assert!(id.is_u64());
    assert_eq!(asked, line.replace(r#""q\u0031""#, &id.to_string()));
    let answer = |id: &str| {
        format!(r#"{{"result":{{"role":"assistant","n":1e0}} ,"id": {id},"jsonrpc":"2.0"}}"#)
    };
    a.says(&mut w, &answer(&id.to_string()));
    assert_eq!(
        s.answer_to(&mut w, "\"q1\"").unwrap(),
        answer(r#""q\u0031""#)
    );
    b.expect_nothing(&mut w);
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn s3_a_client_may_answer_with_an_error() {
    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    s.asks(&mut w, "9", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    let error = r#"{"code":-1,"message":"User said no","data":[1.0]}"#;
    a.says(
        &mut w,
        &format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, ask["id"]),
    );
    assert_eq!(
        s.answer_to(&mut w, "9").unwrap(),
        format!(r#"{{"jsonrpc":"2.0","id":9,"error":{error}}}"#)
    );
}

#[test]
fn s3_what_a_client_did_not_declare_is_refused_in_its_place() {
    for (declared, method, params, code) in [
        ("{}", "roots/list", "{}", -32601),
        ("{}", "sampling/createMessage", "{}", -32601),
        ("{}", "elicitation/create", FORM, -32601),
        (
            r#"{"elicitation":{}}"#,
            "elicitation/create",
            r#"{"mode":"url","url":"x","elicitationId":"1","message":"m"}"#,
            -32601,
        ),
        (
            r#"{"elicitation":{"url":{}}}"#,
            "elicitation/create",
            FORM,
            -32601,
        ),
        (
            r#"{"sampling":{}}"#,
            "sampling/createMessage",
            r#"{"tools":[]}"#,
            -32602,
        ),
        (
            r#"{"sampling":{}}"#,
            "sampling/createMessage",
            r#"{"toolChoice":{}}"#,
            -32602,
        ),
        ("{}", "tasks/list", "{}", -32601),
        (ALL, "no/such", "{}", -32601),
        (ALL, "tools/list", "{}", -32601),
    ] {
        let mut w = one().start();
        let a = w.client(declared);
        let s = w.server("s");
        let (call, seen) = calling(&mut w, a, s);
        s.asks(&mut w, "1", method, params);
        assert_eq!(s.refused(&mut w, "1"), code, "{declared} {method} {params}");
        a.expect_nothing(&mut w);
        seen.result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
}

#[test]
fn s3_a_question_with_no_call_in_flight_is_refused_and_marks_nothing() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client("{}"));
    let s = w.server("s");
    s.asks(&mut w, "1", "roots/list", "{}");
    assert_eq!(s.refused(&mut w, "1"), -32601);
    s.asks(&mut w, "2", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "2"), -32601);
    s.asks(&mut w, "3", "elicitation/create", FORM);
    assert_eq!(s.granted(&mut w, "3"), json!({"action": "cancel"}));
    assert!(w.logged(&["Warn", "server=s", "no client has a call in flight"]));
    w.advance(10_000);
    assert_eq!((w.starts("s"), w.running("s").len()), (1, 1));
    for client in [a, b] {
        client.expect_nothing(&mut w);
        calling(&mut w, client, s);
    }
}

#[test]
fn s3_with_several_clients_the_question_waits_until_one_is_left() {
    let mut w = one().start();
    let (a, b, c) = (w.client(ALL), w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (call_a, seen_a) = calling(&mut w, a, s);
    let (call_b, seen_b) = calling(&mut w, b, s);
    s.asks(&mut w, "1", "elicitation/create", FORM);
    s.asks(&mut w, "2", "sampling/createMessage", "{}");
    // New calls wait meanwhile, those of the two as well.
    let late = [
        c.call(&mut w, "s_1mcp_t", r#"{"c":1}"#),
        a.call(&mut w, "s_1mcp_t", r#"{"a":1}"#),
    ];
    s.expect_nothing(&mut w);
    w.advance(3_000);
    for client in [a, b, c] {
        client.expect_nothing(&mut w);
    }
    seen_a.result(&mut w, "{}");
    assert_eq!(call_a.result(&mut w), json!({}));
    for method in ["elicitation/create", "sampling/createMessage"] {
        let ask = b.expect(&mut w, method);
        b.answers(&mut w, &ask, r#"{"action":"accept"}"#);
    }
    assert_eq!(s.granted(&mut w, "1"), json!({"action": "accept"}));
    assert_eq!(s.granted(&mut w, "2"), json!({"action": "accept"}));
    // The others have sessions of their own now, and their calls go there.
    let own = w.running("s");
    assert_eq!(own.len(), 4, "b's, the common one, those of c and a");
    seen_b.result(&mut w, "{}");
    assert_eq!(call_b.result(&mut w), json!({}));
    s.expect_nothing(&mut w);
    let mut served = 0;
    for child in own {
        while let Some(line) = child.next(&mut w) {
            assert!(line.contains("tools/call"), "{line}");
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            child.says(
                &mut w,
                &format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, value["id"]),
            );
            served += 1;
        }
    }
    assert_eq!(served, 2);
    for call in late {
        assert_eq!(call.result(&mut w), json!({}));
    }
    for client in [a, c] {
        w.advance(100);
        assert!(
            client
                .heard(&mut w)
                .iter()
                .all(|method| method.ends_with("list_changed"))
        );
    }
}

#[test]
fn s3_a_held_question_reaches_nobody_when_we_leave() {
    let _reached = must_hit(Mark::AskHeld);
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (call_a, _) = calling(&mut w, a, s);
    let (call_b, _) = calling(&mut w, b, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    w.input(Input::Stop);
    w.input(Input::Stop);
    assert_eq!(
        (call_a.error(&mut w).0, call_b.error(&mut w).0),
        (-32603, -32603)
    );
    for client in [a, b] {
        assert_eq!(client.heard(&mut w), [] as [&str; 0]);
    }
}

#[test]
fn s3_a_question_that_stays_between_several_clients_is_refused_after_a_while() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let calls = [calling(&mut w, a, s), calling(&mut w, b, s)];
    s.asks(&mut w, "1", "elicitation/create", FORM);
    w.advance(1_000);
    s.asks(&mut w, "2", "sampling/createMessage", "{}");
    let late = a.call(&mut w, "s_1mcp_t", "{}");
    w.advance(3_999);
    s.expect_nothing(&mut w);
    w.advance(1);
    assert_eq!(s.granted(&mut w, "1"), json!({"action": "cancel"}));
    s.expect_nothing(&mut w);
    w.advance(1_000);
    assert_eq!(s.refused(&mut w, "2"), -32601);
    assert!(w.logged(&[
        "Warn",
        "server=s",
        "several clients have calls in flight",
        "isolation"
    ]));
    w.advance(100);
    for client in [a, b] {
        let heard = client.heard(&mut w);
        assert!(
            heard.iter().all(|method| method.ends_with("list_changed")),
            "{heard:?}"
        );
    }
    // It is marked: the old child ends with its calls, everybody moves.
    w.server("s")
        .expect(&mut w, "tools/call")
        .result(&mut w, "{}");
    assert_eq!(late.result(&mut w), json!({}));
    for (call, seen) in calls {
        assert!(s.alive(&w));
        seen.result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
    assert!(!s.alive(&w));
}

#[test]
fn s3_a_held_question_that_its_server_cancels_holds_nobody_up_any_more() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    let (_, _) = calling(&mut w, b, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    let late = b.call(&mut w, "s_1mcp_t", "{}");
    s.expect_nothing(&mut w);
    s.notes(&mut w, "notifications/cancelled", r#"{"requestId":1}"#);
    s.expect(&mut w, "tools/call").result(&mut w, "{}");
    assert_eq!(late.result(&mut w), json!({}));
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
    assert_eq!(s.answer_to(&mut w, "1"), None);
    a.expect_nothing(&mut w);
    b.expect_nothing(&mut w);
}

#[test]
fn s3_what_a_cancelled_call_asks_never_reaches_another_client() {
    let _reached = must_hit(Mark::GhostCounts);
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    // It was asked while both were there ...
    let (call, _) = calling(&mut w, a, s);
    calling(&mut w, b, s);
    s.asks(&mut w, "1", "elicitation/create", FORM);
    a.cancels(&mut w, &call);
    s.expect(&mut w, "notifications/cancelled");
    // ... or afterwards, since the server has not read the cancellation yet.
    s.asks(&mut w, "2", "elicitation/create", FORM);
    b.expect_nothing(&mut w);
    w.advance(5_000);
    assert_eq!(s.granted(&mut w, "1"), json!({"action": "cancel"}));
    assert_eq!(s.granted(&mut w, "2"), json!({"action": "cancel"}));
    w.advance(100);
    assert!(
        b.heard(&mut w)
            .iter()
            .all(|method| method.ends_with("list_changed"))
    );
}

#[test]
fn s3_what_a_gone_client_caused_never_reaches_another_client() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    calling(&mut w, a, s);
    let (call, seen) = calling(&mut w, b, s);
    a.leaves(&mut w);
    s.expect(&mut w, "notifications/cancelled");
    s.asks(&mut w, "1", "elicitation/create", FORM);
    b.expect_nothing(&mut w);
    // Once the server answered or forgot the call, b is alone there.
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn s3_what_a_call_asks_after_its_timeout_never_reaches_another_client() {
    let mut w = World::http()
        .server_with("s", r#""requestTimeout":1000"#, tools(["t"]))
        .start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (late, _) = calling(&mut w, a, s);
    w.advance(500);
    calling(&mut w, b, s);
    w.advance(500);
    assert_eq!(late.error(&mut w).0, -32603);
    s.expect(&mut w, "notifications/cancelled");
    s.asks(&mut w, "1", "elicitation/create", FORM);
    b.expect_nothing(&mut w);
}

#[test]
fn s3_an_abandoned_call_does_not_stand_in_the_way_for_ever() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    a.cancels(&mut w, &call);
    s.expect(&mut w, "notifications/cancelled");
    // The server did not know the cancellation and answers: that call is over.
    seen.result(&mut w, "{}");
    calling(&mut w, b, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    b.expect(&mut w, "sampling/createMessage");

    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    let (call, _) = calling(&mut w, a, s);
    a.cancels(&mut w, &call);
    s.expect(&mut w, "notifications/cancelled");
    w.advance(onemcp::limits::REQUEST_MS);
    calling(&mut w, b, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    b.expect(&mut w, "sampling/createMessage");
}

#[test]
fn s3_only_the_client_that_was_asked_can_answer() {
    let mut w = one().start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let s = w.server("s");
    calling(&mut w, a, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    for id in 0..64 {
        b.answers(&mut w, &json!({"id": id}), r#"{"evil":true}"#);
    }
    b.answers(&mut w, &ask, r#"{"evil":true}"#);
    b.answers(
        &mut w,
        &json!({"id": ask["id"].to_string()}),
        r#"{"evil":true}"#,
    );
    let params = format!(r#"{{"progressToken":{},"progress":1}}"#, ask["id"]);
    b.notes(&mut w, "notifications/progress", &params);
    assert_eq!(s.answer_to(&mut w, "1"), None);
    s.expect_nothing(&mut w);
    a.answers(&mut w, &ask, r#"{"n":1}"#);
    // Once only.
    a.answers(&mut w, &ask, r#"{"n":2}"#);
    assert_eq!(s.granted(&mut w, "1"), json!({"n": 1}));
    s.expect_nothing(&mut w);
}

#[test]
fn s3_ids_of_questions_of_two_servers_do_not_meet() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["t"]))
        .start();
    let a = w.client(ALL);
    let (one, two) = (w.server("one"), w.server("two"));
    a.call(&mut w, "one_1mcp_t", "{}");
    a.call(&mut w, "two_1mcp_t", "{}");
    one.expect(&mut w, "tools/call");
    two.expect(&mut w, "tools/call");
    one.asks(&mut w, "1", "sampling/createMessage", r#"{"of":"one"}"#);
    two.asks(&mut w, "1", "sampling/createMessage", r#"{"of":"two"}"#);
    let first = a.expect(&mut w, "sampling/createMessage");
    let second = a.expect(&mut w, "sampling/createMessage");
    assert_ne!(first["id"], second["id"]);
    for ask in [second, first] {
        let result = ask["params"].to_string();
        a.answers(&mut w, &ask, &result);
    }
    assert_eq!(one.granted(&mut w, "1"), json!({"of": "one"}));
    assert_eq!(two.granted(&mut w, "1"), json!({"of": "two"}));
}

#[test]
fn s3_a_question_comes_on_the_stream_of_the_call_that_caused_it() {
    let mut w = one().start();
    // No GET stream.
    let a = Client::http(&mut w);
    a.initialize(&mut w, "2025-06-18", ALL);
    a.initialized(&mut w);
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    a.answers(&mut w, &ask, "{}");
    s.granted(&mut w, "1");
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn s3_with_several_calls_of_one_client_the_question_comes_on_one_of_their_streams() {
    let mut w = one().start();
    // No GET stream: what is sent there would wait for ever.
    let a = Client::http(&mut w);
    a.initialize(&mut w, "2025-06-18", ALL);
    a.initialized(&mut w);
    let s = w.server("s");
    let calls = [calling(&mut w, a, s), calling(&mut w, a, s)];
    s.notes(
        &mut w,
        "notifications/message",
        r#"{"level":"error","data":1}"#,
    );
    a.expect(&mut w, "notifications/message");
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    a.answers(&mut w, &ask, "{}");
    s.granted(&mut w, "1");
    for (call, seen) in calls {
        seen.result(&mut w, "{}");
        assert_eq!(call.result(&mut w), json!({}));
    }
}

#[test]
fn s3_refused_questions_are_logged_once() {
    let mut w = one().start();
    let s = w.server("s");
    for id in 0..50 {
        s.asks(&mut w, &id.to_string(), "roots/list", "{}");
    }
    let warnings = w.log.iter().filter(|line| line.starts_with("Warn"));
    assert_eq!(warnings.count(), 1);
}

#[test]
fn s3_a_server_can_cancel_its_question() {
    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    s.asks(&mut w, "\"x\"", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    s.notes(&mut w, "notifications/cancelled", r#"{"requestId":"y"}"#);
    a.expect_nothing(&mut w);
    s.notes(
        &mut w,
        "notifications/cancelled",
        r#"{"requestId":"\u0078"}"#,
    );
    w.advance(100);
    let told = a
        .next(&mut w)
        .into_iter()
        .chain(a.next(&mut w))
        .chain(a.next(&mut w))
        .chain(a.next(&mut w));
    let told = told
        .into_iter()
        .find(|told| told["method"] == "notifications/cancelled")
        .unwrap();
    assert_eq!(told["params"]["requestId"], ask["id"]);
    a.answers(&mut w, &ask, "{}");
    s.expect_nothing(&mut w);
}

#[test]
fn s3_questions_end_with_their_server_and_with_their_client() {
    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    s.dies(&mut w);
    let heard: Vec<serde_json::Value> = std::iter::from_fn(|| a.next(&mut w)).collect();
    let told = heard
        .iter()
        .find(|told| told["method"] == "notifications/cancelled")
        .unwrap();
    assert_eq!(told["params"]["requestId"], ask["id"]);
    w.advance(3_000);
    a.answers(&mut w, &ask, "{}");
    w.server("s").expect_nothing(&mut w);

    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    a.expect(&mut w, "sampling/createMessage");
    a.leaves(&mut w);
    assert_eq!(s.refused(&mut w, "1"), -32603);
}

#[test]
fn s3_progress_about_a_question_reaches_the_server_with_its_own_token() {
    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    let params = r#"{"_meta":{"progressToken":"their\u0073","x/y":1},"messages":[]}"#;
    s.asks(&mut w, "1", "sampling/createMessage", params);
    let ask = a.expect(&mut w, "sampling/createMessage");
    assert_eq!(
        ask["params"]["_meta"],
        json!({"progressToken": ask["id"], "x/y": 1})
    );
    let note = format!(r#"{{"progressToken":{},"progress":0.50}}"#, ask["id"]);
    a.notes(&mut w, "notifications/progress", &note);
    let told = s.next(&mut w).unwrap();
    assert_eq!(
        told,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"their\u0073","progress":0.50}}"#
    );
}

#[test]
fn s3_while_a_person_is_asked_the_clock_of_the_call_stands_still() {
    let _reached = must_hit(Mark::DeadlinePostponed);
    let mut w = World::http()
        .server_with("s", r#""requestTimeout":1000"#, tools(["t"]))
        .start();
    let a = w.client(ALL);
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    s.asks(&mut w, "1", "elicitation/create", FORM);
    let ask = a.expect(&mut w, "elicitation/create");
    w.advance(60_000);
    call.pending(&mut w);
    a.answers(&mut w, &ask, r#"{"action":"accept","content":{}}"#);
    s.granted(&mut w, "1");
    seen.result(&mut w, "{}");
    assert_eq!(call.result(&mut w), json!({}));
}

#[test]
fn s3_a_question_that_nobody_answers_ends_some_time() {
    let mut w = World::http()
        .server_with("s", r#""requestTimeout":1000"#, tools(["t"]))
        .start();
    let a = w.client(ALL);
    let s = w.server("s");
    let (call, _) = calling(&mut w, a, s);
    s.asks(&mut w, "1", "elicitation/create", FORM);
    let ask = a.expect(&mut w, "elicitation/create");
    a.clear(&mut w);
    w.advance(onemcp::limits::ASK_MS_MAX);
    assert_eq!(s.refused(&mut w, "1"), -32603);
    let told: Vec<_> = std::iter::from_fn(|| a.next(&mut w)).collect();
    let told = told
        .iter()
        .find(|told| told["method"] == "notifications/cancelled")
        .unwrap();
    assert_eq!(told["params"]["requestId"], ask["id"]);
    w.advance(2_000);
    assert_eq!(call.error(&mut w).0, -32603);
    a.answers(&mut w, &ask, "{}");
    assert_eq!(s.answer_to(&mut w, "1"), None);
}

#[test]
fn elicitation_by_url_has_ids_of_its_own_and_its_end_is_told_to_the_asked_client_only() {
    let mut w = World::http()
        .server("one", tools(["t"]))
        .server("two", tools(["t"]))
        .start();
    let (a, b) = (w.client(ALL), w.client(ALL));
    let (one, two) = (w.server("one"), w.server("two"));
    a.call(&mut w, "one_1mcp_t", "{}");
    b.call(&mut w, "two_1mcp_t", "{}");
    one.expect(&mut w, "tools/call");
    two.expect(&mut w, "tools/call");
    let params = r#"{"mode":"url","url":"https://x/?a=1","elicitationId":"e\u0031","message":"m"}"#;
    one.asks(&mut w, "1", "elicitation/create", params);
    two.asks(&mut w, "1", "elicitation/create", params);
    let ids: Vec<_> = [a, b]
        .map(|client| {
            client.expect(&mut w, "elicitation/create")["params"]["elicitationId"].clone()
        })
        .into();
    assert_eq!(ids, ["one:e1", "two:e1"]);
    w.advance(100);
    a.clear(&mut w);
    b.clear(&mut w);
    let complete = r#"{"elicitationId":"e1"}"#;
    one.notes(&mut w, "notifications/elicitation/complete", complete);
    one.notes(&mut w, "notifications/elicitation/complete", complete);
    one.notes(
        &mut w,
        "notifications/elicitation/complete",
        r#"{"elicitationId":"e2"}"#,
    );
    let told = a.expect(&mut w, "notifications/elicitation/complete");
    assert_eq!(told["params"], json!({"elicitationId": "one:e1"}));
    a.expect_nothing(&mut w);
    b.expect_nothing(&mut w);
}

#[test]
fn an_error_that_asks_for_a_url_first_has_its_ids_rewritten() {
    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    let (call, seen) = calling(&mut w, a, s);
    let error = |id: &str| {
        format!(
            r#"{{"code":-32042,"message":"m","data":{{"x":1.0,"elicitations":[{{"mode":"url","elicitationId":{id},"url":"u"}},{{"mode":"url"}}]}}}}"#
        )
    };
    seen.error(&mut w, &error("\"e\""));
    let line = call.line(&mut w).unwrap();
    assert_eq!(
        line,
        format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{}}}"#,
            call.id,
            error("\"s:e\"")
        )
    );
    s.notes(
        &mut w,
        "notifications/elicitation/complete",
        r#"{"elicitationId":"e"}"#,
    );
    let told = a.expect(&mut w, "notifications/elicitation/complete");
    assert_eq!(told["params"], json!({"elicitationId": "s:e"}));
}

#[test]
fn the_mode_of_an_elicitation_is_dropped_for_clients_that_do_not_know_it() {
    let params = r#"{"mode":"form","message":"m","requestedSchema":{}}"#;
    for (version, has_mode) in [("2025-06-18", false), ("2025-11-25", true)] {
        let mut w = one().start();
        let a = Client::http(&mut w);
        a.initialize(&mut w, version, r#"{"elicitation":{}}"#);
        a.initialized(&mut w);
        let s = w.server("s");
        calling(&mut w, a, s);
        s.asks(&mut w, "1", "elicitation/create", params);
        let ask = a.expect(&mut w, "elicitation/create");
        assert_eq!(ask["params"].get("mode").is_some(), has_mode);
        assert_eq!(ask["params"]["message"], "m");
    }
}

#[test]
fn static_roots_are_answered_here_for_everybody() {
    let members = r#""roots":[{"uri":"file:///srv","name":"\u00e9"}]"#;
    let mut w = World::http()
        .server_with("s", members, tools(["t"]))
        .start();
    let a = w.client(ALL);
    let s = w.server("s");
    assert!(s.declared(&w)["roots"].is_object());
    let wanted = json!({"roots": [{"uri": "file:///srv", "name": "\u{e9}"}]});
    s.asks(&mut w, "1", "roots/list", "{}");
    assert_eq!(s.granted(&mut w, "1"), wanted);
    calling(&mut w, a, s);
    s.asks(&mut w, "2", "roots/list", "{}");
    assert_eq!(s.granted(&mut w, "2"), wanted);
    a.expect_nothing(&mut w);
    a.notes(&mut w, "notifications/roots/list_changed", "{}");
    s.expect_nothing(&mut w);
    // It asked for nothing that a client had to answer.
    assert_eq!(w.running("s").len(), 1);
}

#[test]
fn static_roots_do_not_lure_a_shared_server_into_asking() {
    let members = r#""isolation":"shared","roots":[{"uri":"file:///srv"}]"#;
    let mut w = World::http()
        .server_with("s", members, tools(["t"]))
        .start();
    let a = w.client(ALL);
    let s = w.server("s");
    assert_eq!(s.declared(&w), json!({"roots": {"listChanged": false}}));
    calling(&mut w, a, s);
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    assert_eq!(s.refused(&mut w, "1"), -32601);
    a.expect_nothing(&mut w);
    assert_eq!(w.running("s").len(), 1);
}

#[test]
fn a_member_of_a_question_that_stands_twice_is_refused() {
    let mut w = one().start();
    let a = w.client(ALL);
    let s = w.server("s");
    calling(&mut w, a, s);
    let params = r#"{"_meta":{},"_meta":{"progressToken":1},"message":"m","requestedSchema":{}}"#;
    s.asks(&mut w, "1", "elicitation/create", params);
    assert_eq!(s.refused(&mut w, "1"), -32602);
    a.expect_nothing(&mut w);
}
