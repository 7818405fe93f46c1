//! Remote servers of the 2024-11-05 transport: one stream for everything, POSTs for what we say
//! (protocol F2 to F8), and what becomes of it when something goes wrong.

use onemcp::base::mark::{Mark, must_hit};
use onemcp::limits::{ENDPOINT_MS_MAX, STREAM_STABLE_MS};
use serde_json::json;

use crate::remote::{Act, End, Of, chunk, event, far, response, stream_head};
use crate::server::tools;
use crate::world::{Builder, World};

const SSE: &str = r#""type":"sse""#;
const HTTP: &str = r#""type":"http""#;

fn one() -> Builder {
    World::http().remote_with("r", SSE, far(tools(["t"]).speaks("2024-11-05")).old_sse())
}

/// How the server is doing, in words.
fn why(w: &mut World) -> String {
    let a = w.client("{}");
    a.call(w, "r_1mcp_t", "{}").error(w).1
}

#[test]
fn e2_everything_comes_on_the_stream_and_goes_by_posts() {
    let mut w = one().start();
    let (a, r) = (w.client(r#"{"sampling":{}}"#), w.site("r"));
    assert_eq!(a.list(&mut w, "tools/list"), ["r_1mcp_t"]);
    let params = r#"{"name":"r_1mcp_t","arguments":{"x":1},"_meta":{"progressToken":"p"}}"#;
    let call = a.request(&mut w, "tools/call", params);
    let seen = r.expect(&mut w, "tools/call");
    assert_eq!(seen.value["params"]["name"], "t");
    let token = &seen.value["params"]["_meta"]["progressToken"];
    let note = format!(r#"{{"progressToken":{token},"progress":1}}"#);
    seen.notes(&mut w, "notifications/progress", &note);
    let note = a.expect(&mut w, "notifications/progress");
    assert_eq!(note["params"], json!({"progressToken": "p", "progress": 1}));
    seen.result(&mut w, r#"{"n":1}"#);
    assert_eq!(call.result(&mut w), json!({"n": 1}));
    // One stream, and kept connections for the rest.
    assert_eq!((r.got(&w, "GET"), r.got(&w, "initialize")), (1, 1));
    assert_eq!(r.got(&w, "notifications/initialized"), 1);
    assert_eq!(r.got(&w, "server/discover"), 0);
    a.expect_nothing(&mut w);
}

#[test]
fn f7_questions_and_pings_are_answered_by_posts() {
    let mut w = one().start();
    let (a, r) = (w.client(r#"{"sampling":{}}"#), w.site("r"));
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    let seen = r.expect(&mut w, "tools/call");
    seen.asks(&mut w, "7", "ping", "{}");
    assert_eq!(r.granted(&mut w, "7"), json!({}));
    seen.asks(&mut w, "\"q\"", "sampling/createMessage", "{}");
    let ask = a.expect(&mut w, "sampling/createMessage");
    a.answers(&mut w, &ask, r#"{"n":2}"#);
    assert_eq!(r.granted(&mut w, "\"q\""), json!({"n": 2}));
    seen.asks(&mut w, "9", "elicitation/create", "{}");
    assert_eq!(r.refused(&mut w, "9"), -32601);
    seen.result(&mut w, "{}");
    call.result(&mut w);
}

#[test]
fn headers_go_with_the_stream_and_with_every_post() {
    let headers = r#""type":"sse","headers":{"Authorization":"Bearer s3cret","X-Team":"a"}"#;
    let site = far(tools(["t"]).speaks("2024-11-05")).old_sse();
    let mut w = World::http().remote_with("r", headers, site).start();
    let a = w.client("{}");
    a.call(&mut w, "r_1mcp_t", "{}");
    let r = w.site("r");
    r.expect(&mut w, "tools/call");
    for request in &r.state(&mut w).requests {
        assert_eq!(request.field("authorization"), Some("Bearer s3cret"));
        assert_eq!(request.field("x-team"), Some("a"));
        // Fields of later transports stay away.
        assert_eq!(request.field("mcp-session-id"), None);
        let accept = request.field("accept").unwrap_or_default();
        assert!(accept.contains("text/event-stream"), "{accept}");
    }
    assert!(!w.logged(&["s3cret"]));
}

#[test]
fn x4_an_endpoint_elsewhere_gets_nothing() {
    let headers = r#""type":"sse","headers":{"Authorization":"Bearer s3cret"}"#;
    let site = far(tools(["t"]).speaks("2024-11-05")).old_sse();
    let mut w = World::http()
        .remote_with("r", headers, site)
        .site("evil.test", far(tools(["t"])).old_sse())
        .start();
    let r = w.site("r");
    // The first stream was good; the next one is not.
    let mut bytes = stream_head(&[]);
    bytes.extend(chunk(
        "event: endpoint\ndata: http://evil.test/messages?k=v\n\n",
    ));
    r.breaks(&mut w, Of::Verb("GET"), Act::Says(bytes, End::Open));
    r.cuts(&mut w, End::Eof);
    w.advance(2_000);
    let why = why(&mut w);
    assert!(
        why.contains("http://evil.test") && why.contains("nothing is sent there"),
        "{why}"
    );
    assert!(!why.contains("s3cret") && !why.contains("k=v"), "{why}");
    assert_eq!(w.site("evil.test").dials(&w), 0);
    r.heals(&mut w);
    w.advance(10_000);
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["r_1mcp_t"]);
}

#[test]
fn endpoint_ms_max_a_stream_without_an_endpoint_is_given_up() {
    let mut w = one().start();
    let r = w.site("r");
    r.breaks(
        &mut w,
        Of::Verb("GET"),
        Act::Says(stream_head(&[]), End::Open),
    );
    r.cuts(&mut w, End::Reset);
    w.advance(2_000);
    assert_eq!(r.connections(&w), 1);
    w.advance(ENDPOINT_MS_MAX);
    let why = why(&mut w);
    assert!(
        why.contains("did not say within 10.0 s where to send messages"),
        "{why}"
    );
    // At most that of the POST is left: it is kept for the next request.
    assert!(r.connections(&w) <= 1);
    r.heals(&mut w);
    w.advance(10_000);
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["r_1mcp_t"]);
}

#[test]
fn f6_the_end_of_the_stream_loses_its_calls_and_the_session_comes_back() {
    for end in [End::Eof, End::Reset] {
        let mut w = one().server("s", tools(["u"])).start();
        let (a, r) = (w.client("{}"), w.site("r"));
        let calls = [(); 2].map(|()| a.call(&mut w, "r_1mcp_t", "{}"));
        r.expect(&mut w, "tools/call");
        r.expect(&mut w, "tools/call");
        let other = a.call(&mut w, "s_1mcp_u", "{}");
        r.cuts(&mut w, end);
        for call in calls {
            let (_, text) = call.error(&mut w);
            assert!(
                text.contains("server r") && text.contains("stream"),
                "{text}"
            );
        }
        // Others are untouched.
        let seen = w.server("s").expect(&mut w, "tools/call");
        seen.result(&mut w, "{}");
        other.result(&mut w);
        w.advance(2_000);
        let again = a.call(&mut w, "r_1mcp_t", "{}");
        r.expect(&mut w, "tools/call").result(&mut w, "{}");
        again.result(&mut w);
        assert_eq!((r.got(&w, "GET"), r.got(&w, "initialize")), (2, 2));
        assert_eq!(a.unread_answers(&mut w), Vec::<String>::new());
    }
}

#[test]
fn a_stream_that_is_cut_in_the_middle_of_an_event_is_lost_whole() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    let seen = r.expect(&mut w, "tools/call");
    let stream = r.streams(&mut w)[0].link;
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, seen.id());
    let event = event(None, &answer);
    let half = chunk(event.trim_end());
    w.says(stream, &half, End::Reset);
    w.settle();
    assert!(call.error(&mut w).1.contains("server r"));
}

#[test]
fn a_post_that_is_refused_loses_its_call_and_no_other() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    let running = a.call(&mut w, "r_1mcp_t", "{}");
    let seen = r.expect(&mut w, "tools/call");
    for (status, says) in [
        (400, "status 400"),
        (413, "status 413"),
        (500, "status 500"),
    ] {
        let act = Act::status(status, &[], "too much");
        r.breaks(&mut w, Of::Method("tools/call"), act);
        let (_, text) = a.call(&mut w, "r_1mcp_t", "{}").error(&mut w);
        assert!(text.contains("server r") && text.contains(says), "{text}");
        assert!(text.contains("too much"), "{text}");
        r.heals(&mut w);
    }
    r.breaks(&mut w, Of::Method("tools/call"), Act::reset());
    let (_, text) = a.call(&mut w, "r_1mcp_t", "{}").error(&mut w);
    assert!(text.contains("server r"), "{text}");
    r.heals(&mut w);
    // It says 200 with a word, or waits with its answer until there is one: it was taken.
    for body in ["ok", ""] {
        let act = Act::status(200, &[("Content-Type", "text/plain")], body);
        r.breaks(&mut w, Of::Method("tools/call"), act);
        a.call(&mut w, "r_1mcp_t", "{}").pending(&mut w);
        r.heals(&mut w);
    }
    seen.result(&mut w, "{}");
    running.result(&mut w);
    assert_eq!(r.got(&w, "GET"), 1);
}

#[test]
fn f5_a_session_that_the_server_forgot_while_its_stream_is_open_is_begun_anew() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    let _reached = must_hit(Mark::PostSessionGone);
    let act = Act::status(404, &[], "Could not find session");
    r.breaks(&mut w, Of::Method("tools/call"), act);
    let (_, text) = a.call(&mut w, "r_1mcp_t", "{}").error(&mut w);
    assert!(
        text.contains("server r") && text.contains("status 404"),
        "{text}"
    );
    r.heals(&mut w);
    w.advance(2_000);
    let again = a.call(&mut w, "r_1mcp_t", "{}");
    r.expect(&mut w, "tools/call").result(&mut w, "{}");
    again.result(&mut w);
    assert_eq!(r.streams(&mut w).len(), 1);
}

#[test]
fn a_server_that_holds_its_posts_back_answers_on_the_stream_all_the_same() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    r.breaks(&mut w, Of::Method("tools/call"), Act::Leaves);
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    let seen = r.expect(&mut w, "tools/call");
    w.advance(50_000);
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"n":3}}}}"#,
        seen.id()
    );
    r.says(&mut w, &answer);
    assert_eq!(call.result(&mut w), json!({"n": 3}));
    if !seen.hung_up(&mut w) {
        w.responds(seen.link, &response(200, &[], ""));
        w.settle();
    }
    assert_eq!(a.unread_answers(&mut w), Vec::<String>::new());
    assert_eq!(r.got(&w, "GET"), 1);
}

