//! `/sse` and `/messages`: E1 to E7.

use super::kit::*;
use crate::cx::Alarm;
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::{KEEP_ALIVE_COMMENT_MS, SESSION_ALIVE_MS};
use crate::links::LinkKey;
use crate::mcp::version::Version;

struct Sse {
    link: LinkKey,
    path: String,
}

impl Sse {
    fn open(kit: &mut Kit) -> Self {
        let (link, told, answer) = kit.ask_http(&http("GET", "/sse", &[], ""));
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.whole), (200, false));
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert!(
            answer
                .body
                .starts_with("event: endpoint\ndata: /messages?sessionId=")
        );
        let path = events(&answer.body)[0].1.clone();
        Self { link, path }
    }

    fn post(&self, kit: &mut Kit, body: &str) -> (Vec<Told>, Answer) {
        let (_, told, answer) = kit.ask_http(&http("POST", &self.path, &[], body));
        (told, answer)
    }

    /// Posts a request that is taken.
    fn call(&self, kit: &mut Kit, body: &str) -> (ClientKey, At) {
        let (told, answer) = self.post(kit, body);
        assert_eq!((answer.status, answer.body.as_str()), (202, ""));
        let (client, at, _) = told[0].request();
        (client, at)
    }

    fn messages(&self, kit: &mut Kit) -> Vec<String> {
        let (body, ..) = unchunk(&kit.take_bytes(self.link));
        assert!(
            body.split_terminator("\n\n")
                .all(|one| one.starts_with("event: message\n"))
        );
        events(&body).into_iter().map(|one| one.1).collect()
    }
}

#[test]
fn e1_e2_the_endpoint_is_told_and_answers_come_on_the_stream() {
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let (client, at) = sse.call(&mut kit, &initialize("2025-06-18"));
    assert_eq!(
        kit.clients.facts(client).unwrap().version,
        Version::V2025_06_18
    );
    kit.answer(client, at, RESULT);
    assert_eq!(sse.messages(&mut kit), [RESULT]);
    let (told, _) = sse.post(&mut kit, INITIALIZED);
    assert!(matches!(told[0].event, ClientEvent::Initialized { .. }));
}

#[test]
fn e3_unknown_sessions_and_bad_bodies_are_refused() {
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let (_, _, answer) = kit.ask_http(&http("POST", "/messages?sessionId=0", &[], RESULT));
    assert_eq!((answer.status, answer.code()), (404, -32600));
    let (_, _, answer) = kit.ask_http(&http("POST", "/messages", &[], RESULT));
    assert_eq!((answer.status, answer.code()), (400, -32600));
    let (_, answer) = sse.post(&mut kit, "{");
    assert_eq!((answer.status, answer.code()), (400, -32700));
    let (_, answer) = sse.post(&mut kit, &format!("[{}]", request("1")));
    assert_eq!((answer.status, answer.code()), (400, -32600));
    let plain = [("Content-Type", "text/plain")];
    let (_, _, answer) = kit.ask_http(&http("POST", &sse.path, &plain, RESULT));
    assert_eq!(answer.status, 415);
    // A session of /mcp is none of this transport.
    let session = kit.session(Version::V2025_06_18);
    let path = format!("/messages?sessionId={}", session.id);
    let (_, _, answer) = kit.ask_http(&http("POST", &path, &[], RESULT));
    assert_eq!(answer.status, 404);
    let json = [("Accept", "application/json")];
    let (_, _, answer) = kit.ask_http(&http("GET", "/sse", &json, ""));
    assert_eq!(answer.status, 406);
}

#[test]
fn e4_the_stream_closed_is_the_session_over() {
    for half in [true, false] {
        let mut kit = Kit::default();
        let sse = Sse::open(&mut kit);
        let (client, at) = sse.call(&mut kit, &request("1"));
        let told = if half {
            kit.eof(sse.link)
        } else {
            kit.broken(sse.link)
        };
        assert!(matches!(told[0].event, ClientEvent::Gone { client: gone } if gone == client));
        kit.answer(client, at, RESULT);
        let (_, answer) = sse.post(&mut kit, RESULT);
        assert_eq!(answer.status, 404);
        assert_eq!(kit.clients.count().sessions, 0);
    }
}

#[test]
fn e5_requests_without_initialize_are_served_as_from_2024_11_05() {
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let (client, at) = sse.call(&mut kit, &request("1"));
    let facts = kit.clients.facts(client).unwrap();
    assert_eq!(facts.version, Version::V2024_11_05);
    assert!(!facts.capabilities.interactive() && !facts.initialized);
    // An initialize that follows replaces this.
    sse.call(&mut kit, &initialize("2025-11-25"));
    assert!(kit.clients.facts(client).unwrap().capabilities.roots);
    kit.answer(client, at, RESULT);
    assert_eq!(sse.messages(&mut kit), [RESULT]);
}

#[test]
fn e6_e7_everything_goes_on_the_one_stream_without_ids() {
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let (client, at) = sse.call(&mut kit, &initialize("2025-11-25"));
    kit.answer(client, at, RESULT);
    sse.post(&mut kit, INITIALIZED);
    let (client, at) = sse.call(&mut kit, &request("1"));
    kit.note(client, at, NOTE);
    assert!(kit.ask(client, At::MAIN, ASK));
    kit.tell(client, NOTE);
    assert_eq!(sse.messages(&mut kit), [RESULT, NOTE, ASK, NOTE]);
    kit.wait(KEEP_ALIVE_COMMENT_MS);
    assert!(kit.take(sse.link).contains(": keep-alive"));
    kit.drop_request(client, at);
    kit.note(client, at, NOTE);
    kit.answer(client, at, RESULT);
    assert_eq!(kit.take(sse.link), "");
}

#[test]
fn e2_faults_of_a_request_that_was_accepted_are_told_on_the_stream() {
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let body = r#"{"jsonrpc":"2.0","id":"x","method":"initialize"}"#;
    let (told, answer) = sse.post(&mut kit, body);
    assert!(told.is_empty());
    assert_eq!(answer.status, 202);
    let error = &sse.messages(&mut kit)[0];
    assert!(code(error) == -32602 && error.contains(r#""id":"x""#));
}

#[test]
fn c12_batches_on_the_old_transport_are_answered_one_by_one() {
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let (client, at) = sse.call(&mut kit, &initialize("2025-03-26"));
    kit.answer(client, at, RESULT);
    let body = format!("[{},3,{}]", request("1"), request("2"));
    let (told, answer) = sse.post(&mut kit, &body);
    assert_eq!((told.len(), answer.status), (2, 202));
    let (client, at, _) = told[1].request();
    kit.answer(client, at, r#"{"two":2}"#);
    let seen = sse.messages(&mut kit);
    assert_eq!((code(&seen[1]), seen[2].as_str()), (-32600, r#"{"two":2}"#));
}

#[test]
fn contract_5_a_stream_that_outlives_the_sessions_leaves_nothing_that_wakes_us() {
    // Seeds 104, 485 and 565 of the simulator: the record of sessions said that we are alive, every
    // hour for ever, when the last session on /mcp had ended before the last stream on /sse.
    let mut kit = Kit::default();
    let sse = Sse::open(&mut kit);
    let session = kit.session(Version::V2025_06_18);
    let (_, _, answer) = kit.ask_http(&session.http("DELETE", &[], ""));
    assert_eq!(answer.status, 204);
    kit.broken(sse.link);
    kit.wait(SESSION_ALIVE_MS);
    assert_eq!(kit.world.timers.get(Alarm::Sessions), None);
}
