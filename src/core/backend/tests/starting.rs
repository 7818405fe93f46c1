//! Servers that come up, or do not.

use super::*;
use crate::limits::{CONNECT_STDIO_MS, EXIT_KILL_AFTER_MS, EXIT_TERM_AFTER_MS, STARTING_PLACE_MS};
use crate::mcp::version::Version;

#[test]
fn f4_a_server_comes_up_by_initialize_and_initialized() {
    let mut bench = Bench::new();
    let pool = bench.start(spec());
    assert_eq!(bench.told(), ["spawn 0"]);
    assert_eq!(bench.state(pool), PoolState::Starting);
    let link = bench.spawned(pool);
    let asked = bench.sent(link);
    assert!(asked.starts_with("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\""));
    assert!(asked.ends_with("}\n") && asked.matches('\n').count() == 1);
    bench.pass(412);
    bench.receive(link, HELLO);
    assert_eq!(bench.told(), ["server=files ready in=412ms", "Ready 0"]);
    assert_eq!(bench.sent(link), format!("{}\n", handshake::INITIALIZED));
    let hello = bench.backends.hello(pool).unwrap();
    assert_eq!(hello.version, Version::V2025_06_18);
    assert!(hello.capabilities.tools);
    let facts = bench.backends.facts(pool).unwrap();
    assert_eq!(
        (facts.pid, facts.restarts, facts.last_error),
        (Some(101), 0, None)
    );
    assert_eq!(facts.ready_since, Some(bench.world.now.tick));
}

#[test]
fn f4_a_handshake_is_read_split_at_every_byte_with_what_follows_it() {
    let text = format!(
        "npm warn deprecated\n{{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"method\":\"ping\"}}\n\
         {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{}}}}\n\
         {{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"roots/list\"}}\n\
         {HELLO}{}\n{}\n",
        answer("1"),
        answer("0"),
    );
    for at in 0..=text.len() {
        let mut bench = Bench::new();
        let pool = bench.start(spec());
        let link = bench.spawned(pool);
        bench.sent(link);
        bench.receive(link, &text[..at]);
        bench.receive(link, &text[at..]);
        let told: Vec<String> = bench
            .told()
            .into_iter()
            .filter(|told| told.contains('0'))
            .collect();
        assert!(told.contains(&"Ready 0".to_owned()), "{at}: {told:?}");
        assert_eq!(
            told.last(),
            Some(&format!("response 1 of 0: {}", answer("1"))),
            "{at}"
        );
        let sent = bench.sent(link);
        let lines: Vec<&str> = sent.lines().collect();
        assert_eq!(
            lines[0],
            "{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"result\":{}}"
        );
        assert!(
            lines[1].contains("\"id\":8") && lines[1].contains("-32601"),
            "{}",
            lines[1]
        );
        assert_eq!(lines[2..], [handshake::INITIALIZED]);
    }
}

#[test]
fn f4_a_server_that_lists_other_revisions_is_asked_again() {
    let mut bench = Bench::new();
    let pool = bench.start(spec());
    let link = bench.spawned(pool);
    bench.sent(link);
    bench.receive(
        link,
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32602,\"message\":\"no\",\
         \"data\":{\"supported\":[\"2024-11-05\"]}}}\n",
    );
    assert!(
        bench
            .sent(link)
            .contains("\"protocolVersion\":\"2024-11-05\"")
    );
    assert_eq!(bench.state(pool), PoolState::Starting);
    bench.receive(link, HELLO);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn a_server_that_refuses_the_handshake_is_ended_and_tried_again() {
    let mut bench = Bench::new();
    let pool = bench.start(spec());
    let link = bench.spawned(pool);
    bench.input(|backends, cx| backends.stderr(cx, pool, b"set API_KEY\n"));
    bench.receive(
        link,
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"message\":\"nope\"}}\n",
    );
    bench.told();
    bench.eof(link);
    bench.exited(pool, 1);
    let PoolState::Restarting { why, .. } = bench.state(pool) else {
        panic!("{:?}", bench.state(pool));
    };
    assert_eq!(
        why,
        "refused the handshake: nope (code none); stderr: set API_KEY"
    );
    assert_eq!(bench.told().last().unwrap(), "Down 0");
}

#[test]
fn a_slow_first_start_is_no_failure_before_the_connect_timeout() {
    let mut bench = Bench::new();
    let pool = bench.start(spec());
    let link = bench.spawned(pool);
    bench.told();
    bench.pass(CONNECT_STDIO_MS - 1);
    assert_eq!(
        (bench.state(pool), bench.told().len()),
        (PoolState::Starting, 0)
    );
    bench.pass(1);
    assert!(bench.told().is_empty());
    bench.pass(EXIT_TERM_AFTER_MS);
    bench.pass(EXIT_KILL_AFTER_MS);
    assert_eq!(bench.told(), ["Term", "Kill"]);
    // An answer that comes now is too late.
    bench.receive(link, HELLO);
    bench.eof(link);
    bench.exited(pool, 0);
    let told = bench.told();
    assert_eq!(told.last().unwrap(), "Down 0");
    let why = "did not finish its handshake within 120 s";
    assert!(
        told.iter()
            .any(|line| line.contains(&format!("why=\"{why}\" next try in=")))
    );
    assert_eq!(bench.backends.facts(pool).unwrap().last_error, Some(why));
}

#[test]
fn contract_7_at_most_four_servers_start_at_once_and_the_others_follow_in_order() {
    let mut bench = Bench::new();
    let pools: Vec<PoolKey> = (0..7).map(|_| bench.start(spec())).collect();
    assert_eq!(bench.told(), ["spawn 0", "spawn 1", "spawn 2", "spawn 3"]);
    let links: Vec<LinkKey> = pools[..4].iter().map(|pool| bench.spawned(*pool)).collect();
    assert!(bench.told().is_empty());
    // One comes up, one fails, one is stopped: each lets the next one in.
    bench.receive(links[2], HELLO);
    assert_eq!(bench.told()[0], "server=files ready in=0ms");
    bench.exited(pools[0], 1);
    bench.eof(links[0]);
    assert!(bench.told().contains(&"spawn 5".to_owned()));
    bench.input(|backends, cx| backends.stop(cx, pools[1]));
    assert_eq!(bench.told(), ["spawn 6"]);
}

#[test]
fn four_servers_that_hang_do_not_hold_the_fifth_up_for_ever() {
    let mut bench = Bench::new();
    let pools: Vec<PoolKey> = (0..5).map(|_| bench.start(spec())).collect();
    for pool in &pools[..4] {
        bench.spawned(*pool);
    }
    bench.told();
    bench.pass(STARTING_PLACE_MS - 1);
    assert!(bench.told().is_empty());
    bench.pass(1);
    assert_eq!(bench.told(), ["spawn 4"]);
    assert!(
        pools
            .iter()
            .all(|pool| bench.state(*pool) == PoolState::Starting)
    );
}

#[test]
fn a_session_stopped_while_it_waits_for_its_turn_is_never_started() {
    let mut bench = Bench::new();
    let pools: Vec<PoolKey> = (0..6).map(|_| bench.start(spec())).collect();
    bench.told();
    bench.input(|backends, cx| backends.stop(cx, pools[4]));
    assert_eq!(bench.told(), ["server=files stopped", "Ended 4"]);
    bench.input(|backends, cx| backends.spawn_failed(cx, pools[0], "no such program".into()));
    let told = bench.told();
    assert!(told.contains(&"spawn 5".to_owned()) && !told.contains(&"spawn 4".to_owned()));
}
