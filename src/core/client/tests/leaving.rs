//! The way out, without a hall: who is awaited, and what everybody is told at the end.

use crate::base::mark::{Mark, must_hit};
use crate::client::leaving::Awaited;
use crate::client::tests::kit::*;
use crate::limits::{STOP_LAST_CALL_MS, STOP_PART_MS, STOP_STREAM_MS};
use crate::mcp::version::Version;
use crate::settings::Settings;

impl Kit {
    fn drain(&mut self) {
        self.clients.drain(&mut self.world.cx());
        assert_eq!(self.pull().len(), 0);
    }

    fn awaited(&mut self) -> Awaited {
        self.clients.awaited(&mut self.world.cx())
    }

    fn stop(&mut self) {
        self.clients.stop(&mut self.world.cx());
        self.pull();
    }

    /// The answer of the last request of a connection.
    fn last(&mut self, link: crate::links::LinkKey) -> Answer {
        let answer = Answer::read(&self.take_bytes(link));
        assert_eq!(answer.header("connection"), Some("close"));
        answer
    }
}

#[test]
fn stopping_ends_streams_and_answers_what_was_read() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let (get, call) = (kit.get(&session, &[]), kit.call(&session, &[], "1"));
    let (sse, ..) = kit.ask_http(&http("GET", "/sse", &[], ""));
    kit.take(get);
    kit.clients.drain(&mut kit.world.cx());
    // The session on `/sse` is gone.
    assert_eq!(kit.pull().len(), 1);
    assert!(unchunk(&kit.take_bytes(get)).1 && unchunk(&kit.take_bytes(sse)).1);
    assert_eq!(kit.awaited(), Awaited::Answers);
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.last(call.link).body, RESULT);
    let late = kit.connect();
    assert_eq!(kit.closed(), [late]);
    kit.wait(STOP_LAST_CALL_MS);
    assert_eq!(kit.awaited(), Awaited::Nobody);
    kit.stop();
    for link in [get, sse] {
        assert_eq!(kit.last(link).status, 408);
    }
    for link in [get, sse, call.link] {
        kit.eof(link);
    }
    assert_eq!(kit.clients.count().connections, 0);
}

#[test]
fn stopping_waits_for_who_was_here_and_serves_whoever_comes() {
    let mut kit = Kit::default();
    let idle = kit.connect();
    kit.wait(STOP_LAST_CALL_MS);
    let warm = kit.connect();
    kit.wait(1);
    kit.drain();
    let until = kit.world.now.tick.after(STOP_LAST_CALL_MS - 1);
    assert_eq!(kit.awaited(), Awaited::Requests { until });
    // It is served, and then its connection ends.
    let told = kit.send(warm, post(&[], &initialize("2025-06-18")));
    let (client, at, _) = told[0].request();
    assert_eq!(kit.awaited(), Awaited::Answers);
    kit.answer(client, at, RESULT);
    assert_eq!(kit.last(warm).status, 200);
    assert_eq!(kit.awaited(), Awaited::Nobody);
    // Nobody waits for this one. What it sends meanwhile is refused by what it was told.
    kit.stop();
    kit.send(idle, post(&[], &initialize("2025-06-18")));
    assert_eq!(kit.last(idle).status, 408);
}

#[test]
fn stopping_serves_what_a_pool_writes_behind_a_stream_that_ends() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let (main, unused) = (kit.get(&session, &[]), kit.get(&session, &[]));
    // The second stream has taken the place of the first, whose connection is free.
    let (sse, ..) = kit.ask_http(&http("GET", "/sse", &[], ""));
    kit.wait(STOP_LAST_CALL_MS);
    let heads = [main, unused].map(|link| Answer::read(&kit.take_bytes(link)));
    assert!(heads.iter().all(|head| head.header("connection").is_none()));
    kit.clients.drain(&mut kit.world.cx());
    assert_eq!(kit.pull().len(), 1);
    for link in [unused, sse] {
        assert!(unchunk(&kit.take_bytes(link)).1);
    }
    let until = kit.world.now.tick.after(STOP_STREAM_MS);
    assert_eq!(kit.awaited(), Awaited::Requests { until });
    for (link, id) in [(unused, "1"), (sse, "2")] {
        let told = kit.send(link, session.post(&[], &request(id)));
        let (client, at, _) = told[0].request();
        assert_eq!(kit.awaited(), Awaited::Answers);
        kit.answer(client, at, RESULT);
        assert_eq!(kit.last(link).body, RESULT);
    }
    assert_eq!(kit.awaited(), Awaited::Nobody);
    // Without a request it is not waited for longer.
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    kit.get(&session, &[]);
    kit.wait(STOP_LAST_CALL_MS);
    kit.clients.drain(&mut kit.world.cx());
    kit.wait(STOP_STREAM_MS - 1);
    assert!(matches!(kit.awaited(), Awaited::Requests { .. }));
    kit.wait(1);
    assert_eq!(kit.awaited(), Awaited::Nobody);
}