#[test]
fn a_stream_may_be_silent_for_hours() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    w.advance(3 * 60 * 60 * 1000);
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    r.expect(&mut w, "tools/call").result(&mut w, "{}");
    call.result(&mut w);
    assert_eq!((r.got(&w, "GET"), r.got(&w, "initialize")), (1, 1));
}

#[test]
fn f2_a_url_that_knows_no_streamable_http_is_asked_for_a_stream() {
    const ERROR: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#;
    for (status, body) in [
        (400, "what?"),
        (400, ERROR),
        (404, "no such page"),
        (405, ""),
    ] {
        let _reached = must_hit(Mark::FallsBackToSse);
        let mut site = far(tools(["t"]).speaks("2024-11-05")).old_sse();
        let refusal = Act::status(status, &[], body);
        site.faults.push((Of::At("POST", "/sse"), refusal));
        let mut w = World::http().remote_with("r", HTTP, site).start();
        let (a, r) = (w.client("{}"), w.site("r"));
        let call = a.call(&mut w, "r_1mcp_t", "{}");
        r.expect(&mut w, "tools/call").result(&mut w, "{}");
        call.result(&mut w);
        assert!(w.logged(&["server=r", "HTTP+SSE"]), "{:?}", w.log);
        // What it speaks is remembered.
        let asked = r.got(&w, "server/discover");
        r.cuts(&mut w, End::Reset);
        w.advance(2_000);
        let call = a.call(&mut w, "r_1mcp_t", "{}");
        r.expect(&mut w, "tools/call").result(&mut w, "{}");
        call.result(&mut w);
        assert_eq!(r.got(&w, "server/discover"), asked);
        assert_eq!(r.got(&w, "GET"), 2);
    }
}

