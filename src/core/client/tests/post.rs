//! POST to `/mcp`: C1 to C5, C7, C8, C12, D1.

use std::rc::Rc;

use super::kit::*;
use crate::language::ClientEvent;
use crate::limits::SHARE_BYTES_MIN;
use crate::mcp::version::Version;
use crate::tally::End;

#[test]
fn c1_initialize_opens_a_session_and_names_it() {
    let mut kit = Kit::default();
    let (link, told, early) = kit.ask_http(&post(&[], &initialize("2025-06-18")));
    assert_eq!(early.status, 0);
    let ClientEvent::Initialize {
        client,
        at,
        version,
        capabilities,
        ..
    } = told[0].event
    else {
        panic!();
    };
    assert_eq!(version, Version::V2025_06_18);
    assert!(capabilities.roots && !capabilities.sampling);
    let facts = kit.clients.facts(client).unwrap();
    assert_eq!((facts.version, facts.initialized), (version, false));
    kit.answer(client, at, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    let answer = Answer::read(&kit.take_bytes(link));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.body, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    let id = answer.header("mcp-session-id").unwrap();
    assert!(id.len() >= 32 && id.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
    // The connection is kept.
    assert!(
        kit.send(link, post(&[("Mcp-Session-Id", id)], INITIALIZED))
            .len()
            == 1
    );
    assert!(kit.clients.facts(client).unwrap().initialized);
}

#[test]
fn b4_an_unknown_revision_is_answered_by_our_newest_one() {
    let mut kit = Kit::default();
    let (_, told, _) = kit.ask_http(&post(&[], &initialize("2099-01-01")));
    assert!(matches!(
        told[0].event,
        ClientEvent::Initialize {
            version: Version::V2025_11_25,
            ..
        }
    ));
}

#[test]
fn c1_initialize_without_a_version_is_refused_and_opens_nothing() {
    let mut kit = Kit::default();
    for params in ["", r#","params":{}"#, r#","params":{"protocolVersion":1}"#] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"initialize"{params}}}"#);
        let (_, told, answer) = kit.ask_http(&post(&[], &body));
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.code()), (200, -32602), "{params}");
        assert!(answer.body.contains(r#""id":"a""#));
    }
    assert_eq!(kit.clients.count().sessions, 0);
}

#[test]
fn c2_a_session_is_needed_and_must_exist() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let (_, _, answer) = kit.ask_http(&post(&[], &request("1")));
    assert_eq!((answer.status, answer.code()), (400, -32600));
    assert!(answer.body.contains(r#""id":1"#));
    let foreign = [("Mcp-Session-Id", "00000000000000000000000000000000")];
    let (_, _, answer) = kit.ask_http(&post(&foreign, &request("1")));
    assert_eq!((answer.status, answer.code()), (404, -32600));
    let (_, _, answer) = kit.ask_http(&session.http("DELETE", &[], ""));
    assert_eq!(answer.status, 204);
    let (_, _, answer) = kit.ask_http(&session.post(&[], &request("1")));
    assert_eq!(answer.status, 404);
}

#[test]
fn c2_the_name_of_a_session_on_sse_opens_nothing_here() {
    let mut kit = Kit::default();
    let (_, _, answer) = kit.ask_http(&http("GET", "/sse", &[], ""));
    let id = answer.body.split("sessionId=").nth(1).unwrap().trim();
    let (_, _, answer) = kit.ask_http(&post(&[("Mcp-Session-Id", id)], &request("1")));
    assert_eq!(answer.status, 404);
}

#[test]
fn c4_notifications_and_responses_are_accepted_without_a_body() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let (_, told, answer) = kit.ask_http(&session.post(&[], note));
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    assert!(matches!(told[0].event, ClientEvent::Notification { .. }));
    assert_eq!(told[0].text, note);
    for response in [
        r#"{"jsonrpc":"2.0","id":3,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}}"#,
    ] {
        let (_, told, answer) = kit.ask_http(&session.post(&[], response));
        assert_eq!(answer.status, 202);
        assert!(matches!(told[0].event, ClientEvent::Response { .. }));
    }
}

#[test]
fn c5_the_answer_alone_is_json_with_its_length() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    assert_eq!(kit.take(call.link), "");
    kit.answer(call.client, call.at, RESULT);
    let answer = Answer::read(&kit.take_bytes(call.link));
    assert_eq!((answer.status, answer.body.as_str()), (200, RESULT));
    assert_eq!(answer.header("mcp-session-id"), None);
    // A second answer to the same request vanishes.
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.take(call.link), "");
}

