//! Servers that go down, come back, are given up, are stopped.

use super::*;
use crate::base::mark::{Mark, must_hit};
use crate::limits::{
    EXIT_KILL_AFTER_MS, EXIT_TERM_AFTER_MS, STABLE_MS, STOP_KILL_AFTER_MS, STOP_TERM_AFTER_MS,
};

#[test]
fn contract_7_a_crash_is_told_after_the_answers_that_were_in_the_pipe() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.pass(200);
    bench.input(|backends, cx| backends.stderr(cx, pool, b"one\nfatal: \x1bdisk full"));
    bench.exited(pool, 3);
    assert_eq!(bench.told(), ["[files] one", "Term"]);
    assert_eq!(bench.send(pool, &["{}".into()]), Err(Refused::NotReady));
    // The last one even lacks its line end.
    bench.receive(link, &format!("{}\n", answer("1")));
    bench.receive(link, &answer("2"));
    bench.eof(link);
    let told = bench.told();
    assert_eq!(told[0], format!("response 1 of 0: {}", answer("1")));
    let why = "exited with exit code 3 after 0.2 s; stderr: fatal: \\u{1b}disk full";
    assert_eq!(
        told[1..4],
        ["Kill", "close 0", "[files] fatal: \\u{1b}disk full"]
    );
    assert!(told[4].starts_with(&format!("server=files down why=\"{why}\" next try in=")));
    assert_eq!(
        told[5..],
        [
            format!("response 2 of 0: {}", answer("2")),
            "Down 0".to_owned()
        ]
    );
    let PoolState::Restarting {
        in_ms,
        why: told_why,
    } = bench.state(pool)
    else {
        panic!("{:?}", bench.state(pool));
    };
    assert_eq!(told_why, why);
    assert!((750..=1250).contains(&in_ms), "{in_ms}");
    // What it said of itself stays known, and its last lines too.
    assert!(bench.backends.hello(pool).is_some());
    let facts = bench.backends.facts(pool).unwrap();
    assert_eq!(
        facts.stderr().collect::<Vec<_>>(),
        ["one", "fatal: \\u{1b}disk full"]
    );
    assert_eq!((facts.pid, facts.last_error), (None, Some(why)));
}

#[test]
fn contract_7_after_the_pause_it_is_started_again() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.exited(pool, 1);
    bench.eof(link);
    bench.told();
    bench.pass(749);
    assert!(bench.told().is_empty());
    bench.pass(501);
    assert_eq!(bench.told(), ["spawn 0"]);
    let next = bench.spawned(pool);
    // A late word of the earlier child changes nothing.
    bench.receive(link, HELLO);
    bench.eof(link);
    assert_eq!(bench.state(pool), PoolState::Starting);
    bench.receive(next, HELLO);
    assert_eq!(bench.told(), ["server=files ready in=0ms", "Ready 0"]);
    assert_eq!(bench.backends.facts(pool).unwrap().restarts, 1);
}

#[test]
fn pauses_grow_while_it_crashes_and_start_anew_after_a_stable_run() {
    let mut bench = Bench::new();
    let pool = bench.start(spec());
    let crash = |bench: &mut Bench, served_ms| {
        let link = bench.spawned(pool);
        bench.receive(link, HELLO);
        bench.pass(served_ms);
        bench.exited(pool, 1);
        bench.eof(link);
        let PoolState::Restarting { in_ms, .. } = bench.state(pool) else {
            panic!("{:?}", bench.state(pool));
        };
        bench.pass(in_ms);
        in_ms
    };
    let pauses: Vec<u64> = (0..8).map(|_| crash(&mut bench, 10)).collect();
    assert!(
        pauses[5] > 20 * pauses[0] && pauses[7] <= 75_000,
        "{pauses:?}"
    );
    assert!(crash(&mut bench, STABLE_MS) <= 1250);
}