#[test]
fn f2_a_server_that_is_broken_or_closed_to_us_is_not_asked_for_another_transport() {
    for status in [401, 403, 429, 500, 503] {
        let mut site = far(tools(["t"]).speaks("2024-11-05")).old_sse();
        let refusal = Act::status(status, &[], "");
        site.faults.push((Of::At("POST", "/sse"), refusal));
        let mut w = World::http().remote_with("r", HTTP, site).start();
        w.advance(10);
        assert_eq!(w.site("r").got(&w, "GET"), 0, "{status}");
    }
}

#[test]
fn f2_an_entry_of_type_sse_whose_server_has_moved_on_is_served_all_the_same() {
    for script in [tools(["t"]), tools(["t"]).speaks("2026-07-28")] {
        let _reached = must_hit(Mark::FallsForwardFromSse);
        let mut w = World::http().remote_with("r", SSE, far(script)).start();
        let (a, r) = (w.client("{}"), w.site("r"));
        let call = a.call(&mut w, "r_1mcp_t", "{}");
        r.expect(&mut w, "tools/call")
            .result(&mut w, r#"{"resultType":"complete"}"#);
        call.result(&mut w);
        assert!(
            w.logged(&["server=r", "Streamable HTTP", "\"type\""]),
            "{:?}",
            w.log
        );
    }
}

#[test]
fn f2_a_get_stream_without_an_endpoint_is_one_of_the_newer_transport() {
    // It has no sessions, and so lets anybody listen.
    let mut w = World::http()
        .remote_with("r", SSE, far(tools(["t"])).without_ids())
        .start();
    let r = w.site("r");
    assert_eq!((r.got(&w, "GET"), r.got(&w, "POST")), (1, 0));
    w.advance(ENDPOINT_MS_MAX);
    let a = w.client("{}");
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    r.expect(&mut w, "tools/call").result(&mut w, "{}");
    call.result(&mut w);
    assert!(w.logged(&["server=r", "Streamable HTTP"]), "{:?}", w.log);
}

#[test]
fn a_server_that_speaks_neither_is_named_with_what_it_answered() {
    let mut w = one().start();
    let r = w.site("r");
    r.breaks(&mut w, Of::All, Act::status(404, &[], "nothing here"));
    r.cuts(&mut w, End::Reset);
    w.advance(2_000);
    let text = why(&mut w);
    assert_eq!(text.matches("status 404").count(), 2, "{text}");
    assert!(text.contains("by the other transport"), "{text}");
    r.heals(&mut w);
    w.advance(20_000);
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["r_1mcp_t"]);
}

