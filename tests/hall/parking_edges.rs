//! Calls that are suspended, at their edges: what comes at the wrong moment, from the wrong server,
//! or too often.

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{GATHER_MS, LEASES_PER_SERVER_MAX};
use serde_json::json;

use crate::client::Client;
use crate::modern_stdio::declaring;
use crate::parking::{
    ASKABLE, CALL, DONE, ELICIT, SESSION, URL, again, all, all_gone, ask, asked, asking, back,
    begin,
};
use crate::remote::far;
use crate::server::{anything, prompt, resource, tool, tools};
use crate::tasks_kit;
use crate::world::World;

#[test]
fn s3_a_server_whose_call_is_over_does_not_ask_in_the_name_of_the_next() {
    let script = || anything().with("resources", [resource("x://1")]);
    let mut w = World::http()
        .server_with("a", SESSION, script())
        .server_with("s", SESSION, script())
        .start();
    let c = Client::modern(&mut w, ASKABLE);
    let params = r#"{"uri":"y://nobody-lists-it"}"#;
    let call = c.request(&mut w, "resources/read", params);
    w.advance(1);
    let a = w.server("a");
    let error = r#"{"code":-32002,"message":"no"}"#;
    a.expect(&mut w, "resources/read").error(&mut w, error);
    w.advance(1);
    let s = w.server("s");
    let seen = s.expect(&mut w, "resources/read");
    a.asks(&mut w, "1", ELICIT.0, ELICIT.1);
    assert_eq!(a.granted(&mut w, "1"), json!({"action": "cancel"}));
    let first = ask(&mut w, s, "1", ELICIT, &call);
    assert_eq!(first.requests.len(), 1);
    let retry = again(params, &all(&first, r#"{"x":1}"#), &first.state);
    let retry = c.request(&mut w, "resources/read", &retry);
    assert_eq!(s.granted(&mut w, "1"), json!({"x": 1}));
    assert_eq!(a.answer_to(&mut w, "1"), None);
    seen.result(&mut w, r#"{"contents":[]}"#);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn long_answers_that_were_told_make_room_for_new_questions() {
    let _seen = must_hit(Mark::SuspendForgetsTold);
    let (mut w, c) = asking();
    let long = "m".repeat(20 * 1024 * 1024);
    for _ in 0..3 {
        let (call, child, seen) = begin(&mut w, c);
        let first = ask(&mut w, child, "1", ELICIT, &call);
        let retry = back(&mut w, c, &first, "{}");
        child.granted(&mut w, "1");
        seen.result(&mut w, &format!(r#"{{"content":[],"long":"{long}"}}"#));
        retry.line(&mut w).unwrap();
    }
    let (call, child, seen) = begin(&mut w, c);
    let question = format!(r#"{{"message":"{long}"}}"#);
    let first = ask(&mut w, child, "1", (ELICIT.0, &question), &call);
    let retry = back(&mut w, c, &first, "{}");
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

#[test]
fn d16_only_urls_are_asked_for_with_the_error_that_wants_them_visited() {
    let mut w = World::http().server("s", tools(["t"])).start();
    let c = Client::modern(&mut w, URL);
    let good = r#"{"mode":"url","url":"http://x","message":"m","elicitationId":"1"}"#;
    let bad = r#"{"mode":"form","message":"secret?","requestedSchema":{}},7,{"url":"http://y"}"#;
    for (list, count) in [
        (bad.to_owned(), None),
        (format!("{bad},{good},null"), Some(1)),
    ] {
        let call = c.request(&mut w, "tools/call", CALL);
        let error =
            format!(r#"{{"code":-32042,"message":"m","data":{{"elicitations":[{list}]}}}}"#);
        let server = w.server("s");
        server.expect(&mut w, "tools/call").error(&mut w, &error);
        match count {
            None => assert_eq!(call.error(&mut w).0, -32603),
            Some(count) => assert_eq!(asked(&mut w, &call).requests.len(), count),
        }
    }
}

#[test]
fn s3_behind_one_pipe_is_one_person_whichever_call_asks() {
    let _seen = must_hit(Mark::SuspendOnePerson);
    const FORM: &str = r#"{"elicitation":{}}"#;
    let script = anything()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")]);
    let mut w = World::stdio().server("s", script).begin();
    let c = w.stdin();
    let begin = |w: &mut World, id: &str| {
        let call = declaring(w, c, (id, FORM), "tools/call", r#"{"name":"s_1mcp_t"}"#);
        w.advance(10);
        let server = w.server("s");
        (call, server, server.expect(w, "tools/call"))
    };
    // A call that was cancelled, and may go on for all that is known.
    let (call, server, _) = begin(&mut w, "1");
    c.cancels(&mut w, &call);
    server.expect(&mut w, "notifications/cancelled");
    // A call whose questions nobody will answer.
    let (call, _, left) = begin(&mut w, "2");
    let first = ask(&mut w, server, "1", ELICIT, &call);
    assert_eq!(first.requests.len(), 1);
    // Two that ask at the same time: each is asked once, in its own answer.
    let (call, _, seen) = begin(&mut w, "3");
    let (other, _, also) = begin(&mut w, "4");
    // A request that is never answered with a question (D17).
    let params =
        r#"{"ref":{"type":"ref/prompt","name":"s_1mcp_p"},"argument":{"name":"a","value":""}}"#;
    declaring(&mut w, c, ("5", FORM), "completion/complete", params);
    let last = server.expect(&mut w, "completion/complete");
    server.asks(&mut w, "2", ELICIT.0, ELICIT.1);
    server.asks(&mut w, "3", ELICIT.0, ELICIT.1);
    w.advance(GATHER_MS);
    for call in [&call, &other] {
        assert_eq!(asked(&mut w, call).requests.len(), 1);
    }
    for seen in [left, seen, also] {
        seen.result(&mut w, DONE);
    }
    last.result(&mut w, r#"{"completion":{"values":[]}}"#);
    assert_eq!(w.counts().calls, 0);
}

#[test]
fn s2_a_borrowed_session_that_works_on_a_task_makes_no_room_for_others() {
    let mut w = World::http()
        .server_with("s", SESSION, tasks_kit::script())
        .start();
    let c = Client::modern(&mut w, tasks_kit::KNOWS);
    let call = c.call(&mut w, "s_1mcp_may", "{}");
    w.advance(1);
    let child = w.server("s");
    tasks_kit::takes(&mut w, child, "1");
    let id = call.result(&mut w)["taskId"].as_str().unwrap().to_owned();
    // As many sessions as there may be; then one is needed that declares something else.
    let calls: Vec<_> = (0..LEASES_PER_SERVER_MAX)
        .map(|_| c.call(&mut w, "s_1mcp_never", "{}"))
        .collect();
    w.advance(1);
    for child in w.running("s") {
        if child.has_next(&mut w, "tools/call") {
            child.expect(&mut w, "tools/call").result(&mut w, DONE);
        }
    }
    for call in calls {
        call.result(&mut w);
    }
    let plain = Client::modern(&mut w, "{}");
    let call = plain.call(&mut w, "s_1mcp_never", "{}");
    w.advance(1);
    let other = w.server("s");
    other.expect(&mut w, "tools/call").result(&mut w, DONE);
    call.result(&mut w);
    assert!(other != child && child.alive(&w));
    tasks_kit::look(&mut w, c, child, (&id, "1"), "working");
}

#[test]
fn a_task_that_expires_while_its_client_is_asked_ends_the_call_behind_it() {
    let mut w = tasks_kit::one().start();
    let c = Client::modern(&mut w, ASKABLE);
    let params = r#"{"name":"s_1mcp_must","arguments":{}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let s = w.server("s");
    let task = tasks_kit::told("1", "working").replace("600000", "60000");
    let seen = s.expect(&mut w, "tools/call");
    seen.result(&mut w, &format!(r#"{{"task":{task}}}"#));
    tasks_kit::asked(&mut w, s, "tasks/result", "1");
    let question = tasks_kit::question("1");
    let first = ask(&mut w, s, "7", (ELICIT.0, &question), &call);
    w.advance(60_000);
    let retry = again(params, &all(&first, "{}"), &first.state);
    let retry = c.request(&mut w, "tools/call", &retry);
    let (code, text) = retry.error(&mut w);
    assert!(code == -32602 && text.contains("expired"), "{text}");
    all_gone(&mut w);
}

#[test]
fn d9_a_retry_hears_the_logs_that_it_asks_for() {
    let (mut w, c) = asking();
    let (call, child, seen) = begin(&mut w, c);
    let first = ask(&mut w, child, "1", ELICIT, &call);
    c.says_of_itself(&mut w, r#""io.modelcontextprotocol/logLevel":"debug""#);
    let retry = back(&mut w, c, &first, "{}");
    assert_eq!(child.got(&w, "logging/setLevel"), 1);
    let params = r#"{"level":"debug","data":"d"}"#;
    child.notes(&mut w, "notifications/message", params);
    c.expect(&mut w, "notifications/message");
    seen.result(&mut w, DONE);
    retry.result(&mut w);
    all_gone(&mut w);
}

/// Seed 632 of the simulator: the call is one that the lost session refused, so it goes on in the
/// new one; what was asked does not.
#[test]
fn f5_what_a_lost_session_asked_is_not_answered_in_the_one_that_takes_its_place() {
    let _seen = must_hit(Mark::SuspendWithdrawn);
    let site = far(anything().with("tools", [tool("t")]));
    let mut w = World::http().remote("r", site).start();
    let c = Client::modern(&mut w, URL);
    let params = r#"{"name":"r_1mcp_t","arguments":{}}"#;
    let call = c.request(&mut w, "tools/call", params);
    let site = w.site("r");
    let first = site.expect(&mut w, "tools/call");
    let stream = site.stream_of(&mut w, &first.session());
    let line = r#"{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{"mode":"url","message":"m","url":"http://x","elicitationId":"1"}}"#;
    site.says_on(&mut w, stream, None, line);
    w.advance(GATHER_MS);
    let told = asked(&mut w, &call);
    assert_eq!(told.requests.len(), 1);
    site.forgets_sessions(&mut w);
    let body =
        r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#;
    first.status(&mut w, 404, &[], body);
    w.advance(5_000);
    let second = site.expect(&mut w, "tools/call");
    assert_ne!(first.session(), second.session());
    let responses = format!(r#"{{"{}":{{"action":"accept"}}}}"#, told.requests[0].0);
    let retry = again(params, &responses, &told.state);
    let call = c.request(&mut w, "tools/call", &retry);
    w.advance(1_000);
    assert_eq!(site.answer_to(&mut w, "5"), None);
    second.result(&mut w, DONE);
    assert_eq!(call.result(&mut w)["resultType"], "complete");
    assert_eq!(w.counts().calls, 0);
}