#[test]
fn c5_pretty_json_leaves_on_one_line() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let body = "{\r\n\"jsonrpc\": \"2.0\",\n\"id\": 1,\n\"method\": \"x\"\n}\n";
    let (_, told, _) = kit.ask_http(&session.post(&[], body));
    assert!(!told[0].text.contains(['\r', '\n']));
    assert_eq!(told[0].text.len(), body.len());
}

#[test]
fn c5_a_long_answer_is_shared_not_copied() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let long = Rc::new(vec![b' '; 10 * 1024 * 1024]);
    for accept in ["application/json", "text/event-stream"] {
        let call = kit.call(&session, &[("Accept", accept)], "1");
        let before = Rc::strong_count(&long);
        let world = &mut kit.world;
        kit.clients.answer(
            &mut world.cx(),
            call.client,
            call.at,
            End::Ok,
            &[share(&long)],
        );
        assert!(Rc::strong_count(&long) > before, "{accept}");
        let copied: usize = kit.world.links.chunks(call.link).map(<[u8]>::len).sum();
        assert!(copied - long.len() < 1024);
        let chunks = kit.world.links.chunks(call.link);
        assert!(chunks.filter(|chunk| chunk.len() > SHARE_BYTES_MIN).count() == 1);
    }
}

#[test]
fn c7_content_type_then_accept_then_json_are_checked() {
    let mut kit = Kit::default();
    let none = [("Content-Type", "text/plain"), ("Accept", "text/html")];
    let (_, _, answer) = kit.ask_http(&post(&none, "{"));
    assert_eq!((answer.status, answer.code()), (415, -32600));
    let (_, _, answer) = kit.ask_http(&post(&[("Accept", "text/html")], "{"));
    assert_eq!((answer.status, answer.code()), (406, -32600));
    let (_, _, answer) = kit.ask_http(&post(&[], "{"));
    assert_eq!((answer.status, answer.code()), (400, -32700));
    assert!(answer.body.contains(r#""id":null"#));
    let (_, _, answer) = kit.ask_http(&post(&[], r#"{"id":5,"method":"x"}"#));
    assert_eq!((answer.status, answer.code()), (400, -32600));
    assert!(answer.body.contains(r#""id":5"#));
}

#[test]
fn c8_a_revision_that_is_not_spoken_is_refused_an_absent_one_assumed() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let bad = [("MCP-Protocol-Version", "2019-01-01")];
    let (_, told, answer) = kit.ask_http(&session.post(&bad, &request("1")));
    assert!(told.is_empty());
    assert_eq!((answer.status, answer.code()), (400, -32022));
    for method in ["GET", "DELETE"] {
        let (_, _, answer) = kit.ask_http(&session.http(method, &bad, ""));
        assert_eq!((answer.status, answer.code()), (400, -32022));
    }
    for fields in [&[][..], &[("MCP-Protocol-Version", "2025-06-18")]] {
        let call = kit.call(&session, fields, "1");
        kit.answer(call.client, call.at, RESULT);
    }
}

#[test]
fn a1_an_id_that_is_still_owed_cannot_be_used_again() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[], r#""a""#);
    let (_, told, answer) = kit.ask_http(&session.post(&[], &request(r#""\u0061""#)));
    assert!(told.is_empty());
    assert_eq!((answer.status, answer.code()), (400, -32600));
    kit.answer(call.client, call.at, RESULT);
    kit.call(&session, &[], r#""a""#);
}

#[test]
fn a2_two_sessions_with_the_same_ids_do_not_meet() {
    let mut kit = Kit::default();
    let (a, b) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_11_25),
    );
    let (first, second) = (kit.call(&a, &[], "1"), kit.call(&b, &[], "1"));
    assert_ne!(a.id, b.id);
    kit.answer(second.client, second.at, r#"{"b":1}"#);
    assert_eq!(kit.take(first.link), "");
    assert_eq!(
        Answer::read(&kit.take_bytes(second.link)).body,
        r#"{"b":1}"#
    );
    kit.answer(first.client, first.at, r#"{"a":1}"#);
    assert_eq!(Answer::read(&kit.take_bytes(first.link)).body, r#"{"a":1}"#);
}

#[test]
fn c12_a_batch_is_answered_by_one_array() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_03_26);
    let body = format!("[{},\n{INITIALIZED},{},7]", request("1"), request("2"));
    let (link, told, answer) = kit.ask_http(&session.post(&[], &body));
    assert_eq!((answer.status, told.len()), (0, 3));
    assert_eq!(told[0].text, request("1"));
    assert!(matches!(told[1].event, ClientEvent::Initialized { .. }));
    let ((client, one, _), (_, two, id)) = (told[0].request(), told[2].request());
    assert_eq!(id, "2");
    kit.answer(client, two, r#"{"two":2}"#);
    assert_eq!(kit.take(link), "");
    kit.answer(client, one, r#"{"one":1}"#);
    let answer = Answer::read(&kit.take_bytes(link));
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .body
            .starts_with(r#"[{"jsonrpc":"2.0","id":null,"error":"#)
    );
    assert!(answer.body.ends_with(r#",{"two":2},{"one":1}]"#));
}

#[test]
fn c12_a_batch_becomes_events_when_something_comes_first() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_03_26);
    let body = format!("[{},{}]", request("1"), request("2"));
    for accept in ["*/*", "text/event-stream"] {
        let fields = [("Accept", accept)];
        let (link, told, mut early) = kit.ask_http(&session.post(&fields, &body));
        let ((client, one, _), (_, two, _)) = (told[0].request(), told[1].request());
        kit.answer(client, one, r#"{"one":1}"#);
        kit.note(client, two, NOTE);
        kit.answer(client, two, r#"{"two":2}"#);
        if early.status == 0 {
            early = Answer::read(&kit.take_bytes(link));
        } else {
            early.body = unchunk(&kit.take_bytes(link)).0;
        }
        let data: Vec<String> = events(&early.body).into_iter().map(|one| one.1).collect();
        assert_eq!(data, [r#"{"one":1}"#, NOTE, r#"{"two":2}"#], "{accept}");
    }
}

#[test]
fn c12_batches_without_requests_or_with_nothing_or_too_much() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_03_26);
    let body = format!("[{INITIALIZED},{RESULT}]");
    let (_, told, answer) = kit.ask_http(&session.post(&[], &body));
    assert_eq!((answer.status, told.len()), (202, 2));
    let long = format!("[{}]", vec![INITIALIZED; 101].join(","));
    for body in ["[]", &format!("[{}]", initialize("2025-03-26")), &long] {
        let (_, told, answer) = kit.ask_http(&session.post(&[], body));
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.code()), (400, -32600));
    }
    // The same id twice: one runs, the other is refused.
    let body = format!("[{},{}]", request("1"), request("1"));
    let (link, told, _) = kit.ask_http(&session.post(&[], &body));
    assert_eq!(told.len(), 1);
    let (client, at, _) = told[0].request();
    kit.drop_request(client, at);
    let answer = Answer::read(&kit.take_bytes(link));
    assert!(
        answer
            .body
            .starts_with(r#"[{"jsonrpc":"2.0","id":1,"error":"#)
    );
}

#[test]
fn c12_other_revisions_have_no_batches() {
    let mut kit = Kit::default();
    for version in [
        Version::V2024_11_05,
        Version::V2025_06_18,
        Version::V2025_11_25,
    ] {
        let session = kit.session(version);
        let body = format!("[{}]", request("1"));
        let (_, told, answer) = kit.ask_http(&session.post(&[], &body));
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.code()), (400, -32600));
    }
}

#[test]
fn c5_every_request_may_come_in_two_pieces() {
    let chunked = |body: &str| {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let body = initialize("2025-03-26");
    for text in [post(&[], &body), chunked(&body)] {
        let twice = format!("{text}{text}");
        for at in 0..=text.len() {
            let mut kit = Kit::default();
            let link = kit.connect();
            let mut told = kit.send(link, &twice[..at]);
            told.extend(kit.send(link, &twice[at..]));
            // The second one waits behind the first.
            assert_eq!(
                (told.len(), told[0].text.as_str()),
                (1, body.as_str()),
                "{at}"
            );
            let (client, at, _) = told[0].request();
            kit.answer(client, at, RESULT);
            let told = kit.pull();
            assert_eq!((told.len(), told[0].text.as_str()), (1, body.as_str()));
            assert_ne!(told[0].request().0, client);
        }
    }
}
