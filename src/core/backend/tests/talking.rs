//! What is said to servers and by them.

use super::*;
use crate::base::mark::{Mark, must_hit};
use crate::limits::{CHILD_OUTBOX_BYTES_MAX, SHARE_BYTES_MIN};

#[test]
fn a_message_is_sent_as_one_line_and_a_line_end_inside_smuggles_nothing() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    assert_eq!(bench.send(pool, &["{\"a\":".into(), "1}".into()]), Ok(()));
    let evil = "{\"p\":\r\n{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"x\"}\n}";
    assert_eq!(bench.send(pool, &[evil.into()]), Ok(()));
    let sent = bench.sent(link);
    let lines: Vec<&str> = sent.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "{\"a\":1}"));
    assert_eq!(lines[1].len(), evil.len());
}

#[test]
fn a_child_that_does_not_read_is_busy_at_the_limit_and_pings_are_dropped() {
    let _reached = must_hit(Mark::ChildOutboxFull);
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    let big = Rc::new(vec![b'x'; CHILD_OUTBOX_BYTES_MAX / 4]);
    let message = [Part::Share(&big, 0..big.len())];
    for _ in 0..3 {
        assert_eq!(bench.send(pool, &message), Ok(()));
    }
    assert_eq!(bench.send(pool, &message), Err(Refused::Busy));
    assert!(bench.world.links.unsent(link) <= CHILD_OUTBOX_BYTES_MAX);
    let rest = Rc::new(vec![
        b'x';
        CHILD_OUTBOX_BYTES_MAX
            - bench.world.links.unsent(link)
            - 1
    ]);
    assert_eq!(
        bench.send(pool, &[Part::Share(&rest, 0..rest.len())]),
        Ok(())
    );
    let full = bench.world.links.unsent(link);
    assert_eq!(full, CHILD_OUTBOX_BYTES_MAX);
    bench.receive(link, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    assert_eq!(bench.world.links.unsent(link), full);
}

#[test]
fn f7_pings_are_answered_here_and_everything_else_goes_up() {
    let mut bench = Bench::new();
    let (_, link) = bench.ready();
    let ask = "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"sampling/createMessage\"}";
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}";
    bench.receive(
        link,
        &format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"pi\\u006eg\"}}\n{ask}\n{note}\n"),
    );
    assert_eq!(
        bench.told(),
        [format!("request \"a\": {ask}"), format!("note: {note}")]
    );
    assert_eq!(
        bench.sent(link),
        "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n"
    );
}

#[test]
fn answers_keep_the_id_as_ours_or_as_nobodys_and_two_answers_are_two() {
    let mut bench = Bench::new();
    let (_, link) = bench.ready();
    for id in ["7", "7", "\"7\"", "007", "-7", "null"] {
        bench.receive(
            link,
            &format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{}}}}\n"),
        );
    }
    let told = bench.told();
    let ids: Vec<&str> = told
        .iter()
        .filter_map(|line| line.strip_prefix("response "))
        .collect();
    let ids: Vec<&str> = ids.iter().map(|line| &line[..1]).collect();
    assert!(
        ids.starts_with(&["7", "7", "?"]) && ids[3..].iter().all(|id| *id == "?"),
        "{told:?}"
    );
    // A second answer to the handshake is nobody's at all.
    bench.receive(link, HELLO);
    assert!(bench.told().is_empty());
}

#[test]
fn f8_a_batch_is_told_message_by_message() {
    let mut bench = Bench::new();
    let (_, link) = bench.ready();
    bench.receive(link, &format!("[{} , {}]\n", answer("1"), answer("2")));
    let expected = ["1", "2"].map(|id| format!("response {id} of 0: {}", answer(id)));
    assert_eq!(bench.told(), expected);
}

#[test]
fn equal_ids_of_two_servers_stay_apart() {
    let mut bench = Bench::new();
    let (_, first) = bench.ready();
    let (_, second) = bench.ready();
    let whole = answer("1");
    let (left, right) = whole.split_at(20);
    bench.receive(first, left);
    bench.receive(second, &format!("{}\n", answer("1")));
    bench.receive(first, &format!("{right}\n"));
    let expected = [1, 0].map(|pool| format!("response 1 of {pool}: {}", answer("1")));
    assert_eq!(bench.told(), expected);
}

#[test]
fn a_line_beyond_the_limit_is_told_and_the_next_one_works() {
    let _reached = must_hit(Mark::ServerLineTooLong);
    let mut bench = Bench::new();
    let (_, link) = bench.ready();
    bench.receive(link, "{\"jsonrpc\":\"2.0\",\"id\":12,\"result\":\"");
    let piece = "x".repeat(1 << 20);
    for _ in 0..33 {
        bench.receive(link, &piece);
    }
    bench.receive(link, &format!("\"}}\n{}\n", answer("13")));
    let told = bench.told();
    assert_eq!(
        told[0],
        "server=files sent a line beyond the limit, thrown away"
    );
    assert_eq!(
        told[1..],
        [
            "TooLong Some(12)".into(),
            format!("response 13 of 0: {}", answer("13"))
        ]
    );
}

#[test]
fn a_big_answer_is_passed_on_without_being_copied() {
    let mut bench = Bench::new();
    let (pool, link) = bench.ready();
    let big = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{}\"}}\n",
        "y".repeat(100_000)
    );
    bench
        .backends
        .receive(&mut bench.world.cx(), link, big.as_bytes());
    let event = bench.backends.next(&mut bench.world.cx(), &mut bench.frame);
    let Some(BackendEvent::Response { envelope, .. }) = event else {
        panic!("{event:?}");
    };
    assert!(envelope.whole.range().len() > SHARE_BYTES_MIN);
    let part = bench.frame.part(envelope.whole.range());
    bench
        .backends
        .send(&mut bench.world.cx(), pool, &[part])
        .unwrap();
    assert_eq!(Rc::strong_count(bench.frame.shared()), 2);
}

#[test]
fn words_for_links_and_keys_that_never_were_are_ignored() {
    let mut bench = Bench::new();
    let link = LinkKey(Key {
        index: 99,
        generation: 3,
    });
    let pool = PoolKey(Key {
        index: 99,
        generation: 3,
    });
    bench.receive(link, "x\n");
    bench.eof(link);
    bench.input(|backends, cx| backends.broken(cx, link));
    bench.input(|backends, cx| backends.stop(cx, pool));
    bench.input(|backends, cx| backends.spawn_failed(cx, pool, String::new()));
    assert_eq!(bench.send(pool, &["x".into()]), Err(Refused::NotReady));
    assert!(bench.backends.facts(pool).is_none() && bench.backends.hello(pool).is_none());
    assert_eq!(bench.backends.count(), 0);
    assert!(bench.told().is_empty());
    bench.assert_empty();
    assert_eq!(bench.world.now.tick, Tick(1_000_000));
}
