//! Event streams: C3, C5, C6, C9, C10, C11, D5, `--stream-max`.

use super::kit::*;
use crate::language::{At, ClientEvent};
use crate::limits::{KEEP_ALIVE_COMMENT_MS, REPLAY_MS_MAX, STREAM_HOLD_MS};
use crate::mcp::version::Version;
use crate::settings::Settings;

#[test]
fn c5_what_comes_before_the_answer_opens_a_stream_that_ends_after_it() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[], "1");
    kit.note(call.client, call.at, NOTE);
    assert!(kit.ask(call.client, call.at, ASK));
    kit.answer(call.client, call.at, RESULT);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert!(answer.header("cache-control").unwrap().contains("no-cache"));
    let data: Vec<String> = events(&answer.body).into_iter().map(|one| one.1).collect();
    assert_eq!(data, [NOTE, ASK, RESULT]);
    // Nothing after the response, and the connection goes on.
    kit.note(call.client, call.at, NOTE);
    assert_eq!(kit.take(call.link), "");
    assert_eq!(
        kit.send(call.link, session.post(&[], &request("2"))).len(),
        1
    );
}

#[test]
fn c5_several_posts_at_once_have_their_own_streams() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let calls: Vec<Call> = (0..3)
        .map(|id| kit.call(&session, &[], &id.to_string()))
        .collect();
    for call in &calls {
        kit.note(call.client, call.at, &format!(r#"{{"for":{}}}"#, call.at.0));
    }
    for call in calls.iter().rev() {
        kit.answer(call.client, call.at, RESULT);
        let answer = Answer::read(&kit.take_bytes(call.link));
        let seen = events(&answer.body);
        assert_eq!(seen[1].1, format!(r#"{{"for":{}}}"#, call.at.0));
        assert_eq!((seen.len(), answer.whole), (3, true));
    }
}

#[test]
fn c5_a_client_that_reads_only_json_gets_the_answer_and_nothing_else() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let fields = [("Accept", "application/json")];
    let call = kit.call(&session, &fields, "1");
    kit.note(call.client, call.at, NOTE);
    // Its questions wait for a GET stream.
    assert!(kit.ask(call.client, call.at, ASK));
    kit.wait(STREAM_HOLD_MS * 2);
    assert_eq!(kit.take(call.link), "");
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(Answer::read(&kit.take_bytes(call.link)).body, RESULT);
    let get = kit.get(&session, &[]);
    let answer = Answer::read(&kit.take_bytes(get));
    assert_eq!(events(&answer.body)[1], ("0-1".to_owned(), ASK.to_owned()));
}

#[test]
fn c5_a_client_that_reads_only_streams_gets_one_at_once() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[("Accept", "text/event-stream")], "1");
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert_eq!((answer.status, answer.whole), (200, false));
    kit.answer(call.client, call.at, RESULT);
    let (body, whole, _) = unchunk(&kit.take_bytes(call.link));
    assert_eq!((events(&body)[0].1.as_str(), whole), (RESULT, true));
}

#[test]
fn c1_a_session_can_be_opened_by_an_event_stream() {
    let mut kit = Kit::default();
    let fields = [("Accept", "text/event-stream")];
    let (_, _, answer) = kit.ask_http(&post(&fields, &initialize("2025-11-25")));
    assert!(answer.header("mcp-session-id").is_some());
}

#[test]
fn d5_a_long_wait_opens_the_stream_and_comments_keep_it() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    kit.wait(STREAM_HOLD_MS - 1);
    assert_eq!(kit.take(call.link), "");
    kit.wait(1);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    kit.wait(3 * KEEP_ALIVE_COMMENT_MS);
    // Unsent bytes keep a stream alive too: one comment, not three.
    let (body, ..) = unchunk(&kit.take_bytes(call.link));
    assert_eq!(body.matches(": keep-alive\n\n").count(), 1);
    kit.wait(KEEP_ALIVE_COMMENT_MS);
    assert!(kit.take(call.link).contains(": keep-alive"));
    kit.answer(call.client, call.at, RESULT);
    kit.take(call.link);
    // Without streams nothing rings any more.
    kit.wait(2 * KEEP_ALIVE_COMMENT_MS);
    assert_eq!(kit.world.timers.get(crate::cx::Alarm::KeepAlive), None);
    assert_eq!(kit.world.timers.get(crate::cx::Alarm::Holds), None);
}

