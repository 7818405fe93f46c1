//! Sessions that outlive a restart (contract 5, C1, C2, C3, C9, X3): one process after another, and
//! two beside each other, with one record.

use super::auth;
use super::kit::*;
use crate::base::mark::{Mark, must_hit};
use crate::language::{At, ClientEvent};
use crate::limits::{SESSION_ALIVE_MS, SESSION_IDLE_MS};
use crate::mcp::version::Version;
use crate::now::UnixSeconds;
use crate::settings::Settings;

pub(super) const NOW: u64 = 1_000_000;
pub(super) const DAY: u64 = SESSION_IDLE_MS / 1_000;
pub(super) const HOUR: u64 = SESSION_ALIVE_MS / 1_000;

pub(super) fn first() -> Kit {
    let mut kit = Kit::default();
    kit.world.now.wall = UnixSeconds(NOW);
    kit
}

/// The next process: it knows what is on the disk, and nothing else.
pub(super) fn after(kit: &Kit, settings: &Settings, seed: u8) -> Kit {
    let mut next = Kit::seeded(settings, seed);
    next.world.now.wall = kit.world.now.wall;
    next.record.clone_from(&kit.record);
    tell(&mut next);
    next
}

pub(super) fn restart(kit: &Kit) -> Kit {
    after(kit, &Settings::default(), 6)
}

/// The record is told, as at the start, or since somebody else has written it.
pub(super) fn tell(kit: &mut Kit) -> Vec<Told> {
    let record = kit.record.clone();
    let mut cx = kit.world.cx();
    kit.clients.sessions_record(&mut cx, record.as_deref());
    kit.pull()
}

pub(super) fn wait(kit: &mut Kit, seconds: u64) -> Vec<Told> {
    kit.world.now.wall.0 += seconds;
    kit.wait(seconds * 1_000)
}

/// Posts a request with this session; the status and what was told.
pub(super) fn use_it(kit: &mut Kit, session: &Session) -> (u16, Vec<Told>) {
    let (link, told, answer) = kit.ask_http(&session.post(&[], &request("1")));
    if let Some(one) = told.last() {
        let (client, at, _) = one.request();
        kit.answer(client, at, RESULT);
    }
    kit.broken(link);
    (answer.status, told)
}

fn is_restored(told: &[Told]) -> bool {
    matches!(told[..], [
        Told { event: ClientEvent::Restored { client }, .. },
        Told { event: ClientEvent::Request { client: of, .. }, .. },
    ] if client == of)
}

pub(super) fn goes_on(kit: &mut Kit, session: &Session) -> bool {
    let (status, told) = use_it(kit, session);
    match status {
        404 => assert!(told.is_empty()),
        _ => assert_eq!((status, is_restored(&told)), (0, true)),
    }
    status == 0
}

pub(super) fn delete(kit: &mut Kit, session: &Session) -> u16 {
    let (link, _, answer) = kit.ask_http(&session.http("DELETE", &[], ""));
    kit.broken(link);
    answer.status
}

#[test]
fn contract_5_a_session_goes_on_after_a_restart_with_what_was_agreed_on() {
    let _reached = must_hit(Mark::SessionRestored);
    let mut kit = first();
    for version in Version::ALL {
        let session = kit.session(version);
        let mut kit = restart(&kit);
        let (link, told, _) = kit.ask_http(&session.post(&[], &request("41")));
        assert!(is_restored(&told));
        assert_eq!(
            told[1].text,
            request("41"),
            "the message comes with its event"
        );
        let (client, at, _) = told[1].request();
        let facts = kit.clients.facts(client).unwrap();
        assert_eq!((facts.version, facts.initialized), (version, true));
        assert!(facts.capabilities.roots && !facts.capabilities.sampling);
        kit.answer(client, at, RESULT);
        let answer = Answer::read(&kit.take_bytes(link));
        assert_eq!(
            (answer.status, answer.header("mcp-session-id")),
            (200, None)
        );
        // From here on it is a session like any other.
        let (status, told) = use_it(&mut kit, &session);
        assert_eq!((status, told.len()), (0, 1));
    }
}

