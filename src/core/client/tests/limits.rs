//! What happens at every bound of this room.

use std::rc::Rc;

use super::kit::*;
use crate::base::mark::{Mark, must_hit};
use crate::base::slab::Key;
use crate::cx::Alarm;
use crate::effect::Effect;
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::*;
use crate::links::LinkKey;
use crate::mcp::version::Version;
use crate::settings::{Settings, Trusted};
use crate::tally::End;

#[test]
fn sessions_max_one_more_initialize_is_answered_429() {
    let _reached = must_hit(Mark::SessionsFull);
    let mut kit = Kit::default();
    let link = kit.connect();
    for _ in 0..SESSIONS_MAX {
        let told = kit.send(link, post(&[], &initialize("2025-06-18")));
        let (client, at, _) = told[0].request();
        kit.answer(client, at, RESULT);
        kit.take_bytes(link);
    }
    kit.send(link, post(&[], &initialize("2025-06-18")));
    let answer = Answer::read(&kit.take_bytes(link));
    assert_eq!((answer.status, answer.code()), (429, -32603));
    assert!(answer.header("retry-after").is_some());
    let (_, _, answer) = kit.ask_http(&http("GET", "/sse", &[], ""));
    assert_eq!(answer.status, 429);
}

#[test]
fn sessions_max_one_that_is_unused_for_long_makes_room() {
    let _reached = must_hit(Mark::SessionMakesRoom);
    let mut kit = Kit::default();
    let open = |kit: &mut Kit, link| -> Option<ClientKey> {
        let told = kit.send(link, post(&[], &initialize("2025-06-18")));
        let is_hello = |told: &&Told| matches!(told.event, ClientEvent::Initialize { .. });
        let opened = told.iter().find(is_hello);
        opened.map(|told| {
            let (client, at, _) = told.request();
            kit.answer(client, at, RESULT);
            client
        })
    };
    // The first one listens, the second one is used later than the third.
    let listening = kit.session(Version::V2025_06_18);
    kit.get(&listening, &[]);
    let used = kit.session(Version::V2025_06_18);
    let link = kit.connect();
    let third = open(&mut kit, link).unwrap();
    for _ in 3..SESSIONS_MAX {
        open(&mut kit, link).unwrap();
        kit.take_bytes(link);
    }
    kit.wait(SESSION_SPARE_MS - 1);
    kit.call(&used, &[], "7");
    let link = kit.connect();
    assert_eq!(open(&mut kit, link), None);
    kit.wait(1);
    assert!(open(&mut kit, link).is_some());
    assert_eq!(kit.clients.facts(third), None);
    assert!(kit.clients.facts(listening.client).is_some());
    assert!(kit.clients.facts(used.client).is_some());
}

#[test]
fn connections_per_peer_max_spares_loopback() {
    let _reached = must_hit(Mark::PeerConnectionsFull);
    let mut kit = Kit::default();
    for _ in 0..CONNECTIONS_PER_PEER_MAX {
        kit.connect_from("192.0.2.1:1");
        kit.connect_from("[::1]:1");
    }
    assert!(kit.closed().is_empty());
    // The same peer, as a socket for both families shows it.
    let refused = kit.connect_from("[::ffff:192.0.2.1]:2");
    assert_eq!(kit.closed(), [refused]);
    let first = LinkKey(Key {
        index: 1,
        generation: 0,
    });
    kit.broken(first);
    kit.connect_from("192.0.2.1:3");
    kit.connect_from("[::1]:3");
    assert!(kit.closed().is_empty());
}