#[test]
fn a_stream_that_is_refused_for_want_of_rights_is_no_other_transport() {
    let mut w = one().start();
    let r = w.site("r");
    r.breaks(&mut w, Of::All, Act::status(401, &[], ""));
    r.cuts(&mut w, End::Reset);
    let before = r.got(&w, "POST");
    w.advance(2_000);
    let text = why(&mut w);
    assert!(text.contains("status 401"), "{text}");
    assert_eq!(r.got(&w, "POST"), before);
}

#[test]
fn retry_after_is_waited_before_the_stream_is_asked_for_again() {
    let mut w = one().start();
    let r = w.site("r");
    r.breaks(
        &mut w,
        Of::All,
        Act::status(503, &[("Retry-After", "30")], ""),
    );
    r.cuts(&mut w, End::Reset);
    w.advance(2_000);
    let asked = r.got(&w, "GET");
    assert_eq!(asked, 2);
    r.heals(&mut w);
    w.advance(27_000);
    assert_eq!(r.got(&w, "GET"), asked);
    w.advance(3_000);
    let a = w.client("{}");
    assert_eq!(a.list(&mut w, "tools/list"), ["r_1mcp_t"]);
}

#[test]
fn a2_answers_of_one_session_are_no_answers_in_another() {
    let members = r#""type":"sse","isolation":"session""#;
    let site = far(tools(["t"]).speaks("2024-11-05")).old_sse();
    let mut w = World::http().remote_with("r", members, site).start();
    let r = w.site("r");
    let [a, b] = [(); 2].map(|()| w.client(r#"{"sampling":{}}"#));
    let calls = [a, b].map(|client| client.call(&mut w, "r_1mcp_t", "{}"));
    let seen = [(); 2].map(|()| r.expect(&mut w, "tools/call"));
    let [first, second] = &seen;
    assert_ne!(first.on, second.on, "a session for each");
    // The answer to the one comes on the stream of the other: nobody gets it.
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"n":9}}}}"#,
        first.id()
    );
    r.says_on(&mut w, second.on.unwrap(), None, &answer);
    calls[0].pending(&mut w);
    calls[1].pending(&mut w);
    first.result(&mut w, r#"{"n":1}"#);
    assert_eq!(calls[0].result(&mut w), json!({"n": 1}));
    second.result(&mut w, r#"{"n":2}"#);
    assert_eq!(calls[1].result(&mut w), json!({"n": 2}));
}

#[test]
fn a2_two_streams_ask_under_the_same_id() {
    let members = r#""type":"sse","isolation":"session""#;
    let site = far(tools(["t"]).speaks("2024-11-05")).old_sse();
    let mut w = World::http().remote_with("r", members, site).start();
    let r = w.site("r");
    let clients = [(); 2].map(|()| w.client(r#"{"sampling":{}}"#));
    let seen = clients.map(|client| {
        client.call(&mut w, "r_1mcp_t", "{}");
        r.expect(&mut w, "tools/call")
    });
    for (n, seen) in seen.iter().enumerate() {
        seen.asks(
            &mut w,
            "1",
            "sampling/createMessage",
            &format!(r#"{{"n":{n}}}"#),
        );
    }
    for (n, client) in clients.iter().enumerate().rev() {
        let ask = client.expect(&mut w, "sampling/createMessage");
        assert_eq!(ask["params"], json!({"n": n}));
        client.answers(&mut w, &ask, &format!(r#"{{"n":{n}}}"#));
    }
    // Each answer was posted to the session that asked.
    for (n, seen) in seen.iter().enumerate() {
        let stream = seen.on.unwrap();
        let streams = r.streams(&mut w);
        let session = &streams
            .iter()
            .find(|one| one.link == stream)
            .unwrap()
            .session;
        let posts = r.state(&mut w).requests.iter();
        let mut answers = posts.filter(|post| post.target.ends_with(session.as_str()));
        let answer = answers
            .find(|post| post.says().is_empty())
            .unwrap()
            .message();
        assert_eq!(
            answer,
            json!({"jsonrpc": "2.0", "id": 1, "result": {"n": n}})
        );
    }
}

#[test]
fn a_server_that_answers_in_the_response_to_a_post_is_understood() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    r.breaks(&mut w, Of::Method("tools/call"), Act::Leaves);
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    let seen = r.expect(&mut w, "tools/call");
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"n":4}}}}"#,
        seen.id()
    );
    seen.status(&mut w, 200, &[], &answer);
    assert_eq!(call.result(&mut w), json!({"n": 4}));
    // Once more on the stream: nobody waits for it.
    r.says(&mut w, &answer);
    assert_eq!(a.unread_answers(&mut w), Vec::<String>::new());
    assert_eq!(r.got(&w, "GET"), 1);
}

