//! The record of sessions and the disk below it: what is written when, and what it costs if it is
//! not.

use super::kit::*;
use super::resume::*;
use crate::base::mark::{Mark, must_hit};
use crate::limits::{SESSION_ALIVE_MS, SESSION_END_MS_MAX, SESSION_NEWS_MS, SESSION_RETRY_MS};
use crate::mcp::version::Version;
use crate::settings::Settings;

#[test]
fn contract_5_the_key_is_written_before_the_first_session_and_once() {
    let mut kit = first();
    let link = kit.connect();
    kit.pull();
    assert_eq!(kit.writes, 1);
    kit.broken(link);
    kit.session(Version::V2025_06_18);
    assert_eq!(kit.writes, 1, "opening a session writes nothing");
    let mut next = restart(&kit);
    next.session(Version::V2025_06_18);
    assert_eq!((next.writes, &next.record), (0, &kit.record));
}

#[test]
fn contract_5_an_idle_process_is_woken_once_an_hour_and_only_with_sessions() {
    let _reached = must_hit(Mark::SessionsAlive);
    let mut kit = first();
    let session = kit.session(Version::V2025_06_18);
    let writes = kit.writes;
    wait(&mut kit, SESSION_ALIVE_MS / 1_000 - 1);
    assert_eq!(kit.writes, writes);
    wait(&mut kit, 1);
    assert_eq!(kit.writes, writes + 1);
    assert_eq!(delete(&mut kit, &session), 204);
    assert!(kit.world.timers.is_empty());
}

#[test]
fn contract_5_many_ends_are_one_write() {
    let mut kit = first();
    let sessions: Vec<Session> = (0..20).map(|_| kit.session(Version::V2025_06_18)).collect();
    kit.disk = Disk::Hangs;
    let links: Vec<_> = sessions
        .iter()
        .map(|one| kit.ask_http(&one.http("DELETE", &[], "")).0)
        .collect();
    let (writes, status) = (kit.writes, |kit: &mut Kit, link| {
        Answer::read(&kit.take_bytes(link)).status
    });
    assert!(links.iter().all(|link| status(&mut kit, *link) == 0));
    kit.disk = Disk::Works;
    kit.pull();
    assert!(links.iter().all(|link| status(&mut kit, *link) == 204));
    assert_eq!(kit.writes, writes + 1);
    let record = String::from_utf8(kit.record.clone().unwrap()).unwrap();
    assert!(record.contains(r#""ended":[[0,19]]"#), "{record}");
}

#[test]
fn contract_5_who_ends_a_session_does_not_wait_for_a_disk_for_ever() {
    let _reached = must_hit(Mark::SessionEndImpatient);
    let mut kit = first();
    let (session, other) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_06_18),
    );
    kit.disk = Disk::Hangs;
    let (link, _, answer) = kit.ask_http(&session.http("DELETE", &[], ""));
    assert_eq!(answer.status, 0);
    assert_eq!(use_it(&mut kit, &session).0, 404, "here it is over at once");
    kit.wait(SESSION_END_MS_MAX - 1);
    assert_eq!(kit.take(link), "");
    kit.wait(1);
    assert_eq!(Answer::read(&kit.take_bytes(link)).status, 204);
    // The same if the disk hangs later, and again when it works at last.
    let (link, _, _) = kit.ask_http(&other.http("DELETE", &[], ""));
    kit.wait(SESSION_END_MS_MAX);
    assert_eq!(Answer::read(&kit.take_bytes(link)).status, 204);
    kit.disk = Disk::Works;
    kit.pull();
    let mut next = restart(&kit);
    assert!(!goes_on(&mut next, &session) && !goes_on(&mut next, &other));
}