#[test]
fn stopping_tells_idle_connections_and_waits_until_they_close() {
    let _reached = must_hit(Mark::StopEndsIdle);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let (call, fresh) = (kit.call(&session, &[], "1"), kit.connect());
    let kept = call.link;
    kit.answer(call.client, call.at, RESULT);
    kit.take(kept);
    kit.stop();
    let parted = kit.world.now.tick.after(STOP_PART_MS);
    let parting = |kit: &Kit| kit.clients.parting(kit.world.now.tick);
    for link in [kept, fresh] {
        assert_eq!(parting(&kit), Some(parted));
        // The request that was on its way is neither heard nor answered twice.
        assert_eq!(kit.send(link, session.post(&[], &request("2"))).len(), 0);
        let answer = kit.last(link);
        assert_eq!(answer.status, 408);
        assert!(answer.header("retry-after").is_some() && answer.body.contains("1mcp is stopping"));
        assert_eq!(kit.take(link), "");
        kit.eof(link);
    }
    assert_eq!((parting(&kit), kit.clients.count().connections), (None, 0));
    // Who never closes is not waited for.
    let mut kit = Kit::default();
    kit.connect();
    kit.stop();
    kit.wait(STOP_PART_MS - 1);
    assert!(parting(&kit).is_some());
    kit.wait(1);
    assert_eq!(parting(&kit), None);
}

#[test]
fn stopping_refuses_new_requests_after_the_last_call() {
    let _reached = must_hit(Mark::RequestWhileStopping);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    let half = kit.connect();
    let (page, other) = (kit.connect(), kit.connect());
    let text = post(&[], &initialize("2025-06-18"));
    kit.send(half, &text[..10]);
    kit.drain();
    kit.wait(STOP_LAST_CALL_MS);
    kit.send(half, &text[10..]);
    let answer = kit.last(half);
    assert_eq!((answer.status, answer.code()), (503, -32603));
    assert!(answer.body.contains("1mcp is stopping"));
    assert!(answer.header("retry-after").is_some());
    // Outside MCP it is an error of HTTP; how we are is still told.
    kit.send(page, http("GET", "/oauth", &[], ""));
    let answer = kit.last(page);
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains(r#""error":"1mcp is stopping""#));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        kit.send(other, http("GET", "/health/ready", &[], "")).len(),
        1
    );
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.last(call.link).body, RESULT);
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"action":"accept"}}"#;
const CANCELLED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;

#[test]
fn stopping_takes_what_calls_wait_for_until_the_end() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_03_26);
    let call = kit.call(&session, &[], "1");
    let links = [(); 5].map(|()| kit.connect());
    kit.drain();
    kit.wait(STOP_LAST_CALL_MS);
    for (link, body) in links.into_iter().zip([ANSWER, CANCELLED]) {
        assert_eq!(kit.send(link, session.post(&[], body)).len(), 1);
        assert_eq!(kit.last(link).status, 202);
    }
    assert_eq!(kit.awaited(), Awaited::Answers);
    let [.., alone, mixed, after] = links;
    let batch = |more: &str| format!("[{ANSWER}{more}]");
    assert_eq!(kit.send(alone, session.post(&[], &batch(""))).len(), 1);
    assert_eq!(kit.last(alone).status, 202);
    let more = format!(",{}", request("2"));
    assert!(kit.send(mixed, session.post(&[], &batch(&more))).is_empty());
    assert_eq!(kit.last(mixed).status, 503);
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.last(call.link).body, RESULT);
    kit.stop();
    kit.send(after, session.post(&[], ANSWER));
    assert_eq!(kit.last(after).status, 408);
}