#[test]
fn c9_priming_event_only_for_2025_11_25() {
    for version in Version::ALL {
        let mut kit = Kit::default();
        let session = kit.session(version);
        let call = kit.call(&session, &[], "1");
        kit.wait(STREAM_HOLD_MS);
        let answer = Answer::read(&kit.take_bytes(call.link));
        let primed = events(&answer.body);
        if version == Version::V2025_11_25 {
            assert_eq!(primed.len(), 1);
            assert!(primed[0].0.ends_with("-0") && primed[0].1.is_empty());
        } else {
            assert!(primed.is_empty(), "{version:?}");
        }
        let get = kit.get(&session, &[]);
        let answer = Answer::read(&kit.take_bytes(get));
        assert_eq!(events(&answer.body).len(), primed.len());
    }
}

#[test]
fn c6_unrelated_messages_wait_for_the_get_stream() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    kit.tell(session.client, r#"{"n":1}"#);
    kit.tell(session.client, r#"{"n":1}"#);
    kit.tell(session.client, r#"{"n":2}"#);
    kit.note(session.client, At::MAIN, NOTE);
    let get = kit.get(&session, &[("Accept", "text/event-stream")]);
    let answer = Answer::read(&kit.take_bytes(get));
    let data: Vec<String> = events(&answer.body).into_iter().map(|one| one.1).collect();
    assert_eq!((answer.status, answer.whole), (200, false));
    assert_eq!(data, [r#"{"n":1}"#, r#"{"n":2}"#]);
    kit.tell(session.client, r#"{"n":3}"#);
    kit.note(session.client, At::MAIN, NOTE);
    let (body, ..) = unchunk(&kit.take_bytes(get));
    assert_eq!(events(&body).len(), 2);
}

#[test]
fn c6_get_needs_event_streams_and_a_session() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let json = [("Accept", "application/json")];
    let (_, _, answer) = kit.ask_http(&session.http("GET", &json, ""));
    assert_eq!(answer.status, 406);
    let (_, _, answer) = kit.ask_http(&http("GET", "/mcp", &[], ""));
    assert_eq!(answer.status, 400);
    let modern = [("MCP-Protocol-Version", "2026-07-28")];
    for method in ["GET", "DELETE"] {
        let (_, _, answer) = kit.ask_http(&http(method, "/mcp", &modern, ""));
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST, OPTIONS"))
        );
    }
    let unknown = [("Mcp-Session-Id", "0")];
    for method in ["GET", "DELETE"] {
        let (_, _, answer) = kit.ask_http(&http(method, "/mcp", &unknown, ""));
        assert_eq!(answer.status, 404);
    }
}

#[test]
fn c6_a_second_get_stream_takes_the_place_of_the_first() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let (old, new) = (kit.get(&session, &[]), kit.get(&session, &[]));
    let answer = Answer::read(&kit.take_bytes(old));
    assert!(answer.whole);
    kit.take(new);
    kit.tell(session.client, RESULT);
    assert_eq!(kit.take(old), "");
    assert!(kit.take(new).contains(RESULT));
}

#[test]
fn c9_the_get_stream_goes_on_where_it_was_cut() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let get = kit.get(&session, &[]);
    kit.tell(session.client, r#"{"n":1}"#);
    kit.tell(session.client, r#"{"n":2}"#);
    kit.take(get);
    kit.broken(get);
    kit.tell(session.client, r#"{"n":3}"#);
    let get = kit.get(&session, &[("Last-Event-ID", "0-1")]);
    let answer = Answer::read(&kit.take_bytes(get));
    let expected = [("0-2", r#"{"n":2}"#), ("0-3", r#"{"n":3}"#)];
    let expected = expected.map(|(id, data)| (id.to_owned(), data.to_owned()));
    assert_eq!(events(&answer.body), expected);
}

#[test]
fn c10_a_dropped_post_goes_on_and_is_resumed() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let (call, other) = (kit.call(&session, &[], "1"), kit.call(&session, &[], "2"));
    kit.note(call.client, call.at, r#"{"n":1}"#);
    kit.note(other.client, other.at, r#"{"other":1}"#);
    let seen = events(&Answer::read(&kit.take_bytes(call.link)).body);
    assert!(kit.broken(call.link).is_empty());
    kit.note(call.client, call.at, r#"{"n":2}"#);
    let get = kit.get(&session, &[("Last-Event-ID", &seen[1].0)]);
    kit.answer(call.client, call.at, RESULT);
    let answer = Answer::read(&kit.take_bytes(get));
    let data: Vec<String> = events(&answer.body).into_iter().map(|one| one.1).collect();
    assert_eq!(
        (data, answer.whole),
        (vec![r#"{"n":2}"#.to_owned(), RESULT.to_owned()], true)
    );
    // The same again: what came after is still known, and then there is nothing more.
    let (_, _, again) = kit.ask_http(&session.http("GET", &[("Last-Event-ID", &seen[1].0)], ""));
    assert_eq!((events(&again.body).len(), again.whole), (2, true));
    let last = &events(&answer.body)[1].0;
    let (_, _, none) = kit.ask_http(&session.http("GET", &[("Last-Event-ID", last)], ""));
    assert_eq!(none.status, 204);
}

#[test]
fn c10_the_answer_of_a_call_that_ended_alone_is_kept_for_a_while() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[], "1");
    kit.note(call.client, call.at, NOTE);
    let seen = events(&Answer::read(&kit.take_bytes(call.link)).body);
    let fields = [("Last-Event-ID", seen[0].0.as_str())];
    kit.eof(call.link);
    kit.answer(call.client, call.at, RESULT);
    kit.wait(REPLAY_MS_MAX - 1);
    let (_, _, answer) = kit.ask_http(&session.http("GET", &fields, ""));
    assert_eq!(events(&answer.body)[0].1, RESULT);
    kit.wait(1);
    // Forgotten: a fresh stream, never an error.
    let (_, _, answer) = kit.ask_http(&session.http("GET", &fields, ""));
    assert_eq!((answer.status, answer.whole), (200, false));
}

#[test]
fn c10_who_never_saw_an_event_id_cannot_come_back_but_the_call_goes_on() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    assert!(kit.broken(call.link).is_empty());
    kit.note(call.client, call.at, NOTE);
    // Its questions can still reach the GET stream.
    assert!(kit.ask(call.client, call.at, ASK));
    kit.answer(call.client, call.at, RESULT);
    kit.call(&session, &[], "1");
}

#[test]
fn c9_an_unknown_event_id_opens_a_fresh_stream_unless_there_is_one() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    for id in ["9-9", "garbage", "0"] {
        let link = kit.get(&session, &[("Last-Event-ID", id)]);
        let answer = Answer::read(&kit.take_bytes(link));
        assert_eq!((answer.status, answer.whole), (200, false), "{id}");
        let fields = [("Last-Event-ID", id)];
        let (_, _, second) = kit.ask_http(&session.http("GET", &fields, ""));
        assert_eq!(second.status, 204);
        kit.broken(link);
    }
}

#[test]
fn c9_a_resumed_stream_takes_the_place_of_a_half_dead_one() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    kit.note(call.client, call.at, NOTE);
    let seen = events(&Answer::read(&kit.take_bytes(call.link)).body);
    let get = kit.get(&session, &[("Last-Event-ID", &seen[1].0)]);
    assert!(unchunk(&kit.take_bytes(call.link)).1);
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.take(call.link), "");
    assert!(kit.take(get).contains(RESULT));
}

#[test]
fn c11_a_cancelled_request_gets_no_response_and_its_stream_closes() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    // Nothing sent yet.
    let call = kit.call(&session, &[], "1");
    kit.drop_request(call.client, call.at);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.whole),
        (200, "", true)
    );
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    // Only JSON.
    let call = kit.call(&session, &[("Accept", "application/json")], "1");
    kit.drop_request(call.client, call.at);
    assert_eq!(Answer::read(&kit.take_bytes(call.link)).status, 202);
    // A stream is open.
    let call = kit.call(&session, &[], "1");
    kit.wait(STREAM_HOLD_MS);
    kit.drop_request(call.client, call.at);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert!(answer.whole);
    let primed = &events(&answer.body)[0].0;
    let (_, _, again) = kit.ask_http(&session.http("GET", &[("Last-Event-ID", primed)], ""));
    assert_eq!(again.status, 204);
    // Too late, and never again.
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.take(call.link), "");
}