#[test]
fn connections_per_peer_max_behind_a_proxy_counts_for_whom_it_asks() {
    let _reached = must_hit(Mark::PeerConnectionsFull);
    let mut kit = Kit::with(&Settings {
        trusted: Trusted::Networks(vec![([10, 0, 0, 0].into(), 8)]),
        ..Settings::default()
    });
    let ask = |kit: &mut Kit, path: &str, client: &str| {
        let link = kit.connect_from("10.0.0.1:1");
        kit.send(link, http("GET", path, &[("X-Forwarded-For", client)], ""));
        (link, kit.take(link))
    };
    let mut last = None;
    for _ in 0..CONNECTIONS_PER_PEER_MAX {
        let (link, answer) = ask(&mut kit, "/nowhere", "192.0.2.1");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        last = Some(link);
    }
    for path in ["/nowhere", "/mcp"] {
        // What he himself has written stands left of what the proxy has seen.
        let (_, answer) = ask(&mut kit, path, "192.0.2.7, 192.0.2.1");
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    }
    let (_, answer) = ask(&mut kit, "/nowhere", "192.0.2.2");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(kit.closed().is_empty(), "the proxy itself is no crowd");
    kit.broken(last.unwrap());
    let (_, answer) = ask(&mut kit, "/nowhere", "192.0.2.1");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn connections_max_one_more_is_closed_at_once() {
    let _reached = must_hit(Mark::ConnectionsFull);
    let mut kit = Kit::default();
    for _ in 0..CONNECTIONS_MAX {
        kit.connect();
    }
    assert!(kit.closed().is_empty());
    let refused = kit.connect();
    assert_eq!(kit.closed(), [refused]);
}

#[test]
fn calls_per_client_max_and_set_busy_refuse_further_requests() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let calls: Vec<Call> = (0..CALLS_PER_CLIENT_MAX)
        .map(|id| kit.call(&session, &[], &id.to_string()))
        .collect();
    let (_, told, answer) = kit.ask_http(&session.post(&[], &request(r#""more""#)));
    assert!(told.is_empty());
    assert_eq!((answer.status, answer.code()), (200, -32603));
    assert!(answer.body.contains(r#""id":"more""#));
    // Notifications still get through: they may cancel something.
    let (_, told, _) = kit.ask_http(&session.post(&[], NOTE));
    assert_eq!(told.len(), 1);
    kit.answer(calls[0].client, calls[0].at, RESULT);
    let call = kit.call(&session, &[], r#""more""#);
    kit.answer(call.client, call.at, RESULT);
    kit.clients
        .set_busy(&mut kit.world.cx(), session.client, true);
    let (_, _, answer) = kit.ask_http(&session.post(&[], &request("9999")));
    assert_eq!(answer.code(), -32603);
}

#[test]
fn calls_per_client_max_on_sse_is_told_on_the_stream() {
    let mut kit = Kit::default();
    let (link, _, answer) = kit.ask_http(&http("GET", "/sse", &[], ""));
    let path = events(&answer.body)[0].1.clone();
    for id in 0..=CALLS_PER_CLIENT_MAX {
        let body = request(&id.to_string());
        let (_, _, answer) = kit.ask_http(&http("POST", &path, &[], &body));
        assert_eq!(answer.status, 202);
    }
    let (body, ..) = unchunk(&kit.take_bytes(link));
    assert_eq!(code(&events(&body)[0].1), -32603);
}

#[test]
fn streams_per_session_max_one_more_request_is_answered_429() {
    let _reached = must_hit(Mark::StreamsFull);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    // Streams whose client has gone count until their calls end.
    for id in 0..CALLS_PER_CLIENT_MAX {
        let call = kit.call(&session, &[], &id.to_string());
        kit.broken(call.link);
    }
    let own = kit.clients.streamable(session.client).unwrap();
    let link = any_link();
    while own.streams.len() < STREAMS_PER_SESSION_MAX {
        let number = u32::try_from(own.streams.len()).unwrap() + 10_000;
        let now = crate::now::Tick(0);
        let forms = crate::client::accept::Forms::Either;
        let mut stream = crate::client::stream::Stream::held(number, link, forms, now);
        stream.lost();
        own.streams.push(stream);
    }
    let (_, told, answer) = kit.ask_http(&session.post(&[], &request("9999")));
    assert!(told.is_empty());
    assert_eq!((answer.status, answer.code()), (429, -32603));
}

fn any_link() -> LinkKey {
    LinkKey(Key {
        index: 0,
        generation: 0,
    })
}

#[test]
fn client_outbox_bytes_soft_drops_notes_but_no_answers() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    let long = Rc::new(vec![b' '; CLIENT_OUTBOX_BYTES_SOFT + 1]);
    let world = &mut kit.world;
    kit.clients
        .note(&mut world.cx(), call.client, call.at, &[share(&long)]);
    kit.note(call.client, call.at, NOTE);
    assert!(kit.ask(call.client, call.at, ASK));
    kit.answer(call.client, call.at, RESULT);
    let raw = kit.take(call.link);
    assert!(!raw.contains(NOTE) && raw.contains(ASK) && raw.contains(RESULT));
}

#[test]
fn client_outbox_bytes_max_closes_the_link_and_the_session_survives() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let get = kit.get(&session, &[]);
    let call = kit.call(&session, &[], "1");
    kit.note(call.client, call.at, NOTE);
    let long = Rc::new(vec![b' '; CLIENT_OUTBOX_BYTES_MAX / 2]);
    for _ in 0..3 {
        let world = &mut kit.world;
        kit.clients
            .tell(&mut world.cx(), session.client, &[share(&long)]);
        kit.clients
            .ask(&mut world.cx(), call.client, call.at, &[share(&long)]);
    }
    assert_eq!(kit.closed(), [get, call.link]);
    assert_eq!(kit.world.links.unsent(get), 0);
    assert!(kit.pull().is_empty());
    assert!(kit.clients.facts(session.client).is_some());
    kit.answer(call.client, call.at, RESULT);
}

#[test]
fn client_outbox_bytes_max_ends_sse_and_stdio_clients() {
    let _reached = must_hit(Mark::ClientTooSlow);
    let mut kit = Kit::default();
    let stdio = kit.stdio();
    let told = kit.send(stdio, initialize("2025-06-18") + "\n");
    let (on_stdio, ..) = told[0].request();
    let (sse, _, answer) = kit.ask_http(&http("GET", "/sse", &[], ""));
    let path = events(&answer.body)[0].1.clone();
    let (_, told, _) = kit.ask_http(&http("POST", &path, &[], &request("1")));
    let (on_sse, ..) = told[0].request();
    let long = Rc::new(vec![b' '; CLIENT_OUTBOX_BYTES_MAX]);
    for client in [on_stdio, on_sse] {
        let world = &mut kit.world;
        kit.clients.tell(&mut world.cx(), client, &[share(&long)]);
    }
    assert_eq!(kit.closed(), [stdio, sse]);
    let gone = kit.pull();
    assert!(
        gone.iter()
            .all(|one| matches!(one.event, ClientEvent::Gone { .. }))
    );
    assert_eq!((gone.len(), kit.clients.count().sessions), (2, 0));
}

#[test]
fn client_outbox_bytes_soft_a_peer_that_only_asks_is_not_read_any_further() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let fields = [("Accept", "application/json")];
    let call = kit.call(&session, &fields, "1");
    let long = Rc::new(vec![b' '; CLIENT_OUTBOX_BYTES_SOFT + 1]);
    let world = &mut kit.world;
    kit.clients.answer(
        &mut world.cx(),
        call.client,
        call.at,
        End::Ok,
        &[share(&long)],
    );
    assert!(kit.pull().is_empty());
    let ask = session.post(&fields, &request("2"));
    assert!(kit.send(call.link, &ask).is_empty());
    assert!(kit.wait(HEAD_MS_MAX).is_empty());
    kit.send(call.link, vec![b' '; PIPELINED_BYTES_MAX]);
    let link = call.link;
    let order = |paused| Some(Effect::PauseRead { link, paused });
    assert_eq!(kit.world.effects.pop(), order(true));
    kit.take_bytes(call.link);
    assert_eq!(kit.world.effects.pop(), order(false));
    assert_eq!(kit.pull().len(), 1);
}

#[test]
fn write_stall_ms_max_closes_a_connection_whose_peer_takes_nothing() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let call = kit.call(&session, &[], "1");
    kit.note(call.client, call.at, NOTE);
    kit.world.links.wrote(call.link, 5);
    kit.clients.wrote(&mut kit.world.cx(), call.link);
    kit.wait(WRITE_STALL_MS_MAX - 1);
    kit.world.links.wrote(call.link, 5);
    kit.clients.wrote(&mut kit.world.cx(), call.link);
    kit.wait(WRITE_STALL_MS_MAX - 1);
    assert!(kit.closed().is_empty());
    kit.wait(1);
    assert_eq!(kit.closed(), [call.link]);
    kit.answer(call.client, call.at, RESULT);
    let (_, _, answer) = kit.ask_http(&session.http("GET", &[("Last-Event-ID", "3-0")], ""));
    assert!(answer.status == 200);
}

#[test]
fn pipelined_bytes_max_stops_reading_until_the_answer() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let call = kit.call(&session, &[], "1");
    let body = format!("{}{}", " ".repeat(PIPELINED_BYTES_MAX), request("2"));
    let text = session.post(&[], &body);
    let (first, last) = text.split_at(text.len() - 10);
    assert!(kit.send(call.link, first).is_empty());
    let link = call.link;
    let order = |paused| Some(Effect::PauseRead { link, paused });
    assert_eq!(kit.world.effects.pop(), order(true));
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(kit.world.effects.pop(), order(false));
    assert!(kit.pull().is_empty());
    assert_eq!(kit.send(call.link, last).len(), 1);
}

#[test]
fn undelivered_per_session_max_notifications_make_room_questions_are_refused() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    for n in 0..=UNDELIVERED_PER_SESSION_MAX {
        kit.tell(session.client, &format!(r#"{{"n":{n}}}"#));
    }
    assert!(!kit.ask(session.client, At::MAIN, ASK));
    let get = kit.get(&session, &[]);
    let answer = Answer::read(&kit.take_bytes(get));
    let seen = events(&answer.body);
    assert_eq!(seen.len(), UNDELIVERED_PER_SESSION_MAX);
    assert_eq!(seen[0].1, r#"{"n":1}"#);
    kit.broken(get);
    for _ in 0..UNDELIVERED_PER_SESSION_MAX {
        assert!(kit.ask(session.client, At::MAIN, ASK));
    }
    assert!(!kit.ask(session.client, At::MAIN, ASK));
    kit.tell(session.client, NOTE);
    let get = kit.get(&session, &[]);
    let answer = Answer::read(&kit.take_bytes(get));
    assert!(events(&answer.body).iter().all(|one| one.1 == ASK));
}

#[test]
fn undelivered_bytes_per_session_max_refuses_long_questions() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_06_18);
    let long = " ".repeat(UNDELIVERED_BYTES_PER_SESSION_MAX - 10);
    assert!(kit.ask(session.client, At::MAIN, &long));
    assert!(!kit.ask(session.client, At::MAIN, ASK));
    kit.tell(session.client, NOTE);
    let get = kit.get(&session, &[]);
    assert!(!kit.take(get).contains(NOTE));
}

#[test]
fn keep_alive_streams_per_turn_max_the_rest_follows() {
    let _reached = must_hit(Mark::KeepAliveSliced);
    let mut kit = Kit::default();
    let links: Vec<_> = (0..KEEP_ALIVE_STREAMS_PER_TURN_MAX + 1)
        .map(|_| kit.ask_http(&http("GET", "/sse", &[], "")).0)
        .collect();
    kit.wait(KEEP_ALIVE_COMMENT_MS + 1);
    for link in &links {
        assert!(kit.take(*link).contains(": keep-alive"));
    }
    kit.wait(KEEP_ALIVE_COMMENT_MS);
    for link in links {
        assert_eq!(kit.take(link).matches(": keep-alive").count(), 1);
    }
}

#[test]
fn session_idle_ms_an_unused_session_ends() {
    let settings = Settings {
        session_idle_ms: 60_000,
        ..Settings::default()
    };
    let mut kit = Kit::with(&settings);
    let (idle, used) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_06_18),
    );
    let (streaming, calling) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_06_18),
    );
    let get = kit.get(&streaming, &[]);
    let call = kit.call(&calling, &[], "1");
    kit.wait(59_000);
    kit.ask_http(&used.post(&[], NOTE));
    let told = kit.wait(1_000);
    assert_eq!(told.len(), 1);
    assert!(matches!(told[0].event, ClientEvent::Gone { client } if client == idle.client));
    let (_, _, answer) = kit.ask_http(&idle.post(&[], NOTE));
    assert_eq!(answer.status, 404);
    assert_eq!(kit.wait(59_000).len(), 1);
    kit.eof(get);
    kit.answer(call.client, call.at, RESULT);
    kit.take(call.link);
    assert_eq!(kit.wait(130_000).len(), 2);
    assert_eq!(kit.clients.count().sessions, 0);
    kit.wait(100_000);
    assert_eq!(kit.clients.count().connections, 0);
    assert!(kit.world.timers.is_empty(), "{:?}", kit.world.timers);
}

#[test]
fn an_idle_session_costs_less_than_2_kib() {
    use crate::client::session::{Session, Streamable};
    assert!(size_of::<Session>() + size_of::<Streamable>() < 512);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let own = kit.clients.streamable(session.client).unwrap();
    assert_eq!(own.undelivered.capacity(), 0);
    assert!(own.streams.capacity() * size_of::<crate::client::stream::Stream>() < 1024);
    assert!(
        kit.world
            .timers
            .get(Alarm::Session(session.client))
            .is_some()
    );
}
