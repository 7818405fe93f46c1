//! Sessions that survive for long: many runs one after another, copies that forget, processes with
//! other settings, and what is known after a crash.

use super::kit::*;
use super::resume::*;
use crate::limits::SESSION_NEWS_MS;
use crate::mcp::version::Version;
use crate::settings::Settings;

/// Both copies know what the other has written.
fn share(from: &Kit, to: &mut Kit) {
    to.record.clone_from(&from.record);
    tell(to);
}

#[test]
fn contract_5_a_session_in_use_in_one_copy_outlives_its_rest_in_the_copy_that_opened_it() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    let mut b = restart(&a);
    assert!(goes_on(&mut b, &session));
    for _ in 0..26 {
        wait(&mut b, HOUR);
        assert_eq!(use_it(&mut b, &session).0, 0);
        share(&b, &mut a);
        wait(&mut a, HOUR);
        share(&a, &mut b);
    }
    // There it rests no more, but is known: its client may come back to it, and end it.
    assert_eq!(a.clients.count().sessions, 0);
    assert!(goes_on(&mut a, &session));
    assert_eq!(delete(&mut a, &session), 204);
    share(&a, &mut b);
    assert_eq!(use_it(&mut b, &session).0, 404);
    assert_eq!(use_it(&mut a, &session).0, 404);
}

#[test]
fn contract_5_a_session_that_no_copy_uses_ends_in_all() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    let mut b = restart(&a);
    assert!(goes_on(&mut b, &session));
    wait(&mut b, SESSION_NEWS_MS / 1_000);
    share(&b, &mut a);
    wait(&mut b, DAY);
    wait(&mut a, DAY + HOUR);
    assert_eq!(use_it(&mut a, &session).0, 404);
    let mut c = after(&a, &Settings::default(), 8);
    assert_eq!(use_it(&mut c, &session).0, 404);
}

#[test]
fn contract_5_a_deleted_session_stays_deleted_whatever_ttl_another_process_has() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    assert_eq!(delete(&mut a, &session), 204);
    let short = Settings {
        session_idle_ms: 60_000,
        ..Settings::default()
    };
    a.world.now.wall.0 += 2 * HOUR;
    let mut b = after(&a, &short, 9);
    b.session(Version::V2025_06_18);
    wait(&mut b, 120);
    let mut c = after(&b, &Settings::default(), 10);
    assert_eq!(use_it(&mut c, &session).0, 404);
}

#[test]
fn contract_5_a_session_unused_for_hours_before_a_crash_does_not_last_twice_as_long() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    let busy = a.session(Version::V2025_06_18);
    for _ in 0..23 {
        wait(&mut a, HOUR);
        use_it(&mut a, &busy);
    }
    for (seconds, lives) in [(HOUR - 1, true), (2 * HOUR, false), (23 * HOUR, false)] {
        let mut b = restart(&a);
        wait(&mut b, seconds);
        assert_eq!(goes_on(&mut b, &session), lives, "{seconds}");
        assert!(goes_on(&mut b, &busy));
    }
    // It is used again at the last moment, and the crash comes a moment later.
    assert_eq!(use_it(&mut a, &session).0, 0);
    wait(&mut a, SESSION_NEWS_MS / 1_000);
    let mut b = restart(&a);
    wait(&mut b, 23 * HOUR);
    assert!(goes_on(&mut b, &session));
}

#[test]
fn contract_5_a_stream_is_use_until_the_last_moment() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    a.get(&session, &[]);
    wait(&mut a, DAY + HOUR);
    a.clients.stop(&mut a.world.cx());
    a.pull();
    let mut b = restart(&a);
    wait(&mut b, DAY - 1);
    assert!(goes_on(&mut b, &session));
}

#[test]
fn contract_5_a_session_in_use_is_not_forgotten_for_runs_that_are_over() {
    let mut kit = first();
    let session = kit.session(Version::V2025_06_18);
    for n in 0..120_u8 {
        kit = after(&kit, &Settings::default(), n.wrapping_add(10));
        let scratch = kit.session(Version::V2025_06_18);
        assert_eq!(use_it(&mut kit, &session).0, 0, "run {n}");
        wait(&mut kit, HOUR / 3);
        assert_eq!(use_it(&mut kit, &session).0, 0, "run {n}");
        assert_eq!(delete(&mut kit, &scratch), 204);
    }
    for n in 0..70_u8 {
        kit = after(&kit, &Settings::default(), n.wrapping_add(140));
        kit.session(Version::V2025_06_18);
        assert_eq!(use_it(&mut kit, &session).0, 0, "run {n}");
        wait(&mut kit, HOUR);
        use_it(&mut kit, &session);
        wait(&mut kit, 1);
    }
}

#[test]
fn contract_5_a_delete_that_met_a_full_disk_is_written_when_there_is_room() {
    for disk in [Disk::Full, Disk::Locked] {
        let mut a = first();
        let session = a.session(Version::V2025_06_18);
        a.disk = disk;
        assert_eq!(delete(&mut a, &session), 204);
        wait(&mut a, HOUR);
        a.disk = Disk::Works;
        wait(&mut a, HOUR);
        assert!(a.world.timers.is_empty());
        assert_eq!(use_it(&mut restart(&a), &session).0, 404);
    }
}

#[test]
fn contract_5_keys_that_are_known_are_written_again() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    let mut b = restart(&a);
    assert!(goes_on(&mut b, &session));
    // The state directory may be deleted at any time.
    b.record = None;
    wait(&mut b, HOUR);
    assert!(goes_on(&mut restart(&b), &session));
}

#[test]
fn contract_4_a_preset_that_went_with_a_restart_shows_nothing_to_sessions_that_ask_for_it() {
    let mut a = first();
    let session = a.session(Version::V2025_06_18);
    let gone = |session: &Session| {
        let text = session.post(&[], &request("1"));
        text.replacen("/mcp ", "/mcp?preset=gone ", 1)
    };
    let mut b = restart(&a);
    let (_, told, answer) = b.ask_http(&gone(&session));
    assert_eq!((answer.status, told.len()), (0, 2));
    let (client, ..) = told[1].request();
    assert_eq!(b.sees(client), "");
    // A name that nobody has sealed is no session that may have asked before.
    let other = Session {
        client: session.client,
        id: session.id.replace(char::is_lowercase, "x"),
    };
    let (_, _, answer) = b.ask_http(&gone(&other));
    assert_eq!(answer.status, 400);
}

#[test]
fn contract_5_short_sessions_are_told_of_four_times_in_their_life() {
    let short = Settings {
        session_idle_ms: 20 * 60_000,
        ..Settings::default()
    };
    let mut kit = Kit::seeded(&short, 9);
    kit.world.now.wall.0 = NOW;
    let session = kit.session(Version::V2025_06_18);
    let writes = kit.writes;
    for _ in 0..60 {
        wait(&mut kit, 60);
        use_it(&mut kit, &session);
    }
    assert_eq!(kit.writes, writes + 12);
}