#[test]
fn contract_5_every_kind_of_message_brings_a_session_back() {
    let mut kit = first();
    let session = kit.session(Version::V2025_03_26);
    let batch = format!("[{},{NOTE}]", request("1"));
    for (body, events) in [(INITIALIZED, 2), (NOTE, 2), (RESULT, 2), (&*batch, 3)] {
        let mut kit = restart(&kit);
        let (_, told, _) = kit.ask_http(&session.post(&[], body));
        assert_eq!(told.len(), events, "{body}");
        assert!(matches!(told[0].event, ClientEvent::Restored { .. }));
        assert!(told[1..].iter().all(|one| !one.text.is_empty()));
    }
    let mut kit = restart(&kit);
    let (link, told, answer) = kit.ask_http(&session.http("GET", &[], ""));
    assert!(matches!(
        told[..],
        [Told {
            event: ClientEvent::Restored { .. },
            ..
        }]
    ));
    assert_eq!(answer.status, 200);
    let ClientEvent::Restored { client } = told[0].event else {
        unreachable!();
    };
    kit.tell(client, NOTE);
    assert!(kit.take(link).contains(NOTE));
}

#[test]
fn contract_5_a_missing_session_of_this_run_has_ended() {
    let mut kit = first();
    let (session, idle) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_06_18),
    );
    assert_eq!(delete(&mut kit, &session), 204);
    assert_eq!(
        (use_it(&mut kit, &session).0, delete(&mut kit, &session)),
        (404, 404)
    );
    wait(&mut kit, DAY + 1);
    assert_eq!(use_it(&mut kit, &idle).0, 404);
    assert_eq!(kit.clients.count().sessions, 0);
}

#[test]
fn contract_5_a_session_that_was_ended_does_not_come_back() {
    let mut kit = first();
    let sessions: Vec<Session> = (0..4).map(|_| kit.session(Version::V2025_06_18)).collect();
    assert_eq!(delete(&mut kit, &sessions[1]), 204);
    assert_eq!(delete(&mut kit, &sessions[2]), 204);
    let mut kit = restart(&kit);
    let on: Vec<bool> = sessions.iter().map(|one| goes_on(&mut kit, one)).collect();
    assert_eq!(on, [true, false, false, true]);
    // And one that was ended by the second run does not in the third.
    assert_eq!(delete(&mut kit, &sessions[3]), 204);
    let mut kit = after(&kit, &Settings::default(), 7);
    let on: Vec<bool> = sessions.iter().map(|one| goes_on(&mut kit, one)).collect();
    assert_eq!(on, [true, false, false, false]);
}

#[test]
fn contract_5_a_session_need_not_be_used_again_to_be_ended() {
    let _reached = must_hit(Mark::SessionEndedUnopened);
    let mut kit = first();
    let session = kit.session(Version::V2025_06_18);
    let mut kit = restart(&kit);
    assert_eq!(delete(&mut kit, &session), 204);
    assert_eq!(
        (use_it(&mut kit, &session).0, delete(&mut kit, &session)),
        (404, 404)
    );
    assert!(!goes_on(
        &mut after(&kit, &Settings::default(), 7),
        &session
    ));
}

#[test]
fn contract_5_a_session_that_nobody_used_for_long_does_not_come_back() {
    let mut kit = first();
    let (busy, idle) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_06_18),
    );
    for _ in 0..30 {
        wait(&mut kit, HOUR);
        assert_eq!(use_it(&mut kit, &busy).0, 0);
    }
    assert_eq!(kit.clients.count().sessions, 1, "one has ended by itself");
    let mut kit = restart(&kit);
    assert!(!goes_on(&mut kit, &idle));
    // The record says that its run was alive a moment ago, though it was opened long ago.
    assert!(goes_on(&mut kit, &busy));
    // So it is when it was used by the second run only.
    for _ in 0..30 {
        wait(&mut kit, HOUR);
        assert_eq!(use_it(&mut kit, &busy).0, 0);
    }
    assert!(goes_on(&mut after(&kit, &Settings::default(), 7), &busy));
}

#[test]
fn contract_5_no_session_outlives_its_time_in_a_file() {
    let mut kit = first();
    let link = kit.connect();
    kit.broken(link);
    let session = kit.session(Version::V2025_06_18);
    // Not even written once: the session is as old as its name says.
    for (seconds, lives) in [(DAY - 1, true), (DAY, false), (9 * DAY, false)] {
        let mut next = restart(&kit);
        wait(&mut next, seconds);
        assert_eq!(goes_on(&mut next, &session), lives, "{seconds}");
    }
    // An orderly end says exactly since when it was unused.
    wait(&mut kit, DAY / 2);
    kit.clients.stop(&mut kit.world.cx());
    assert!(kit.clients.is_saving());
    kit.pull();
    assert!(!kit.clients.is_saving());
    for (seconds, lives) in [(DAY / 2 - 1, true), (DAY / 2, false)] {
        let mut next = restart(&kit);
        wait(&mut next, seconds);
        assert_eq!(goes_on(&mut next, &session), lives, "{seconds}");
    }
}

