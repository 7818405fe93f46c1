//! The question for a server's era, and what becomes of it (protocol F1, F3).

use super::*;
use crate::base::mark::{Mark, must_hit};
use crate::limits::{CONNECT_STDIO_MS, PROBE_MS, PROBE_SILENT_MS};
use crate::mcp::version::{Era, Version};

const DISCOVERED: &str = "{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\"result\":{\
    \"supportedVersions\":[\"2025-11-25\",\"2026-07-28\"],\"capabilities\":{\"tools\":{}},\
    \"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"m\"}}}}\n";

fn era(era: Era) -> PoolSpec {
    PoolSpec { era, ..spec() }
}

/// A server that was started and has heard the first word.
fn asked(bench: &mut Bench, spec: PoolSpec) -> (PoolKey, LinkKey, String) {
    let pool = bench.start(spec);
    let link = bench.spawned(pool);
    bench.told();
    let sent = bench.sent(link);
    (pool, link, sent)
}

fn is_initialize(sent: &str) -> bool {
    sent.starts_with("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\"")
}

fn is_discover(sent: &str) -> bool {
    sent.starts_with("{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\"method\":\"server/discover\"")
}

fn version(bench: &Bench, pool: PoolKey) -> Option<Version> {
    bench.backends.hello(pool).map(|hello| hello.version)
}

fn error(code: i64, data: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\
         \"error\":{{\"code\":{code},\"message\":\"no\"{data}}}}}\n"
    )
}