#[test]
fn a_server_that_cannot_be_spawned_is_tried_again_until_it_is_given_up() {
    let mut bench = Bench::new();
    let pool = bench.start(PoolSpec {
        restarts_max: 1,
        ..spec()
    });
    let why = "cannot run server-files: not found in PATH";
    bench.input(|backends, cx| backends.spawn_failed(cx, pool, why.into()));
    assert_eq!(bench.told().last().unwrap(), "Down 0");
    bench.pass(1250);
    assert_eq!(bench.told(), ["spawn 0"]);
    bench.input(|backends, cx| backends.spawn_failed(cx, pool, why.into()));
    assert_eq!(
        bench.told(),
        [
            format!("server=files failed why=\"{why}\""),
            "Down 0".into()
        ]
    );
    assert_eq!(bench.state(pool), PoolState::Failed { why: why.into() });
    // A second answer for the same order is none.
    bench.input(|backends, cx| backends.spawn_failed(cx, pool, why.into()));
    assert!(bench.told().is_empty());
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    assert_eq!(bench.told(), ["spawn 0"]);
}

#[test]
fn retry_now_skips_the_pause_and_is_nothing_while_it_serves() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    assert!(bench.told().is_empty());
    bench.exited(pool, 1);
    bench.eof(link);
    bench.told();
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    bench.pass(60_000);
    assert_eq!(bench.told(), ["spawn 0"]);
}

#[test]
fn contract_2_other_rules_apply_at_once_and_leave_what_serves_alone() {
    let mut bench = Bench::new();
    let never = PoolSpec {
        restart: false,
        ..spec()
    };
    let (pool, link) = bench.ready();
    bench.input(|backends, cx| backends.update(cx, pool, never));
    assert!(bench.told().is_empty());
    bench.exited(pool, 1);
    bench.eof(link);
    assert!(matches!(bench.state(pool), PoolState::Failed { .. }));
    bench.told();
    bench.input(|backends, cx| backends.update(cx, pool, spec()));
    assert_eq!(bench.told(), ["spawn 0"]);
}

#[test]
fn without_restart_the_first_end_is_the_last() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready_with(PoolSpec {
        restart: false,
        ..spec()
    });
    bench.input(|backends, cx| backends.exited(cx, pool, ExitStatus::Signal(11)));
    bench.eof(link);
    bench.pass(1_000_000);
    let why = "was killed by signal 11 after 0.0 s".to_owned();
    assert_eq!(bench.state(pool), PoolState::Failed { why });
    assert_eq!(bench.told().last().unwrap(), "Down 0");
    assert_eq!(bench.world.timers.len(), 0);
}

#[test]
fn a_child_that_closes_its_output_and_lives_on_is_ended() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.receive(link, "{\"jsonrpc\":");
    bench.eof(link);
    assert_eq!(bench.send(pool, &["{}".into()]), Err(Refused::NotReady));
    bench.told();
    bench.pass(EXIT_TERM_AFTER_MS);
    assert_eq!(bench.told(), ["Term"]);
    bench.exited(pool, 0);
    let told = bench.told();
    assert!(
        told[2].contains("why=\"closed its output after 0.0 s\""),
        "{told:?}"
    );
    assert_eq!(told.last().unwrap(), "Down 0");
}

#[test]
fn a_child_whose_grandchild_holds_the_pipe_is_given_up_in_the_end() {
    let mut bench = Bench::new();
    let (pool, _) = bench.ready();
    bench.exited(pool, 0);
    bench.pass(STOP_KILL_AFTER_MS);
    bench.pass(STOP_KILL_AFTER_MS);
    let told = bench.told();
    assert_eq!(told[..4], ["Term", "Kill", "Kill", "close 0"]);
    assert_eq!(told.last().unwrap(), "Down 0");
}

