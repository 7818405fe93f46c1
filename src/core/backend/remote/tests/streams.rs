//! The GET stream, and answers that break off.

use super::*;
use crate::limits::{BACKOFF_MS_MIN, RESUME_MS, RESUME_MS_MAX, RESUMES_FAILED_MAX};

fn heard() -> (Bench, PoolKey, Asked) {
    let mut bench = Bench::new();
    let pool = bench.greeted(remote(RemoteKind::Http), Some("s"));
    let ears = bench.one("GET");
    bench.stream(&ears, &[]);
    bench.told();
    (bench, pool, ears)
}

#[test]
fn f5_a_server_without_a_get_stream_is_not_asked_again() {
    for status in [400, 404, 405, 406, 501] {
        let mut bench = Bench::new();
        let pool = bench.greeted(remote(RemoteKind::Http), Some("s"));
        let ears = bench.one("GET");
        bench.respond(&ears, status, &[], "no session stream");
        bench.pass(RESUME_MS_MAX);
        assert!(bench.asked().is_empty(), "{status}");
        assert_eq!(bench.state(pool), PoolState::Ready);
    }
}

#[test]
fn f6_a_get_stream_that_ends_is_opened_again_from_where_it_was() {
    let (mut bench, _, ears) = heard();
    bench.chunk(&ears, "id: 7\nretry: 300\ndata:\n\n");
    bench.end(&ears);
    bench.pass(299);
    assert!(bench.asked().is_empty());
    bench.pass(1);
    let ears = bench.one("GET");
    assert_eq!(ears.field("last-event-id"), Some("7"));
    assert_eq!(ears.field("mcp-session-id"), Some("s"));
    bench.stream(&ears, &[]);
    assert_eq!(bench.events(), [""; 0], "nothing was missed");
}

/// `Retry-After: 0`, as servers say whose limit is over in less than a second.
#[test]
fn backoff_ms_min_is_waited_by_the_get_stream_of_a_server_that_is_busy() {
    let mut bench = Bench::new();
    bench.greeted(remote(RemoteKind::Http), Some("s"));
    let mut gets = 0;
    for _ in 0..60 {
        for get in bench.asked() {
            gets += 1;
            bench.respond(&get, 503, &[("Retry-After", "0")], "");
        }
        bench.pass(1_000);
    }
    assert!((3..12).contains(&gets), "{gets} in a minute");
}

#[test]
fn a_get_stream_without_ids_may_have_missed_something() {
    let _reached = must_hit(Mark::EarsMissed);
    let (mut bench, _, ears) = heard();
    bench.reset(ears.link);
    bench.pass(1_300);
    let ears = bench.one("GET");
    assert_eq!(ears.field("last-event-id"), None);
    bench.stream(&ears, &[]);
    assert_eq!(bench.events(), ["Watching  missed=true"]);
}

#[test]
fn f5_a_get_stream_that_is_refused_after_it_worked_means_that_the_session_is_gone() {
    let (mut bench, pool, ears) = heard();
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.json(&call, &answer(1));
    bench.reset(ears.link);
    bench.pass(1_300);
    let ears = bench.one("GET");
    bench.respond(&ears, 404, &[], "");
    bench.told();
    bench.initialize(Some("t"));
    assert_eq!(bench.events(), ["Ready 0"]);
    assert_eq!(bench.one("GET").field("mcp-session-id"), Some("t"));
}

#[test]
fn a_server_that_is_gone_is_noticed_by_its_get_stream() {
    let (mut bench, pool, ears) = heard();
    bench.refuses = true;
    bench.reset(ears.link);
    bench.pass(1_300);
    assert_eq!(bench.events(), ["Down 0"]);
    assert_eq!(bench.why(pool), "nobody listens at mcp.test:80");
}

#[test]
fn f6_an_answer_that_breaks_off_behind_an_id_goes_on_in_a_get() {
    let _reached = must_hit(Mark::CallResumed);
    for cut in [true, false] {
        let mut bench = Bench::new();
        let pool = bench.legacy(Some("s"));
        bench.call(pool, 5);
        let call = bench.one("tools/call");
        bench.stream(&call, &[]);
        bench.chunk(&call, "id: a1\nretry: 400\ndata:\n\n");
        if cut {
            bench.reset(call.link);
        } else {
            bench.end(&call);
        }
        assert_eq!(bench.events(), [""; 0]);
        bench.pass(399);
        assert!(bench.asked().is_empty());
        bench.pass(1);
        let get = bench.one("GET");
        assert_eq!(get.field("last-event-id"), Some("a1"));
        bench.stream(&get, &[]);
        bench.chunk(
            &get,
            "id: a2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n",
        );
        bench.end(&get);
        bench.pass(400);
        let get = bench.one("GET");
        assert_eq!(get.field("last-event-id"), Some("a2"));
        bench.stream(&get, &[]);
        bench.chunk(&get, &format!("id: a3\ndata: {}\n\n", answer(5)));
        bench.end(&get);
        let note = "note: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}".to_owned();
        assert_eq!(bench.events(), [note, response(pool, 5)]);
    }
}