/// What a server that answers the first question like this is asked next, and how it ends.
#[test]
fn f1_each_answer_leads_to_an_era() {
    let supported = |list: &str| format!(",\"data\":{{\"supported\":{list}}}");
    let result = |result: &str| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\"result\":{result}}}\n")
    };
    for (answer, next) in [
        (DISCOVERED.to_owned(), "ready"),
        (result(r#"{"supportedVersions":["2026-07-28"]}"#), "ready"),
        (error(-32601, ""), "initialize"),
        (error(-32602, ""), "initialize"),
        (error(0, ""), "initialize"),
        // The codes of the modern era say nothing without a list, and nobody keeps others from
        // using them.
        (error(-32020, ""), "initialize"),
        (
            error(-32021, ",\"data\":{\"requiredCapabilities\":{}}"),
            "initialize",
        ),
        (error(-32022, &supported("\"2026-07-28\"")), "initialize"),
        (
            error(-32022, &supported("[\"2025-06-18\",\"2027-01-01\"]")),
            "initialize",
        ),
        (error(-32022, &supported("[\"2026-07-28\"]")), "discover"),
        (
            error(-32020, &supported("[\"2026-07-28\",\"2025-06-18\"]")),
            "discover",
        ),
        (error(-32022, &supported("[\"2027-01-01\"]")), "refused"),
        // The same list under a code of another meaning.
        (error(-32602, &supported("[\"2026-07-28\"]")), "initialize"),
        (result("{}"), "initialize"),
        (result("null"), "initialize"),
        (result(r#"{"protocolVersion":"2025-06-18"}"#), "initialize"),
        (
            result(r#"{"supportedVersions":["2025-06-18","2027-01-01"]}"#),
            "initialize",
        ),
        (
            result(r#"{"supportedVersions":["2027-01-01",7]}"#),
            "refused",
        ),
        (result(r#"{"supportedVersions":[]}"#), "refused"),
        (
            result(r#"{"supportedVersions":"2026-07-28"}"#),
            "initialize",
        ),
        // A server that could not read our id.
        (
            error(-32600, "").replace("\"1mcp-discover\"", "null"),
            "initialize",
        ),
    ] {
        let mut bench = Bench::new();
        let (pool, link, sent) = asked(&mut bench, era(Era::Auto));
        assert!(is_discover(&sent) && sent.ends_with("\n"), "{sent}");
        bench.receive(link, &answer);
        let sent = bench.sent(link);
        let told = match bench.state(pool) {
            PoolState::Ready => "ready",
            PoolState::Restarting { .. } => "refused",
            _ if is_initialize(&sent) => "initialize",
            _ if is_discover(&sent) => "discover",
            state => panic!("{answer}: {state:?} {sent}"),
        };
        assert_eq!(told, next, "{answer}");
    }
}

#[test]
fn f1_a_modern_server_is_ready_with_what_it_said_and_hears_no_initialized() {
    let mut bench = Bench::new();
    let (pool, link, _) = asked(&mut bench, era(Era::Auto));
    bench.receive(link, DISCOVERED);
    assert_eq!(bench.told(), ["server=files ready in=0ms", "Ready 0"]);
    let hello = bench.backends.hello(pool).unwrap();
    assert_eq!(hello.version, Version::MODERN);
    assert_eq!(hello.name.as_deref(), Some("m"));
    assert!(hello.capabilities.tools && !hello.initialize_first);
    assert_eq!(bench.sent(link), "");
    // A second answer says nothing.
    bench.receive(link, DISCOVERED);
    assert_eq!(bench.told(), [""; 0]);
}

#[test]
fn f1_a_server_that_lists_our_revision_in_its_refusal_is_asked_once_more() {
    let mut bench = Bench::new();
    let (pool, link, _) = asked(&mut bench, era(Era::Auto));
    let refusal = error(-32022, ",\"data\":{\"supported\":[\"2026-07-28\"]}");
    bench.receive(link, &refusal);
    assert!(is_discover(&bench.sent(link)));
    bench.receive(link, &refusal);
    assert!(is_initialize(&bench.sent(link)));
    bench.receive(link, HELLO);
    assert_eq!(version(&bench, pool), Some(Version::V2025_06_18));
}

#[test]
fn f1_a_server_that_ignores_the_question_is_initialized_and_asked_no_more() {
    let _reached = must_hit(Mark::ProbeTimesOut);
    let mut bench = Bench::new();
    let (pool, link, _) = asked(&mut bench, era(Era::Auto));
    bench.pass(PROBE_SILENT_MS - 1);
    assert_eq!(bench.sent(link), "");
    bench.pass(1);
    assert!(is_initialize(&bench.sent(link)));
    bench.receive(link, HELLO);
    assert_eq!(bench.state(pool), PoolState::Ready);
    assert!(bench.backends.hello(pool).unwrap().initialize_first);
    // Its next run does not wait again.
    bench.eof(link);
    bench.exited(pool, 0);
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    let link = bench.spawned(pool);
    assert!(is_initialize(&bench.sent(link)));
    bench.receive(link, HELLO);
    assert!(bench.backends.hello(pool).unwrap().initialize_first);
}

#[test]
fn f1_the_time_for_an_answer_is_short_once_the_server_has_spoken() {
    for on_stderr in [false, true] {
        let mut bench = Bench::new();
        let (pool, link, _) = asked(&mut bench, era(Era::Auto));
        bench.pass(1_000);
        if on_stderr {
            bench.input(|backends, cx| backends.stderr(cx, pool, b"listening\n"));
        } else {
            bench.receive(link, "listening\n");
        }
        bench.pass(PROBE_MS - 1);
        bench.input(|backends, cx| backends.stderr(cx, pool, b"still\n"));
        assert_eq!(bench.sent(link), "");
        bench.pass(1);
        assert!(is_initialize(&bench.sent(link)), "{on_stderr}");
    }
    // And never longer than half of what the whole handshake may take.
    let mut bench = Bench::new();
    let connect_ms = 1_000;
    let hurried = PoolSpec {
        connect_ms,
        ..era(Era::Auto)
    };
    let (_, link, _) = asked(&mut bench, hurried);
    bench.pass(500);
    assert!(is_initialize(&bench.sent(link)));
}

#[test]
fn f1_an_answer_that_comes_late_still_counts_until_initialize_is_answered() {
    let _reached = must_hit(Mark::ProbeAnsweredLate);
    let refused = "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32601,\"message\":\"no\"}}\n";
    for (words, spoken) in [
        ([DISCOVERED, refused], Version::MODERN),
        ([DISCOVERED, HELLO], Version::MODERN),
        ([HELLO, DISCOVERED], Version::V2025_06_18),
        ([&error(-32601, ""), HELLO], Version::V2025_06_18),
        // Which of the two an error without id answers is known by their order.
        (
            ["{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}\n", HELLO],
            Version::V2025_06_18,
        ),
    ] {
        let mut bench = Bench::new();
        let (pool, link, _) = asked(&mut bench, era(Era::Auto));
        bench.pass(PROBE_SILENT_MS);
        bench.told();
        for word in words {
            bench.receive(link, word);
        }
        assert_eq!(
            bench.told(),
            ["server=files ready in=10000ms", "Ready 0"],
            "{words:?}"
        );
        assert_eq!(version(&bench, pool), Some(spoken), "{words:?}");
        // Who answers at all can be asked again; only silence is remembered.
        let hello = bench.backends.hello(pool).unwrap();
        assert_eq!(hello.initialize_first, words[0] == HELLO, "{words:?}");
    }
}

#[test]
fn f3_a_server_that_dies_of_the_question_is_started_again_at_once_and_without() {
    let _reached = must_hit(Mark::ProbeKills);
    for closes_first in [false, true] {
        let mut bench = Bench::new();
        let once = PoolSpec {
            restarts_max: 1,
            ..era(Era::Auto)
        };
        let (pool, link, _) = asked(&mut bench, once);
        bench.input(|backends, cx| backends.stderr(cx, pool, b"what is that?\n"));
        if closes_first {
            bench.eof(link);
        }
        bench.exited(pool, 1);
        bench.eof(link);
        let told = bench.told();
        assert!(told.contains(&"spawn 0".to_owned()), "{told:?}");
        assert!(
            !told.iter().any(|told| told.starts_with("Down")),
            "{told:?}"
        );
        assert_eq!(bench.state(pool), PoolState::Starting);
        let link = bench.spawned(pool);
        assert!(is_initialize(&bench.sent(link)));
        bench.receive(link, HELLO);
        assert_eq!(bench.state(pool), PoolState::Ready);
        assert!(bench.backends.hello(pool).unwrap().initialize_first);
        let facts = bench.backends.facts(pool).unwrap();
        assert_eq!((facts.last_error, facts.restarts), (None, 0));
        assert_eq!(facts.stderr().count(), 0);
    }
}

/// It takes so long to start that both questions wait for it, reads the first one, and dies.
#[test]
fn f3_a_slow_server_that_dies_of_the_question_is_started_again_without() {
    let _reached = must_hit(Mark::ProbeKills);
    let mut bench = Bench::new();
    let (pool, link, sent) = asked(&mut bench, era(Era::Auto));
    assert!(is_discover(&sent));
    bench.input(|backends, cx| backends.stderr(cx, pool, b"starting\n"));
    bench.pass(PROBE_MS);
    assert!(is_initialize(&bench.sent(link)));
    bench.exited(pool, 1);
    bench.eof(link);
    assert_eq!(bench.state(pool), PoolState::Starting);
    let link = bench.spawned(pool);
    assert!(is_initialize(&bench.sent(link)));
    bench.receive(link, HELLO);
    assert_eq!(bench.state(pool), PoolState::Ready);
    assert!(bench.backends.hello(pool).unwrap().initialize_first);
}

/// It never answers anything once it was asked what it does not know.
#[test]
fn f3_a_server_that_hangs_from_the_question_on_is_started_again_without() {
    let mut bench = Bench::new();
    let (pool, link, sent) = asked(&mut bench, era(Era::Auto));
    assert!(is_discover(&sent));
    bench.pass(PROBE_SILENT_MS);
    assert!(is_initialize(&bench.sent(link)));
    bench.pass(CONNECT_STDIO_MS);
    bench.eof(link);
    bench.exited(pool, 1);
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    let link = bench.spawned(pool);
    assert!(is_initialize(&bench.sent(link)));
}

/// It speaks both, and dies of something else once: it must not be taken for an older one for good.
#[test]
fn f3_a_server_that_has_answered_the_question_before_does_not_die_of_it_once() {
    let mut bench = Bench::new();
    let (pool, mut link, _) = asked(&mut bench, era(Era::Auto));
    let dies = |bench: &mut Bench, link| {
        bench.exited(pool, 1);
        bench.eof(link);
        bench.input(|backends, cx| backends.retry_now(cx, pool));
        let link = bench.spawned(pool);
        let asked = is_discover(&bench.sent(link));
        (link, asked)
    };
    for _ in 0..3 {
        bench.receive(link, DISCOVERED);
        for _ in 0..2 {
            let (next, asked) = dies(&mut bench, link);
            assert!(asked);
            link = next;
        }
    }
    // Twice in a row it may be another one now.
    let (_, asked) = dies(&mut bench, link);
    assert!(!asked);
    bench.input(|backends, cx| backends.stop_all(cx));
}

#[test]
fn f3_a_server_that_just_does_not_come_up_is_forgiven_once_and_asked_every_other_time() {
    let mut bench = Bench::new();
    let pool = bench.start(era(Era::Auto));
    let mut asked = Vec::new();
    for run in 0..5 {
        let link = bench.spawned(pool);
        asked.push(is_discover(&bench.sent(link)));
        bench.exited(pool, 1);
        bench.eof(link);
        let waits = matches!(bench.state(pool), PoolState::Restarting { .. });
        assert_eq!(waits, run > 0, "run {run}");
        bench.input(|backends, cx| backends.retry_now(cx, pool));
    }
    assert_eq!(asked, [true, false, true, false, true]);
    bench.input(|backends, cx| backends.stop_all(cx));
}

#[test]
fn f3_after_a_restart_the_server_is_asked_again() {
    let mut bench = Bench::new();
    let (pool, link, _) = asked(&mut bench, era(Era::Auto));
    bench.receive(link, DISCOVERED);
    bench.eof(link);
    bench.exited(pool, 0);
    bench.input(|backends, cx| backends.retry_now(cx, pool));
    let link = bench.spawned(pool);
    assert!(is_discover(&bench.sent(link)));
    bench.receive(link, &error(-32601, ""));
    bench.receive(link, HELLO);
    assert_eq!(version(&bench, pool), Some(Version::V2025_06_18));
}

#[test]
fn f3_what_is_remembered_of_a_server_is_given_up_when_it_fails() {
    let _reached = must_hit(Mark::ProbeAfterInitialize);
    let refused = "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32601,\"message\":\"no\"}}\n";
    let silent = PoolSpec {
        initialize_first: true,
        ..era(Era::Auto)
    };
    let mut bench = Bench::new();
    let (pool, link, sent) = asked(&mut bench, silent.clone());
    assert!(is_initialize(&sent));
    bench.receive(link, refused);
    assert!(is_discover(&bench.sent(link)));
    bench.receive(link, DISCOVERED);
    assert_eq!(version(&bench, pool), Some(Version::MODERN));
    assert!(!bench.backends.hello(pool).unwrap().initialize_first);
    // It refuses both, or does not answer the second: the first refusal tells why.
    for answers in [true, false] {
        let (pool, link, _) = asked(&mut bench, silent.clone());
        bench.receive(link, refused);
        if answers {
            bench.receive(link, &error(-32601, ""));
        } else {
            bench.pass(PROBE_SILENT_MS);
        }
        let state = bench.state(pool);
        assert!(
            matches!(&state, PoolState::Restarting { why, .. }
                if why.starts_with("refused the handshake: no (code -32601)")),
            "{state:?}"
        );
    }
}

#[test]
fn f1_an_era_that_is_configured_is_not_asked_for() {
    let mut bench = Bench::new();
    let (_, link, sent) = asked(&mut bench, era(Era::Legacy));
    assert!(is_initialize(&sent));
    bench.receive(link, HELLO);
    let remembered = PoolSpec {
        initialize_first: true,
        ..era(Era::Modern)
    };
    let (pool, link, sent) = asked(&mut bench, remembered);
    assert!(is_discover(&sent));
    bench.receive(link, DISCOVERED);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn f1_a_server_that_has_to_be_modern_and_is_not_is_refused_with_the_setting() {
    let result = "{\"jsonrpc\":\"2.0\",\"id\":\"1mcp-discover\",\"result\":{}}\n".to_owned();
    for (answer, why) in [
        (
            error(-32601, ""),
            "refused the handshake: no (code -32601); its entry says \"era\": \"modern\"",
        ),
        (
            result,
            "answered server/discover without naming protocol version 2026-07-28; its entry says \
             \"era\": \"modern\"",
        ),
        (
            String::new(),
            "did not answer server/discover; its entry says \"era\": \"modern\"",
        ),
    ] {
        let mut bench = Bench::new();
        let (pool, link, _) = asked(&mut bench, era(Era::Modern));
        bench.receive(link, &answer);
        if answer.is_empty() {
            bench.pass(CONNECT_STDIO_MS);
        }
        let state = bench.state(pool);
        assert_eq!(
            state,
            PoolState::Restarting {
                in_ms: 0,
                why: why.to_owned()
            }
        );
        assert_eq!(bench.sent(link), "");
    }
}

#[test]
fn f1_answers_are_read_split_at_every_byte_with_what_follows() {
    let text = format!("listening\n{DISCOVERED}{}\n", answer("1"));
    for at in 0..=text.len() {
        let mut bench = Bench::new();
        let (_, link, _) = asked(&mut bench, era(Era::Auto));
        bench.receive(link, &text[..at]);
        bench.receive(link, &text[at..]);
        let told = bench.told();
        let response = format!("response 1 of 0: {}", answer("1"));
        assert_eq!(told.last(), Some(&response), "{at}: {told:?}");
        assert!(told.contains(&"Ready 0".to_owned()));
    }
}