#[test]
fn x3_only_what_was_sealed_with_a_key_of_ours_is_a_session() {
    let mut kit = first();
    let session = kit.session(Version::V2025_06_18);
    let mut other = Kit::seeded(&Settings::default(), 9);
    other.world.now.wall = kit.world.now.wall;
    other.session(Version::V2025_06_18);
    assert_eq!(use_it(&mut other, &session).0, 404, "another key");
    let mut next = restart(&kit);
    let letters = session.id.len();
    for place in (0..letters).step_by(7) {
        let mut changed = session.id.clone().into_bytes();
        changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
        let changed = Session {
            client: session.client,
            id: text(&changed),
        };
        assert_eq!(use_it(&mut next, &changed).0, 404, "{place}");
    }
    assert_eq!(next.clients.count().sessions, 0);
    assert!(goes_on(&mut next, &session));
}

#[test]
fn r8_a_session_goes_on_for_the_grant_that_opened_it_only() {
    let mut kit = auth::open();
    kit.record = first().record;
    let session = auth::session(&mut kit, &auth::bearer(1));
    let with = |bearer: &str| {
        let fields = [("Authorization", bearer)];
        session.post(&fields, &request("1"))
    };
    let mut next = after(&kit, &auth::settings(), 6);
    next.clients.set_keys(&mut next.world.cx(), auth::keys(&[]));
    let (_, told, answer) = next.ask_http(&with(&auth::bearer(2)));
    assert_eq!((answer.status, told.len()), (404, 0));
    let fields = [("Authorization", &*auth::bearer(2))];
    let (_, _, answer) = next.ask_http(&session.http("DELETE", &fields, ""));
    assert_eq!(answer.status, 404);
    let (_, told, _) = next.ask_http(&with(&auth::bearer(1)));
    assert!(is_restored(&told));
    // Revoked: the token is refused before anybody looks at the session.
    let mut last = after(&kit, &auth::settings(), 7);
    last.clients
        .set_keys(&mut last.world.cx(), auth::keys(&[1]));
    let (_, told, answer) = last.ask_http(&with(&auth::bearer(1)));
    assert_eq!((answer.status, told.len()), (401, 0));
    // And it is nobody's without tokens, as one without is nobody's with them.
    let mut open = after(&kit, &Settings::default(), 8);
    assert_eq!(use_it(&mut open, &session).0, 404);
    let plain = open.session(Version::V2025_06_18);
    let mut closed = after(&open, &auth::settings(), 9);
    closed
        .clients
        .set_keys(&mut closed.world.cx(), auth::keys(&[]));
    let fields = [("Authorization", &*auth::bearer(1))];
    let (_, _, answer) = closed.ask_http(&plain.post(&fields, &request("1")));
    assert_eq!(answer.status, 404);
}

