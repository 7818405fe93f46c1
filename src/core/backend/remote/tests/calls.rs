//! Which answer belongs to which call, and how much there may be of everything.

use super::*;
use crate::limits::{
    CANCELLED_MS_MAX, LINGER_STREAM_MS_MAX, REMOTE_CALLS_MAX, REMOTE_HELD_BYTES_MAX,
    REMOTE_TELLS_MAX, TELL_MS_MAX,
};

#[test]
fn two_sessions_with_one_server_share_ids_and_nothing_else() {
    let mut bench = Bench::new();
    let one = bench.legacy(Some("same"));
    let other = bench.legacy(Some("same"));
    bench.call(one, 1);
    bench.call(other, 1);
    let asked = bench.asked();
    bench.json(&asked[1], &answer(1));
    assert_eq!(bench.events(), [response(other, 1)]);
    // A second answer, on the exchange of the one session, is nobody's in the other.
    bench.call(other, 2);
    let late = bench.one("tools/call");
    bench.stream(&late, &[]);
    bench.chunk(&late, &format!("data: {}\n\n", answer(1)));
    assert_eq!(bench.events(), [""; 0]);
    bench.json(&asked[0], &answer(1));
    assert_eq!(bench.events(), [response(one, 1)]);
    // One of them loses its session; the other does not notice.
    bench.call(one, 3);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    bench.initialize(Some("other"));
    let mut asked = bench.asked();
    assert_eq!(asked.remove(0).what(), "GET");
    assert_eq!(asked[0].field("mcp-session-id"), Some("other"));
    bench.call(other, 4);
    assert_eq!(
        bench.one("tools/call").field("mcp-session-id"),
        Some("same")
    );
}

#[test]
fn a_call_that_is_given_up_is_not_resumed_at_the_same_moment() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.stream(&call, &[]);
    let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                  \"params\":{\"requestId\":1}}";
    assert_eq!(bench.send(pool, cancel), Ok(()));
    let told = bench.one("notifications/cancelled");
    bench.respond(&told, 202, &[], "");
    let retry = format!("id: 1\nretry: {CANCELLED_MS_MAX}\ndata:\n\n");
    bench.chunk(&call, &retry);
    bench.end(&call);
    bench.pass(CANCELLED_MS_MAX);
    assert!(bench.asked().is_empty());
    let why = "was told that nobody waits any more";
    assert_eq!(bench.events(), [lost(1, why)]);
}

#[test]
fn answers_for_ids_never_asked_are_ignored_and_told_once() {
    let _reached = must_hit(Mark::AnswerOfNothing);
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.stream(&call, &[]);
    for id in ["77", "\"1\"", "0", "\"1mcp-discover\""] {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}");
        bench.chunk(&call, &format!("data: {text}\n\n"));
    }
    let told = "server=files answers what was not asked (id 77): ignored";
    assert_eq!(bench.told(), [told]);
    bench.chunk(&call, &format!("data: {}\n\n", answer(1)));
    assert_eq!(bench.events(), [response(pool, 1)]);
    // And the same once more.
    bench.chunk(&call, &format!("data: {}\n\n", answer(1)));
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn an_answer_on_another_exchange_of_the_session_counts() {
    let _reached = must_hit(Mark::AnswerElsewhere);
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 1);
    bench.call(pool, 2);
    let asked = bench.asked();
    bench.stream(&asked[0], &[]);
    bench.chunk(&asked[0], &format!("data: {}\n\n", answer(2)));
    assert_eq!(bench.events(), [response(pool, 2)]);
    // What the other exchange still says is too late.
    bench.json(&asked[1], &answer(2));
    assert_eq!(bench.events(), [""; 0]);
    bench.chunk(&asked[0], &format!("data: {}\n\n", answer(1)));
    assert_eq!(bench.events(), [response(pool, 1)]);
}

#[test]
fn late_answers_of_an_earlier_run_reach_nobody() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 1);
    let old = bench.one("tools/call");
    bench.stream(&old, &[]);
    bench.refuses = true;
    bench.call(pool, 2);
    assert_eq!(bench.events(), ["Down 0"]);
    bench.refuses = false;
    bench.pass(2_000);
    bench.initialize(Some("s"));
    bench.asked();
    bench.told();
    bench.call(pool, 1);
    bench.one("tools/call");
    bench.chunk(&old, &format!("data: {}\n\n", answer(1)));
    assert_eq!(bench.events(), [""; 0]);
}

#[test]
fn c11_a_cancelled_call_of_a_legacy_server_is_posted_and_not_listened_to_for_ever() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    for answers in [true, false] {
        bench.call(pool, 1);
        let call = bench.one("tools/call");
        bench.stream(&call, &[]);
        let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
                      \"params\":{\"requestId\":1}}";
        assert_eq!(bench.send(pool, cancel), Ok(()));
        let post = bench.one("notifications/cancelled");
        bench.respond(&post, 202, &[], "");
        if answers {
            bench.chunk(&call, &format!("data: {}\n\n", answer(1)));
            bench.end(&call);
            assert_eq!(bench.events(), [response(pool, 1)]);
        } else {
            bench.pass(CANCELLED_MS_MAX);
            assert_eq!(
                bench.events(),
                [lost(1, "was told that nobody waits any more")]
            );
            assert!(
                !bench.links.contains(&call.link),
                "its connection is closed"
            );
        }
    }
}