#[test]
fn s3_the_rest_of_an_answer_does_not_tell_whom_a_question_is_for() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 5);
    let call = bench.one("tools/call");
    bench.stream(&call, &[]);
    let ask = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"roots/list\"}";
    bench.chunk(&call, &format!("id: a1\nretry: 400\ndata: {ask}\n\n"));
    assert_eq!(bench.events(), [format!("request 0 about 5: {ask}")]);
    bench.end(&call);
    bench.pass(400);
    let get = bench.one("GET");
    bench.stream(&get, &[]);
    // Some servers repeat here what came on any stream since then.
    bench.chunk(&get, &format!("id: a2\ndata: {ask}\n\n"));
    assert_eq!(bench.events(), [format!("request 0: {ask}")]);
}

#[test]
fn f6_an_answer_that_breaks_off_without_an_id_is_lost() {
    for (cut, why) in [
        (
            true,
            "http://mcp.test: the connection was lost in the middle of the response",
        ),
        (false, "ended its answer without the response"),
    ] {
        let mut bench = Bench::new();
        let pool = bench.legacy(Some("s"));
        bench.call(pool, 5);
        let call = bench.one("tools/call");
        bench.stream(&call, &[]);
        bench.chunk(&call, "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n");
        bench.told();
        if cut {
            bench.reset(call.link);
        } else {
            bench.end(&call);
        }
        assert_eq!(bench.events(), [lost(5, why)]);
        bench.pass(RESUME_MS_MAX);
        assert!(bench.asked().is_empty());
    }
}

#[test]
fn resumes_failed_max_ends_a_call_whose_rest_cannot_be_had() {
    let mut bench = Bench::new();
    let pool = bench.legacy(Some("s"));
    bench.call(pool, 5);
    let call = bench.one("tools/call");
    bench.stream(&call, &[]);
    bench.chunk(&call, "id: 1\ndata:\n\n");
    bench.end(&call);
    bench.pass(RESUME_MS);
    for _ in 0..RESUMES_FAILED_MAX {
        let get = bench.one("GET");
        bench.respond(&get, 502, &[], "");
        assert_eq!(bench.events(), [""; 0]);
        bench.pass(RESUME_MS_MAX);
    }
    let get = bench.one("GET");
    bench.respond(&get, 502, &[], "");
    assert_eq!(bench.events(), [lost(5, "answered with status 502")]);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn a_get_stream_that_is_to_be_asked_for_at_once_is_not_asked_for_without_pause() {
    let mut bench = Bench::new();
    let pool = bench.greeted(remote(RemoteKind::Http), Some("s"));
    let ears = bench.one("GET");
    bench.respond(&ears, 503, &[("retry-after", "0")], "");
    bench.pass(BACKOFF_MS_MIN / 2);
    assert!(bench.asked().is_empty());
    bench.pass(BACKOFF_MS_MIN);
    bench.one("GET");
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn a_get_stream_that_is_refused_in_a_session_just_renewed_is_asked_for_later() {
    let (mut bench, pool, ears) = heard();
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.json(&call, &answer(1));
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 404, &[], "");
    assert!(!bench.links.contains(&ears.link));
    bench.initialize(Some("t"));
    let mut asked = bench.asked();
    let ears = asked.remove(0);
    bench.stream(&ears, &[]);
    bench.json(&asked[0], &answer(2));
    bench.chunk(&ears, "retry: 100\ndata:\n\n");
    bench.end(&ears);
    bench.pass(100);
    let ears = bench.one("GET");
    bench.told();
    bench.respond(&ears, 404, &[], "");
    assert_eq!(bench.events(), [""; 0]);
    assert!(bench.asked().is_empty());
    bench.pass(5 * BACKOFF_MS_MIN);
    bench.one("GET");
}
