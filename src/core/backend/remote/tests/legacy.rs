//! Legacy servers: the handshake, calls and their answers.

use super::*;

#[test]
fn f4_f5_a_legacy_server_comes_up_and_its_session_is_told_with_everything_after_initialize() {
    let mut bench = Bench::new();
    let pool = bench.start(remote(RemoteKind::Http));
    let discover = bench.one("server/discover");
    assert_eq!(discover.line(), "POST /mcp?k=v");
    assert_eq!(discover.field("x-key"), Some("s3cret-key"));
    bench.respond(&discover, 404, &[("content-type", "text/html")], "<p>no");
    let asked = bench.one("initialize");
    let both = Some("application/json, text/event-stream");
    assert_eq!(asked.field("accept"), both);
    assert_eq!(asked.field("content-type"), Some("application/json"));
    assert_eq!(asked.field("mcp-protocol-version"), None);
    assert_eq!(bench.state(pool), PoolState::Starting);
    bench.respond(&asked, 200, &[JSON, ("mcp-session-id", "a.b")], HELLO);
    let initialized = bench.one("notifications/initialized");
    assert_eq!(bench.state(pool), PoolState::Starting);
    bench.respond(&initialized, 202, &[], "");
    assert_eq!(bench.told(), ["server=files ready in=0ms", "Ready 0"]);
    let ears = bench.one("GET");
    assert_eq!(ears.field("accept"), Some("text/event-stream"));
    bench.call(pool, 7);
    let call = bench.one("tools/call");
    for asked in [&initialized, &ears, &call] {
        assert_eq!(asked.field("mcp-session-id"), Some("a.b"));
        assert_eq!(asked.field("mcp-protocol-version"), Some("2025-06-18"));
        assert_eq!(asked.field("x-key"), Some("s3cret-key"));
    }
    assert_eq!((call.body(), call.field("accept")), (&*request(7), both));
    bench.json(&call, &answer(7));
    assert_eq!(bench.events(), [response(pool, 7)]);
    bench.stop(pool);
    let bye = bench.one("DELETE");
    assert_eq!(bye.field("mcp-session-id"), Some("a.b"));
    bench.respond(&bye, 405, &[], "");
    assert_eq!(bench.events(), ["Ended 0"]);
    bench.assert_empty();
}

#[test]
fn f6_a_call_is_answered_by_events_split_at_every_byte() {
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n\
         : hi\r\n\r\nid: 1\r\ndata:\r\n\r\n\
         data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\r\n\
         data: \"params\":{{}}}}\r\n\r\n\
         event: other\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"x\"}}\n\n\
         event: message\ndata: {}\n\n",
        answer(3)
    );
    for at in 0..=text.len() {
        let mut bench = Bench::new();
        let pool = bench.legacy(Some("s"));
        bench.call(pool, 3);
        let call = bench.one("tools/call");
        bench.feed(call.link, &text[..at]);
        bench.feed(call.link, &text[at..]);
        bench.eof(call.link);
        let note = "note: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\", \
                    \"params\":{}}";
        assert_eq!(bench.events(), [note.to_owned(), response(pool, 3)], "{at}");
    }
}

#[test]
fn f8_batched_answers_are_taken_apart_and_never_sent() {
    let mut bench = Bench::new();
    let pool = bench.legacy(None);
    bench.call(pool, 1);
    bench.call(pool, 2);
    let asked = bench.asked();
    let both = format!("[{},\n{{\"jsonrpc\":\"2.0\",\"method\":\"n\"}}]", answer(1));
    bench.json(&asked[0], &both);
    let note = "note: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}".to_owned();
    assert_eq!(bench.events(), [response(pool, 1), note]);
    bench.stream(&asked[1], &[]);
    bench.chunk(&asked[1], &format!("data: [{}]\n\n", answer(2)));
    bench.end(&asked[1]);
    assert_eq!(bench.events(), [response(pool, 2)]);
}

#[test]
fn f7_questions_on_any_stream_go_up_and_answers_are_posts_of_their_own() {
    let mut bench = Bench::new();
    let pool = bench.greeted(remote(RemoteKind::Http), Some("s"));
    let ears = bench.one("GET");
    bench.stream(&ears, &[]);
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.stream(&call, &[]);
    bench.told();
    for (index, (stream, about)) in [(&ears, ""), (&call, " about 1")].into_iter().enumerate() {
        let ask = format!("{{\"jsonrpc\":\"2.0\",\"id\":\"q{index}\",\"method\":\"roots/list\"}}");
        bench.chunk(stream, &format!("data: {ask}\n\n"));
        assert_eq!(
            bench.events(),
            [format!("request \"q{index}\"{about}: {ask}")]
        );
        let said = format!("{{\"jsonrpc\":\"2.0\",\"id\":\"q{index}\",\"result\":{{}}}}");
        assert_eq!(bench.send(pool, &said), Ok(()));
        let post = bench.one("answer");
        assert_eq!((post.line(), post.body()), ("POST /mcp?k=v", &*said));
        assert_eq!(post.field("mcp-session-id"), Some("s"));
        bench.respond(&post, 202, &[], "");
        let ping = "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}";
        bench.chunk(stream, &format!("data: {ping}\n\n"));
        let pong = bench.one("answer");
        assert_eq!(pong.body(), "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}");
        bench.respond(&pong, 202, &[], "");
        assert_eq!(bench.events(), [""; 0]);
    }
    bench.chunk(&call, &format!("data: {}\n\n", answer(1)));
    bench.end(&call);
    assert_eq!(bench.events(), [response(pool, 1)]);
}

/// There are servers that answer notifications like requests.
#[test]
fn f4_an_answer_to_initialized_says_that_it_was_heard() {
    let unknown = "\"error\":{\"code\":-32601,\"message\":\"Method not found\"}";
    for (status, body) in [
        (
            200,
            format!("{{\"jsonrpc\":\"2.0\",\"id\":null,{unknown}}}"),
        ),
        (200, format!("{{\"jsonrpc\":\"2.0\",{unknown}}}")),
        (
            200,
            "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}".to_owned(),
        ),
        (
            404,
            format!("{{\"jsonrpc\":\"2.0\",\"id\":null,{unknown}}}"),
        ),
    ] {
        let mut bench = Bench::new();
        let pool = bench.start(remote(RemoteKind::Http));
        let discover = bench.one("server/discover");
        bench.respond(&discover, 400, &[], "");
        let asked = bench.one("initialize");
        bench.respond(&asked, 200, &[JSON], HELLO);
        let initialized = bench.one("notifications/initialized");
        bench.respond(&initialized, status, &[JSON], &body);
        assert_eq!(bench.events(), ["Ready 0"], "{status} {body}");
        assert_eq!(bench.state(pool), PoolState::Ready);
    }
}

#[test]
fn f5_without_a_session_id_nothing_is_deleted() {
    let mut bench = Bench::new();
    let pool = bench.legacy(None);
    bench.stop(pool);
    assert!(bench.asked().is_empty());
    assert_eq!(bench.events(), ["Ended 0"]);
    bench.assert_empty();
}

#[test]
fn f5_a_server_that_does_not_hear_the_farewell_holds_nobody_up() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.stop(pool);
    bench.one("DELETE");
    assert_eq!(bench.state(pool), PoolState::Stopping);
    bench.pass(crate::limits::STOP_TERM_AFTER_MS);
    assert_eq!(bench.events(), ["Ended 0"]);
    bench.assert_empty();
}
