//! SIGTERM over HTTP (contract 7): what runs is answered or fails clearly, streams end in order,
//! and nothing waits longer than it must.

use onemcp::base::mark::{Mark, must_hit};
use onemcp::effect::StopSignal;
use onemcp::input::Input;
use onemcp::limits::{
    EXIT_TERM_AFTER_MS, STOP_ANSWER_MS, STOP_LAST_CALL_MS, STOP_PART_MS, STOP_STREAM_MS,
};
use onemcp::links::LinkKey;

use crate::client::{Call, Client};
use crate::http::{self, Response};
use crate::server::{Seen, tools};
use crate::world::{Builder, World};

const DONE: &str = r#"{"content":[],"k":7}"#;
const FILTER: &str = r#"{"notifications":{"toolsListChanged":true}}"#;

fn one() -> Builder {
    World::http().server("s", tools(["t"]))
}

/// A client of each way in, each with a call that the server has got.
fn calling(w: &mut World) -> Vec<(Client, Call, Seen)> {
    let sse = Client::sse(w);
    sse.initialize(w, "2024-11-05", "{}");
    sse.initialized(w);
    let clients = [w.client("{}"), Client::modern(w, "{}"), sse];
    let server = w.server("s");
    let call = |client: Client| {
        let call = client.call(w, "s_1mcp_t", "{}");
        (client, call, server.expect(w, "tools/call"))
    };
    clients.into_iter().map(call).collect()
}

/// What a request on this connection gets.
fn asks(w: &mut World, link: LinkKey, path: &str) -> Response {
    w.bytes(link, &http::request("GET", path, &[], ""));
    let mut response = Response::default();
    response.take(&std::mem::take(&mut w.peer(link).received));
    response
}