#[test]
fn c3_delete_ends_the_session_and_all_its_streams() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let get = kit.get(&session, &[]);
    let (held, open) = (kit.call(&session, &[], "1"), kit.call(&session, &[], "2"));
    kit.note(open.client, open.at, NOTE);
    let link = kit.connect();
    let told = kit.send(link, session.http("DELETE", &[], ""));
    assert!(matches!(told[0].event, ClientEvent::Gone { client } if client == session.client));
    assert_eq!(Answer::read(&kit.take_bytes(link)).status, 204);
    for link in [get, open.link] {
        assert!(Answer::read(&kit.take_bytes(link)).whole);
    }
    let answer = Answer::read(&kit.take_bytes(held.link));
    assert_eq!((answer.status, answer.code()), (404, -32600));
    assert!(answer.body.contains(r#""id":1"#));
    assert_eq!(kit.clients.facts(session.client), None);
    assert_eq!(kit.clients.count().sessions, 0);
    // Late words for it vanish.
    kit.answer(held.client, held.at, RESULT);
    assert!(!kit.ask(held.client, At::MAIN, ASK));
    kit.tell(held.client, NOTE);
    assert_eq!(kit.send(link, session.http("DELETE", &[], "")).len(), 0);
    assert_eq!(Answer::read(&kit.take_bytes(link)).status, 404);
}

#[test]
fn stream_max_closes_early_after_retry_and_the_rest_is_fetched() {
    let settings = Settings {
        stream_ms_max: Some(3000),
        ..Settings::default()
    };
    let mut kit = Kit::with(&settings);
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    kit.wait(1499);
    assert_eq!(kit.take(call.link), "");
    kit.wait(1500);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert!(!answer.whole && !answer.body.contains("retry:"));
    kit.wait(1);
    let (body, whole, _) = unchunk(&kit.take_bytes(call.link));
    assert!(whole && body.contains("retry: 500\n"));
    let primed = events(&answer.body)[0].0.clone();
    let get = kit.get(&session, &[("Last-Event-ID", &primed)]);
    kit.wait(3000);
    let answer = Answer::read(&kit.take_bytes(get));
    assert!(answer.whole && answer.body.contains("retry: 500\n"));
    kit.answer(call.client, call.at, RESULT);
    let fields = [("Last-Event-ID", primed.as_str())];
    let (_, _, answer) = kit.ask_http(&session.http("GET", &fields, ""));
    assert_eq!(
        (events(&answer.body)[0].1.as_str(), answer.whole),
        (RESULT, true)
    );
}

#[test]
fn stream_max_waits_for_an_event_id_where_there_is_no_priming() {
    let settings = Settings {
        stream_ms_max: Some(8000),
        ..Settings::default()
    };
    let mut kit = Kit::with(&settings);
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[], "1");
    kit.wait(9000);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert_eq!((answer.status, answer.whole), (200, false));
    kit.note(call.client, call.at, NOTE);
    let (body, whole, _) = unchunk(&kit.take_bytes(call.link));
    assert!(whole && body.contains("retry: 500\n"));
    let id = events(&body)[0].0.clone();
    kit.answer(call.client, call.at, RESULT);
    let fields = [("Last-Event-ID", id.as_str())];
    let (_, _, answer) = kit.ask_http(&session.http("GET", &fields, ""));
    assert_eq!(events(&answer.body)[0].1, RESULT);
}