#[test]
fn a_cancel_is_posted_and_a_late_answer_is_nobodys() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    let seen = r.expect(&mut w, "tools/call");
    a.cancels(&mut w, &call);
    let cancel = r.expect(&mut w, "notifications/cancelled");
    assert_eq!(cancel.value["params"]["requestId"].to_string(), seen.id());
    seen.result(&mut w, "{}");
    call.pending(&mut w);
    w.advance(60_000);
    assert_eq!(a.unread_answers(&mut w), Vec::<String>::new());
    assert_eq!((w.counts().calls, r.got(&w, "GET")), (0, 1));
}

#[test]
fn f8_batches_and_garbage_on_the_stream_do_no_harm() {
    let mut w = one().start();
    let (a, r) = (w.client("{}"), w.site("r"));
    let calls = [(); 2].map(|()| a.call(&mut w, "r_1mcp_t", "{}"));
    let ids = [(); 2].map(|()| r.expect(&mut w, "tools/call").id());
    let stream = r.streams(&mut w)[0].link;
    let others = "event: ping\ndata: 7\n\n: comment\n\ndata:\n\ndata: no JSON\n\ndata: {}\n\n\
                  event: endpoint\ndata: /messages?sessionId=r.test-session-1\n\n";
    w.says(stream, &chunk(others), End::Open);
    let answer = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
    let batch = format!("[{},{}]", answer(&ids[0]), answer(&ids[1]));
    r.says(&mut w, &batch);
    for call in calls {
        call.result(&mut w);
    }
}

#[test]
fn when_we_leave_the_stream_is_closed() {
    let mut w = one().start();
    let r = w.site("r");
    assert_eq!(r.streams(&mut w).len(), 1);
    w.input(onemcp::input::Input::Stop);
    w.advance(5_000);
    assert_eq!(r.connections(&w), 0);
    assert_eq!(w.exit, Some(0));
}

#[test]
fn stream_stable_ms_a_proxy_that_cuts_every_stream_costs_a_second_each_time() {
    let mut w = one().start();
    let r = w.site("r");
    for _ in 0..8 {
        w.advance(STREAM_STABLE_MS);
        r.cuts(&mut w, End::Eof);
        w.advance(2_000);
        assert_eq!(r.streams(&mut w).len(), 1);
    }
    // One that never lasts is asked for less and less often.
    let before = r.got(&w, "GET");
    for _ in 0..20 {
        r.cuts(&mut w, End::Eof);
        w.advance(2_000);
    }
    assert!(r.got(&w, "GET") - before <= 6);
}