fn progress(w: &mut World, seen: &Seen, far: u32) {
    let token = &seen.value["params"]["_meta"]["progressToken"];
    let params = format!(r#"{{"progressToken":{token},"progress":{far}}}"#);
    seen.child.notes(w, "notifications/progress", &params);
}

/// Nobody used any connection for a while.
fn quiet(w: &mut World) {
    w.advance(STOP_LAST_CALL_MS);
}

#[test]
fn contract_7_calls_that_run_are_answered_and_then_we_leave() {
    let _reached = must_hit(Mark::DrainsWithAnswers);
    let mut w = one().start();
    let calls = calling(&mut w);
    quiet(&mut w);
    w.input(Input::Stop);
    w.advance(STOP_ANSWER_MS - STOP_STREAM_MS - 1);
    assert_eq!((w.exit, w.running("s").len()), (None, 1));
    for (client, call, seen) in calls {
        call.pending(&mut w);
        seen.result(&mut w, DONE);
        assert_eq!(call.result(&mut w)["k"], 7);
        assert_eq!(client.unread_answers(&mut w), [""; 0]);
    }
    // The event streams that carried two of them have ended just now.
    w.advance(STOP_STREAM_MS);
    assert_eq!((w.exit, w.running("s").len()), (Some(0), 0));
    w.advance(60_000);
    assert_eq!(w.counts().calls, 0);
}

#[test]
fn stop_answer_ms_what_is_not_answered_by_then_fails_and_says_why() {
    let _reached = must_hit(Mark::DrainsWithoutAnswers);
    let mut w = one().start();
    let calls = calling(&mut w);
    w.input(Input::Stop);
    w.advance(STOP_ANSWER_MS - 1);
    assert_eq!(w.exit, None);
    w.advance(1);
    for (_, call, _) in calls {
        let (code, message) = call.error(&mut w);
        assert_eq!(code, -32603);
        assert!(
            message.contains("1mcp is stopping, and server s"),
            "{message}"
        );
    }
    assert_eq!((w.exit, w.running("s").len()), (Some(0), 0));
}

#[test]
fn a_second_signal_skips_the_wait() {
    let _reached = must_hit(Mark::StopHurried);
    let mut w = one().start();
    let calls = calling(&mut w);
    w.input(Input::Stop);
    w.advance(10);
    assert_eq!(w.exit, None);
    w.input(Input::Stop);
    for (_, call, _) in calls {
        assert!(call.error(&mut w).1.contains("1mcp is stopping"));
    }
    assert_eq!(w.exit, Some(0));
}

#[test]
fn nothing_in_flight_is_nothing_to_wait_for() {
    let mut w = one().start();
    w.input(Input::Stop);
    assert_eq!((w.exit, w.running("s").len()), (Some(0), 0));
    // Sessions, streams and connections are no reason to wait either.
    let mut w = one().start();
    let clients = [
        w.client("{}"),
        Client::modern(&mut w, "{}"),
        Client::sse(&mut w),
    ];
    let listen = clients[1].request(&mut w, "subscriptions/listen", FILTER);
    clients[1].clear(&mut w);
    quiet(&mut w);
    let streams = [clients[0].link(&mut w), clients[2].link(&mut w)];
    w.input(Input::Stop);
    // But for what waits for a connection that the end of a stream sets free.
    w.advance(STOP_STREAM_MS - 1);
    assert_eq!(w.exit, None);
    w.advance(1);
    assert_eq!(w.exit, Some(0));
    // D18: a subscription ends with its answer.
    assert_eq!(listen.result(&mut w)["resultType"], "complete");
    for link in streams {
        let end = w.peer(link);
        let text = String::from_utf8_lossy(&end.received);
        assert!(
            end.closed && text.contains("\r\n0\r\n\r\nHTTP/1.1 408 "),
            "{text}"
        );
    }
}

#[test]
fn whoever_was_here_a_moment_ago_is_still_served() {
    let mut w = one().start();
    let a = w.client("{}");
    let server = w.server("s");
    w.input(Input::Stop);
    w.advance(STOP_LAST_CALL_MS - 1);
    assert_eq!(w.exit, None);
    // By the connection that `initialize` came by.
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let seen = server.expect(&mut w, "tools/call");
    quiet(&mut w);
    assert_eq!(w.exit, None);
    seen.result(&mut w, DONE);
    assert_eq!(call.result(&mut w)["k"], 7);
    assert_eq!(w.exit, Some(0));
}

#[test]
fn stop_part_ms_who_does_not_close_keeps_us_for_a_moment_or_until_the_second_signal() {
    let mut w = one().start();
    let link = w.connect();
    w.peer(link).stays = true;
    w.advance(STOP_LAST_CALL_MS);
    w.input(Input::Stop);
    // Its next request was on its way, and meets what it was told.
    let refused = asks(&mut w, link, "/health/live");
    assert_eq!(
        (refused.status, refused.header("connection")),
        (Some(408), Some("close"))
    );
    w.advance(STOP_PART_MS - 1);
    assert_eq!((w.exit, w.running("s").len()), (None, 0));
    w.advance(1);
    assert_eq!(w.exit, Some(0));

    let mut w = one().start();
    let link = w.connect();
    w.peer(link).stays = true;
    w.advance(STOP_LAST_CALL_MS);
    w.input(Input::Stop);
    assert_eq!(w.exit, None);
    w.input(Input::Stop);
    assert_eq!(w.exit, Some(0));
}

#[test]
fn new_requests_are_refused_and_pages_tell_that_we_stop() {
    let _reached = must_hit(Mark::RequestWhileStopping);
    let mut w = one().start();
    let calls = calling(&mut w);
    let links = [w.connect(), w.connect(), w.connect()];
    w.input(Input::Stop);
    let late = w.connect();
    assert!(w.peer(late).closed);
    let ready = asks(&mut w, links[0], "/health/ready");
    assert_eq!(
        (ready.status, ready.header("connection")),
        (Some(503), Some("close"))
    );
    assert_eq!(asks(&mut w, links[1], "/health/live").status, Some(200));
    quiet(&mut w);
    let post = http::request(
        "POST",
        "/mcp",
        &[],
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
    );
    w.bytes(links[2], &post);
    let mut refused = Response::default();
    let told = refused.take(&std::mem::take(&mut w.peer(links[2]).received));
    assert_eq!(
        (refused.status, refused.header("connection")),
        (Some(503), Some("close"))
    );
    assert!(refused.header("retry-after").is_some());
    assert!(
        told[0].contains("-32603") && told[0].contains("1mcp is stopping"),
        "{told:?}"
    );
    for (_, call, seen) in calls {
        seen.result(&mut w, DONE);
        call.result(&mut w);
    }
}

#[test]
fn a_stream_that_was_open_before_ends_with_its_last_answer() {
    let mut w = one().start();
    let a = w.client("{}");
    let params = r#"{"name":"s_1mcp_t","_meta":{"progressToken":"p"}}"#;
    let call = a.request(&mut w, "tools/call", params);
    let s = w.server("s");
    let seen = s.expect(&mut w, "tools/call");
    progress(&mut w, &seen, 1);
    a.expect(&mut w, "notifications/progress");
    w.input(Input::Stop);
    quiet(&mut w);
    progress(&mut w, &seen, 2);
    a.expect(&mut w, "notifications/progress");
    seen.result(&mut w, DONE);
    assert_eq!(call.result(&mut w)["k"], 7);
    quiet(&mut w);
    assert_eq!(w.exit, Some(0));
}

#[test]
fn questions_go_on_while_we_wait_and_their_calls_fail_with_the_others() {
    let mut w = one().start();
    let a = w.client(r#"{"sampling":{}}"#);
    let call = a.call(&mut w, "s_1mcp_t", "{}");
    let s = w.server("s");
    s.expect(&mut w, "tools/call");
    s.asks(&mut w, "1", "sampling/createMessage", "{}");
    a.expect(&mut w, "sampling/createMessage");
    w.input(Input::Stop);
    w.advance(STOP_ANSWER_MS);
    assert!(call.error(&mut w).1.contains("1mcp is stopping"));
    assert_eq!(w.exit, Some(0));
}

#[test]
fn who_hung_up_is_not_waited_for() {
    let mut w = one().start();
    for (client, _, _) in calling(&mut w) {
        client.hangs_up(&mut w);
    }
    quiet(&mut w);
    w.input(Input::Stop);
    assert_eq!(w.exit, Some(0));
}

#[test]
fn a_server_that_still_starts_fails_those_who_wait_for_it() {
    let mut slow = tools(["t"]);
    slow.mute = true;
    let mut w = World::http().server("s", slow).start();
    let a = Client::http(&mut w);
    let begun = a.begin(&mut w, "2025-11-25", "{}");
    w.input(Input::Stop);
    w.advance(STOP_ANSWER_MS);
    assert_eq!(begun.result(&mut w)["protocolVersion"], "2025-11-25");
    assert_eq!(w.exit, Some(0));
}

#[test]
fn children_are_stopped_by_stages_when_all_is_answered() {
    let mut script = tools(["t"]);
    script.ignores_eof = true;
    let mut w = World::http().server("s", script).start();
    let calls = calling(&mut w);
    quiet(&mut w);
    w.input(Input::Stop);
    for (_, call, seen) in calls {
        seen.result(&mut w, DONE);
        call.result(&mut w);
    }
    w.advance(STOP_STREAM_MS);
    assert_eq!((w.exit, w.running("s").len()), (None, 1));
    w.advance(EXIT_TERM_AFTER_MS);
    assert_eq!(w.exit, Some(0));
    assert_eq!(w.children[0].signals, [StopSignal::Term]);
}