#[test]
fn a_child_that_survives_sigkill_is_not_joined_by_a_second_one() {
    let _reached = must_hit(Mark::ChildSurvivesKill);
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.eof(link);
    for _ in 0..3 {
        bench.pass(EXIT_KILL_AFTER_MS);
    }
    let PoolState::Failed { why } = bench.state(pool) else {
        panic!("{:?}", bench.state(pool));
    };
    assert!(
        why.ends_with("it does not end, not even by SIGKILL"),
        "{why}"
    );
    bench.told();
    bench.exited(pool, 0);
    bench.pass(1_000_000);
    assert!(bench.told().is_empty());
}

#[test]
fn a_broken_pipe_takes_the_server_down() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.input(|backends, cx| backends.broken(cx, link));
    assert_eq!(bench.world.links.count(), 0);
    bench.exited(pool, 0);
    assert_eq!(bench.told().last().unwrap(), "Down 0");
}

#[test]
fn contract_7_stopping_is_staged_and_only_ended_is_told() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.input(|backends, cx| backends.stop(cx, pool));
    assert_eq!(bench.state(pool), PoolState::Stopping);
    assert!(bench.world.links.wrote(link, 0), "stdin is closed");
    // What it still says interests nobody, and stopping twice is stopping once.
    bench.receive(link, &format!("{}\n", answer("1")));
    bench.input(|backends, cx| backends.stop(cx, pool));
    bench.pass(STOP_TERM_AFTER_MS);
    bench.pass(STOP_KILL_AFTER_MS);
    assert_eq!(bench.told(), ["Term", "Kill"]);
    bench.eof(link);
    bench.input(|backends, cx| backends.exited(cx, pool, ExitStatus::Signal(9)));
    assert_eq!(
        bench.told(),
        ["Kill", "close 0", "server=files stopped", "Ended 0"]
    );
    bench.assert_empty();
    assert_eq!(bench.state(pool), PoolState::Stopping);
}

#[test]
fn stop_all_is_quicker_and_overtakes_a_calm_stop() {
    let mut bench = Bench::new();
    let (calm, _) = bench.ready();
    let (quick, _) = bench.ready();
    let waiting = bench.start(spec());
    bench.input(|backends, cx| backends.stop(cx, calm));
    bench.told();
    bench.input(Backends::stop_all);
    bench.pass(EXIT_TERM_AFTER_MS);
    assert_eq!(bench.told(), ["Term", "Term"]);
    bench.pass(EXIT_KILL_AFTER_MS);
    assert_eq!(bench.told(), ["Kill", "Kill"]);
    // The shell's answer for the one that was just being spawned comes last.
    let late = bench.spawned(waiting);
    assert!(
        bench
            .world
            .links
            .wrote(late, bench.world.links.unsent(late))
    );
    for (pool, link) in [(calm, 0), (quick, 1), (waiting, 2)] {
        let link = LinkKey(Key {
            index: link,
            generation: 0,
        });
        bench.exited(pool, 0);
        bench.eof(link);
    }
    bench.assert_empty();
}

#[test]
fn a_stop_during_the_pause_or_after_giving_up_ends_at_once() {
    let mut bench = Bench::new();
    for restart in [true, false] {
        let (pool, link) = bench.ready_with(PoolSpec { restart, ..spec() });
        bench.exited(pool, 1);
        bench.eof(link);
        bench.told();
        bench.input(|backends, cx| backends.stop(cx, pool));
        assert_eq!(bench.told(), ["server=files stopped", "Ended 0"]);
        bench.assert_empty();
    }
}

#[test]
fn a_child_that_comes_after_its_session_is_gone_is_killed() {
    let _reached = must_hit(Mark::SpawnForNobody);
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    bench.input(|backends, cx| backends.stop(cx, pool));
    bench.exited(pool, 0);
    bench.eof(link);
    bench.told();
    bench.spawned(pool);
    assert_eq!(bench.told(), ["Kill", "close 1"]);
    bench.exited(pool, 0);
    bench.input(|backends, cx| backends.alarm(cx, pool));
    bench.input(|backends, cx| backends.stderr(cx, pool, b"x\n"));
    bench.assert_empty();
}