#[test]
fn contract_5_a_disk_that_refuses_costs_what_the_record_is_for() {
    let _reached = must_hit(Mark::SessionsUnsaved);
    for disk in [Disk::Locked, Disk::Full] {
        let mut kit = first();
        kit.disk = disk;
        let session = kit.session(Version::V2025_06_18);
        assert_eq!(use_it(&mut kit, &session).0, 0);
        assert_eq!(delete(&mut kit, &session), 204);
        assert_eq!(use_it(&mut kit, &session).0, 404);
        let other = kit.session(Version::V2025_06_18);
        assert_eq!(
            use_it(&mut restart(&kit), &other).0,
            404,
            "it ended with us"
        );
        // Left alone for a while, then all that was missed is written.
        kit.disk = Disk::Works;
        assert_eq!((delete(&mut kit, &other), kit.writes), (204, 0));
        wait(&mut kit, SESSION_RETRY_MS / 1_000);
        assert_eq!(kit.writes, 1);
        let last = kit.session(Version::V2025_06_18);
        let gone = kit.session(Version::V2025_06_18);
        assert_eq!((delete(&mut kit, &gone), kit.writes), (204, 2));
        let mut next = restart(&kit);
        assert!(goes_on(&mut next, &last) && !goes_on(&mut next, &other));
    }
}

#[test]
fn contract_5_a_write_that_fails_leaves_all_for_the_next_one() {
    // The n-th write fails, for every n; nothing that was ended comes back once one has worked.
    for fails in 0..4 {
        let mut kit = first();
        let mut ended = Vec::new();
        let kept = kit.session(Version::V2025_06_18);
        for n in 0..4 {
            kit.disk = if n == fails { Disk::Full } else { Disk::Works };
            let session = kit.session(Version::V2025_06_18);
            assert_eq!(delete(&mut kit, &session), 204);
            ended.push(session);
            wait(&mut kit, SESSION_RETRY_MS / 1_000);
        }
        kit.disk = Disk::Works;
        // It was tried again once, and failed; the second pause is twice as long.
        wait(&mut kit, 2 * SESSION_RETRY_MS / 1_000);
        let session = kit.session(Version::V2025_06_18);
        assert_eq!(delete(&mut kit, &session), 204);
        let mut next = restart(&kit);
        assert!(ended.iter().all(|one| !goes_on(&mut next, one)), "{fails}");
        assert!(goes_on(&mut next, &kept));
    }
}

#[test]
fn contract_5_a_record_that_is_gone_is_written_anew() {
    let mut kit = first();
    let (session, other) = (
        kit.session(Version::V2025_06_18),
        kit.session(Version::V2025_06_18),
    );
    kit.record = None;
    tell(&mut kit);
    assert_eq!(use_it(&mut kit, &session).0, 0);
    assert_eq!(delete(&mut kit, &other), 204);
    let mut next = restart(&kit);
    assert!(goes_on(&mut next, &session) && !goes_on(&mut next, &other));
}

#[test]
fn contract_5_a_record_of_a_newer_version_is_left_alone_and_one_that_says_nothing_is_not() {
    let newer = br#"{"version":2}"#.to_vec();
    for (found, stays) in [(newer, true), (b"{\"version\":1,".to_vec(), false)] {
        let mut kit = first();
        kit.record = Some(found.clone());
        tell(&mut kit);
        let session = kit.session(Version::V2025_06_18);
        assert_eq!(use_it(&mut kit, &session).0, 0);
        assert_eq!(kit.record == Some(found), stays);
        assert_eq!(goes_on(&mut restart(&kit), &session), !stays);
    }
}

#[test]
fn contract_5_short_sessions_do_not_last_for_hours_after_a_crash() {
    let settings = Settings {
        session_idle_ms: 20 * 60_000,
        ..Settings::default()
    };
    let mut kit = Kit::with(&settings);
    kit.world.now.wall.0 = NOW;
    let session = kit.session(Version::V2025_06_18);
    for _ in 0..4 {
        wait(&mut kit, 10 * 60);
        assert_eq!(use_it(&mut kit, &session).0, 0);
    }
    // That it is used again was written within seconds.
    wait(&mut kit, SESSION_NEWS_MS / 1_000);
    for (minutes, lives) in [(19, true), (26, false)] {
        let mut next = after(&kit, &settings, 6);
        wait(&mut next, minutes * 60);
        assert_eq!(goes_on(&mut next, &session), lives, "{minutes}");
    }
}