#[test]
fn stopping_takes_what_calls_on_sse_wait_for() {
    let mut kit = Kit::default();
    let (_, _, opened) = kit.ask_http(&http("GET", "/sse", &[], ""));
    let path = events(&opened.body)[0].1.clone();
    let (_, told, _) = kit.ask_http(&http("POST", &path, &[], &initialize("2025-06-18")));
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    let (_, told, _) = kit.ask_http(&http("POST", &path, &[], &request("1")));
    assert_eq!(told.len(), 1);
    let links = [(); 3].map(|()| kit.connect());
    kit.drain();
    for (link, body) in links.into_iter().zip([ANSWER, CANCELLED]) {
        assert_eq!(kit.send(link, http("POST", &path, &[], body)).len(), 1);
        assert_eq!(kit.last(link).status, 202);
    }
    kit.send(links[2], http("POST", &path, &[], &request("2")));
    assert_eq!(kit.last(links[2]).status, 503);
    assert_eq!(kit.awaited(), Awaited::Answers);
}

#[test]
fn stopping_waits_no_longer_for_who_has_closed_than_for_a_request() {
    for has_session in [true, false] {
        let mut kit = Kit::default();
        let link = if has_session {
            let session = kit.session(Version::V2025_11_25);
            kit.call(&session, &[("Accept", "application/json")], "1")
                .link
        } else {
            let link = kit.connect();
            assert_eq!(kit.send(link, http("GET", "/health", &[], "")).len(), 1);
            link
        };
        kit.drain();
        assert_eq!(kit.awaited(), Awaited::Answers);
        kit.eof(link);
        let until = kit.world.now.tick.after(STOP_LAST_CALL_MS);
        assert_eq!(kit.awaited(), Awaited::Requests { until });
        kit.wait(STOP_LAST_CALL_MS);
        assert_eq!(kit.awaited(), Awaited::Nobody);
    }
}

#[test]
fn stopping_opens_no_stream_that_would_end_at_once() {
    for path in ["/sse", "/mcp"] {
        let mut kit = Kit::default();
        let session = kit.session(Version::V2025_11_25);
        let link = kit.connect();
        kit.drain();
        let fields = [
            ("Mcp-Session-Id", session.id.as_str()),
            ("Accept", "text/event-stream"),
        ];
        kit.send(link, http("GET", path, &fields, ""));
        // An error would keep an `EventSource` away for good.
        let answer = kit.last(link);
        assert_eq!(answer.status, 200);
        assert!(
            answer.whole && answer.body.starts_with("retry: 2000\n"),
            "{}",
            answer.body
        );
        let link = kit.connect();
        assert_eq!(kit.closed(), [link]);
    }
}

#[test]
fn nobody_who_waits_is_left_without_a_word() {
    let _told = must_hit(Mark::StopAnswersRequest);
    let _part = must_hit(Mark::StopRefusesPart);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let json = [("Accept", "application/json")];
    let (held, streaming) = (kit.call(&session, &json, "1"), kit.call(&session, &[], "2"));
    kit.wait(crate::limits::STREAM_HOLD_MS);
    kit.take(streaming.link);
    let part = kit.connect();
    kit.send(part, &post(&[], &initialize("2025-06-18"))[..10]);
    kit.take_bytes(part);
    kit.stop();
    let answer = kit.last(held.link);
    assert_eq!((answer.status, answer.code()), (200, -32603));
    assert!(answer.body.contains("1mcp is stopping") && answer.body.contains(r#""id":1"#));
    let bytes = kit.take_bytes(streaming.link);
    let (events, over, used) = unchunk(&bytes);
    assert!(over && events.contains(r#""id":2"#) && events.contains("1mcp is stopping"));
    assert_eq!(text(&bytes[used..]), "", "and then the connection ends");
    assert_eq!(kit.last(part).status, 503);
    // What comes for them afterwards reaches nobody.
    kit.answer(held.client, held.at, RESULT);
    assert_eq!(kit.take(held.link), "");
}

#[test]
fn an_event_stream_is_not_closed_early_while_nobody_could_come_back() {
    let mut kit = Kit::with(&Settings {
        stream_ms_max: Some(2_000),
        ..Settings::default()
    });
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    kit.wait(1_500);
    kit.drain();
    kit.wait(2_000);
    assert_eq!(kit.awaited(), Awaited::Answers);
    kit.answer(call.client, call.at, RESULT);
    assert!(kit.take(call.link).contains(RESULT));
}