#[test]
fn remote_calls_max_refuses_one_more() {
    let mut bench = Bench::new();
    let pool = bench.legacy(None);
    for id in 0..REMOTE_CALLS_MAX as u64 {
        assert_eq!(bench.send(pool, &request(id)), Ok(()));
    }
    assert_eq!(bench.send(pool, &request(9_999)), Err(Refused::Busy));
    assert_eq!(bench.events(), [""; 0]);
}

#[test]
fn remote_tells_max_throws_one_more_away() {
    let _reached = must_hit(Mark::RemoteTellsFull);
    let mut bench = Bench::new();
    let pool = bench.legacy(None);
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}";
    for _ in 0..REMOTE_TELLS_MAX {
        assert_eq!(bench.send(pool, note), Ok(()));
    }
    assert_eq!(bench.send(pool, note), Err(Refused::Busy));
}

#[test]
fn a_word_that_is_not_taken_is_logged_and_ends_nothing() {
    let mut bench = Bench::new();
    let pool = bench.legacy(None);
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}";
    assert_eq!(bench.send(pool, note), Ok(()));
    let asked = bench.one("notifications/roots/list_changed");
    bench.respond(&asked, 500, &[], "");
    assert_eq!(bench.events(), [""; 0]);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn linger_stream_ms_max_cuts_a_stream_that_goes_on_behind_its_answer() {
    let _reached = must_hit(Mark::StreamLingers);
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    for ends in [true, false] {
        bench.call(pool, 1);
        let call = bench.one("tools/call");
        bench.stream(&call, &[]);
        bench.chunk(&call, &format!("data: {}\n\n", answer(1)));
        assert_eq!(bench.events(), [response(pool, 1)]);
        bench.pass(LINGER_STREAM_MS_MAX - 1);
        if ends {
            bench.end(&call);
        }
        bench.pass(1);
        assert_eq!(bench.links.contains(&call.link), ends);
    }
}

#[test]
fn an_exchange_that_brought_the_answer_of_another_still_owes_its_own() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 1);
    bench.call(pool, 2);
    let asked = bench.asked();
    bench.stream(&asked[0], &[]);
    bench.chunk(&asked[0], &format!("data: {}\n\n", answer(2)));
    assert_eq!(bench.events(), [response(pool, 2)]);
    bench.end(&asked[0]);
    assert_eq!(
        bench.events(),
        [lost(1, "ended its answer without the response")]
    );
}

#[test]
fn remote_held_bytes_max_loses_the_call_that_is_too_much() {
    let _reached = must_hit(Mark::RemoteHeldFull);
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    let piece = "x".repeat(1 << 20);
    let mut taken = 0;
    for id in 1..=3 {
        bench.call(pool, id);
        let call = bench.one("tools/call");
        bench.stream(&call, &[]);
        bench.chunk(&call, "data: ");
        for _ in 0..24 {
            if bench.told.is_empty() {
                bench.chunk(&call, &piece);
                taken += piece.len();
            }
        }
    }
    let most = REMOTE_HELD_BYTES_MAX + 2 * piece.len();
    assert!(
        (REMOTE_HELD_BYTES_MAX..most).contains(&taken),
        "{taken}: {:?}",
        bench.told
    );
    assert_eq!(bench.events(), ["TooLong Some(3)"]);
}

#[test]
fn a_notification_that_is_answered_by_an_endless_stream_gives_its_place_back() {
    let _reached = must_hit(Mark::StreamLingers);
    let mut bench = Bench::new();
    let pool = bench.greeted_by_a_stream();
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}";
    assert_eq!(bench.send(pool, note), Ok(()));
    let asked = bench.one("notifications/roots/list_changed");
    bench.stream(&asked, &[]);
    bench.pass(LINGER_STREAM_MS_MAX);
    assert!(!bench.links.contains(&asked.link));
    // And one whose body comes a byte at a time.
    assert_eq!(bench.send(pool, note), Ok(()));
    let asked = bench.one("notifications/roots/list_changed");
    bench.feed(asked.link, "HTTP/1.1 200 x\r\nContent-Length: 99\r\n\r\n");
    for _ in 0..2 {
        assert!(bench.links.contains(&asked.link));
        bench.feed(asked.link, " ");
        bench.pass(TELL_MS_MAX / 2);
    }
    assert!(!bench.links.contains(&asked.link));
    assert_eq!(bench.state(pool), PoolState::Ready);
}

impl Bench {
    /// The end of the handshake is answered by a stream that goes on.
    fn greeted_by_a_stream(&mut self) -> PoolKey {
        let pool = self.start(remote(RemoteKind::Http));
        let asked = self.one("server/discover");
        self.respond(&asked, 400, &[], "what?");
        let asked = self.one("initialize");
        self.json(&asked, HELLO);
        let initialized = self.one("notifications/initialized");
        self.stream(&initialized, &[]);
        assert_eq!(self.events(), ["Ready 0"]);
        let ears = self.one("GET");
        self.respond(&ears, 405, &[], "");
        self.pass(LINGER_STREAM_MS_MAX);
        assert!(!self.links.contains(&initialized.link));
        pool
    }
}