#[test]
fn c9_an_event_id_of_another_run_opens_a_fresh_stream() {
    let mut kit = first();
    let session = kit.session(Version::V2025_11_25);
    let stream = kit.get(&session, &[]);
    kit.tell(session.client, NOTE);
    let call = kit.call(&session, &[], "1");
    kit.note(call.client, call.at, NOTE);
    let seen = [stream, call.link].map(|link| {
        let answer = Answer::read(&kit.take_bytes(link));
        let last = events(&answer.body).pop().unwrap();
        last.0
    });
    for last in seen
        .iter()
        .map(String::as_str)
        .chain(["1-0", "2-1", "0-0", "x"])
    {
        let mut kit = restart(&kit);
        // The same numbers as before would be given again now, but for others.
        let (_, told, _) = kit.ask_http(&session.post(&[], &request("1")));
        let (client, at, _) = told[1].request();
        kit.note(client, at, r#"{"secret":1}"#);
        kit.tell(client, r#"{"waits":1}"#);
        let stream = kit.get(&session, &[("Last-Event-ID", last)]);
        let answer = Answer::read(&kit.take_bytes(stream));
        assert_eq!(answer.status, 200, "{last}");
        assert!(answer.body.contains("waits") && !answer.body.contains("secret"));
        // Its own ids are good from here on.
        let own = events(&answer.body).pop().unwrap().0;
        kit.broken(stream);
        kit.tell(client, r#"{"later":1}"#);
        let stream = kit.get(&session, &[("Last-Event-ID", &own)]);
        let again = Answer::read(&kit.take_bytes(stream));
        assert!(again.body.contains("later") && !again.body.contains("waits"));
    }
}

#[test]
fn c9_an_answer_can_be_resumed_in_a_session_of_another_run() {
    let mut kit = first();
    let session = kit.session(Version::V2025_11_25);
    let mut kit = restart(&kit);
    let (link, told, _) = kit.ask_http(&session.post(&[], &request("1")));
    let (client, at, _) = told[1].request();
    kit.note(client, at, NOTE);
    let last = events(&Answer::read(&kit.take_bytes(link)).body)
        .pop()
        .unwrap()
        .0;
    kit.broken(link);
    kit.answer(client, at, RESULT);
    let link = kit.get(&session, &[("Last-Event-ID", &last)]);
    let answer = Answer::read(&kit.take_bytes(link));
    assert_eq!(events(&answer.body).pop().unwrap().1, RESULT);
}

#[test]
fn contract_5_two_copies_serve_the_same_sessions() {
    let _reached = must_hit(Mark::SessionEndedElsewhere);
    // Both begin at the same moment, and neither knows a key.
    let (mut one, mut two) = (first(), Kit::seeded(&Settings::default(), 6));
    two.world.now.wall = one.world.now.wall;
    let of_one = one.session(Version::V2025_06_18);
    // The second finds the key of the first under the lock, and puts its own beside it.
    two.record.clone_from(&one.record);
    let of_two = two.session(Version::V2025_11_25);
    one.record.clone_from(&two.record);
    tell(&mut one);
    assert!(goes_on(&mut two, &of_one) && goes_on(&mut one, &of_two));
    assert_eq!(
        (use_it(&mut one, &of_one).0, use_it(&mut two, &of_two).0),
        (0, 0)
    );
    // What one ends is over at the other, wherever it was opened.
    let third = two.session(Version::V2025_06_18);
    assert!(goes_on(&mut one, &third));
    assert_eq!(delete(&mut one, &third), 204);
    assert_eq!(delete(&mut one, &of_one), 204);
    two.record.clone_from(&one.record);
    let told = tell(&mut two);
    let gone = |told: &[Told]| {
        let gone = |one: &&Told| matches!(one.event, ClientEvent::Gone { .. });
        told.iter().filter(gone).count()
    };
    assert_eq!(gone(&told), 2);
    assert_eq!(
        (use_it(&mut two, &third).0, use_it(&mut two, &of_one).0),
        (404, 404)
    );
    assert_eq!(use_it(&mut two, &of_two).0, 0);
    // One ends the session of the other while the other has it in use.
    assert_eq!(delete(&mut one, &of_two), 204);
    two.record.clone_from(&one.record);
    assert_eq!(gone(&tell(&mut two)), 1);
    // Nothing of that comes back.
    let mut last = after(&two, &Settings::default(), 7);
    let all = [&of_one, &of_two, &third];
    assert!(all.iter().all(|session| !goes_on(&mut last, session)));
}

#[test]
fn x10_sessions_of_other_runs_need_room_as_new_ones_do() {
    let mut kit = auth::open();
    let bearer = auth::bearer(1);
    let session = auth::session(&mut kit, &bearer);
    let mut next = after(&kit, &auth::settings(), 6);
    next.clients.set_keys(&mut next.world.cx(), auth::keys(&[]));
    for _ in 0..crate::limits::SESSIONS_PER_GRANT_MAX {
        auth::session(&mut next, &bearer);
    }
    let fields = [("Authorization", &*bearer)];
    let full = session.post(&fields, &request("1"));
    let (_, told, answer) = next.ask_http(&full);
    assert_eq!((answer.status, told.len()), (429, 0));
    next.world.now.tick.0 += crate::limits::SESSION_SPARE_MS;
    let (_, told, _) = next.ask_http(&full);
    // The oldest has made room.
    assert!(matches!(told[0].event, ClientEvent::Gone { .. }));
    assert!(is_restored(&told[1..]));
}

#[test]
fn contract_5_questions_reach_a_client_that_was_asked_nothing_by_this_run() {
    let mut kit = first();
    let session = kit.session(Version::V2025_06_18);
    let mut kit = restart(&kit);
    let (_, told) = use_it(&mut kit, &session);
    let (client, ..) = told[1].request();
    let stream = kit.get(&session, &[]);
    kit.take(stream);
    assert!(kit.ask(client, At::MAIN, ASK));
    assert!(kit.take(stream).contains(ASK));
}
