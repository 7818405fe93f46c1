//! The fault table of remote servers. In every row: whoever calls gets a clear error in bounded
//! time, other servers serve meanwhile as if nothing were, and the first call after the fault ends
//! is answered.

use onemcp::http1::proxy::{Proxies, Proxy};
use onemcp::input::OpenFault;
use onemcp::limits::{
    CONNECT_REMOTE_MS, LINE_BYTES_MAX, OPEN_MS_MAX, REQUEST_MS, RESPONSE_BODY_BYTES_MAX,
    RESPONSE_HEAD_BYTES_MAX, RESPONSE_HEAD_MS_MAX,
};

use crate::client::{Call, Client};
use crate::remote::{
    Act, End, Lost, Of, Site, SiteState, chunk, event, far, proxy, response, stream_head,
};
use crate::server::{anything, tool, tools};
use crate::server_modern::stateless;
use crate::world::World;

/// How long a server that is well again may be left alone: the longest pause between two tries.
const HEALED_MS_MAX: u64 = 75_000;
/// A call, at most: the time for one, and what a new session takes.
const CALL_MS_MAX: u64 = REQUEST_MS + 2 * OPEN_MS_MAX;
const HEAD: &str = "HTTP/1.1 200 OK\r\n";

fn legacy() -> SiteState {
    far(anything().with("tools", [tool("t")])).obliging()
}

fn modern() -> SiteState {
    far(stateless().with("tools", [tool("t")])).obliging()
}

/// A server that will have a fault, between a remote server and a child that have none.
struct Row {
    w: World,
    a: Client,
    /// What is tested, for messages.
    kind: String,
}

impl Row {
    fn new(kind: &str, site: SiteState) -> Self {
        Self::with(kind, "", site)
    }

    fn with(kind: &str, members: &str, site: SiteState) -> Self {
        let mut w = World::http()
            .remote_with("r", members, site)
            .remote("q", legacy())
            .server("s", tools(["t"]))
            .start();
        let a = w.client("{}");
        let mut row = Self {
            w,
            a,
            kind: kind.to_owned(),
        };
        let call = row.a.call(&mut row.w, "r_1mcp_t", "{}");
        call.result(&mut row.w);
        row.others_serve();
        row
    }

    /// A line of the table, for whoever reads what the test printed.
    fn shows(&self, what: &str) {
        let row = std::thread::current().name().map(str::to_owned);
        println!("{} | {} | {what}", row.unwrap_or_default(), self.kind);
    }

    fn site(&self) -> Site {
        self.w.site("r")
    }

    fn call(&mut self) -> Call {
        self.a.call(&mut self.w, "r_1mcp_t", "{}")
    }

    /// The other two answer without any time passing.
    #[track_caller]
    fn others_serve(&mut self) {
        let Self { w, a, .. } = self;
        let now = w.tick();
        let far = a.call(w, "q_1mcp_t", "{}");
        let near = a.call(w, "s_1mcp_t", "{}");
        let seen = w.server("s").expect(w, "tools/call");
        seen.result(w, "{}");
        near.result(w);
        far.result(w);
        assert_eq!(w.tick(), now);
    }

    /// Waits for the answer of a call; the others serve meanwhile.
    #[track_caller]
    fn answer(&mut self, call: &Call, ms_max: u64) -> (serde_json::Value, u64) {
        self.others_serve();
        let began = self.w.tick();
        loop {
            if let Some(line) = call.line(&mut self.w) {
                let answer = serde_json::from_str(&line).unwrap();
                return (answer, self.w.tick() - began);
            }
            let waited = self.w.tick() - began;
            assert!(waited <= ms_max, "{}: nothing after {waited} ms", self.kind);
            self.w.advance(100);
            if waited.is_multiple_of(10_000) {
                self.others_serve();
            }
        }
    }

    /// A call fails with these words; the whole text.
    #[track_caller]
    fn fails(&mut self, words: &[&str], ms_max: u64) -> String {
        let call = self.call();
        self.failed(&call, words, ms_max)
    }

    #[track_caller]
    fn failed(&mut self, call: &Call, words: &[&str], ms_max: u64) -> String {
        let (answer, ms) = self.answer(call, ms_max);
        let text = answer["error"]["message"].as_str();
        let text = text.unwrap_or_else(|| panic!("{}: {answer}", self.kind));
        self.shows(&format!("{text} | {ms} ms"));
        assert!(text.contains("server r"), "{}: {text}", self.kind);
        for word in words {
            assert!(text.contains(word), "{}: no {word:?} in {text}", self.kind);
        }
        self.others_serve();
        text.to_owned()
    }

    /// The fault ends, and so does everything that came of it.
    #[track_caller]
    fn heals(&mut self) {
        let site = self.site();
        site.heals(&mut self.w);
        self.serves_again();
    }

    #[track_caller]
    fn serves_again(&mut self) {
        let began = self.w.tick();
        loop {
            let call = self.call();
            let (answer, _) = self.answer(&call, CALL_MS_MAX);
            if answer.get("result").is_some() {
                break;
            }
            let waited = self.w.tick() - began;
            assert!(waited < HEALED_MS_MAX, "{}: {answer}", self.kind);
            self.w.advance(500);
        }
        let waited = self.w.tick() - began;
        self.shows(&format!("served again after {waited} ms"));
        self.others_serve();
        assert_eq!(self.w.counts().calls, 0);
    }
}

/// One row of the table, for servers of both eras.
#[track_caller]
fn row(words: &[&str], ms_max: u64, fault: impl Fn(&mut World, Site)) {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut row = Row::new(era, site);
        let site = row.site();
        fault(&mut row.w, site);
        row.fails(words, ms_max);
        row.heals();
    }
}

/// The connections that are kept are gone, and new ones fail.
fn no_way(w: &mut World, site: Site, fault: OpenFault, why: &str) {
    site.unreachable(w, fault, why);
    site.cuts(w, End::Reset);
}

/// Calls, and nothing else, are treated in this way.
fn calls(w: &mut World, site: Site, act: Act) {
    site.breaks(w, Of::Method("tools/call"), act);
}

// --- no connection ---

#[test]
fn connection_refused() {
    row(&["nobody listens at r.test:80"], 0, |w, site| {
        no_way(w, site, OpenFault::Refused, "nobody listens at r.test:80");
    });
}

#[test]
fn connection_refused_while_a_call_is_under_way() {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut row = Row::new(era, site);
        let site = row.site();
        calls(&mut row.w, site, Act::silence());
        let call = row.call();
        no_way(
            &mut row.w,
            site,
            OpenFault::Refused,
            "nobody listens at r.test:80",
        );
        row.failed(&call, &[], 5_000);
        row.heals();
    }
}

#[test]
fn no_way_leads_there() {
    row(&["no way leads to r.test"], 0, |w, site| {
        no_way(w, site, OpenFault::Unreachable, "no way leads to r.test");
    });
}

#[test]
fn certificate_expired_of_another_name_or_signed_by_nobody() {
    for why in [
        "the certificate of r.test expired on 2026-01-01",
        "the certificate of r.test is for example.org",
        "the certificate of r.test is signed by nobody whom we trust (--ca-file)",
    ] {
        for (era, site) in [("legacy", legacy()), ("modern", modern())] {
            let mut row = Row::new(era, site.https());
            let site = row.site();
            no_way(&mut row.w, site, OpenFault::Certificate, why);
            row.fails(&[why], 0);
            row.heals();
        }
    }
}

#[test]
fn tls_is_not_spoken() {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut row = Row::new(era, site.https());
        let site = row.site();
        no_way(
            &mut row.w,
            site,
            OpenFault::Tls,
            "r.test:443 does not speak TLS",
        );
        row.fails(&["does not speak TLS"], 0);
        row.heals();
    }
}

#[test]
fn dns_or_the_network_never_answers() {
    row(
        &["no connection to r.test"],
        CONNECT_REMOTE_MS + 1_000,
        |w, site| {
            site.hangs(w);
            site.cuts(w, End::Reset);
        },
    );
}

#[test]
fn a_name_without_an_address() {
    row(&["there is no address for r.test"], 0, |w, site| {
        no_way(w, site, OpenFault::Lookup, "there is no address for r.test");
    });
}

#[test]
fn no_descriptor_is_left() {
    row(&["too many open files"], 0, |w, site| {
        no_way(
            w,
            site,
            OpenFault::Exhausted,
            "too many open files (ulimit -n)",
        );
    });
}

// --- the response ---

#[test]
fn reset_before_the_response() {
    row(&["server r"], 1_000, |w, site| calls(w, site, Act::reset()));
}

#[test]
fn closed_before_the_response() {
    row(&["server r"], 1_000, |w, site| {
        calls(w, site, Act::Says(Vec::new(), End::Eof));
    });
}

#[test]
fn reset_in_the_head() {
    row(&["in the middle of the response head"], 1_000, |w, site| {
        let half = format!("{HEAD}Content-Ty");
        calls(w, site, Act::Says(half.into(), End::Reset));
    });
}

#[test]
fn reset_in_the_body() {
    row(&["in the middle of the response"], 1_000, |w, site| {
        let mut whole = response(200, &[], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        whole.truncate(whole.len() - 9);
        calls(w, site, Act::Says(whole, End::Reset));
    });
}

/// It may go on: the time of the call is what bounds it.
#[test]
fn the_body_stops_without_an_end() {
    row(&["did not answer within"], REQUEST_MS + 1_000, |w, site| {
        let mut whole = response(200, &[], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        whole.truncate(whole.len() - 9);
        calls(w, site, Act::says(whole));
    });
}

#[test]
fn reset_in_the_stream() {
    for end in [End::Reset, End::Eof] {
        row(&["server r"], 1_000, |w, site| {
            let mut bytes = stream_head(&[]);
            bytes.extend(chunk(": nothing yet\n\n"));
            calls(w, site, Act::Says(bytes, end));
        });
    }
}

#[test]
fn reset_within_an_event() {
    row(&["server r"], 1_000, |w, site| {
        let mut bytes = stream_head(&[]);
        bytes.extend(chunk("data: {\"jsonrpc\":\"2.0\","));
        calls(w, site, Act::Says(bytes, End::Reset));
    });
}

#[test]
fn a_stream_that_ends_in_order_without_an_answer() {
    row(&["server r"], 1_000, |w, site| {
        let mut bytes = stream_head(&[]);
        bytes.extend(chunk(""));
        calls(w, site, Act::Whole(bytes));
    });
}

#[test]
fn a_wrong_content_type() {
    row(&["text/html"], 1_000, |w, site| {
        let fields = [("Content-Type", "text/html; charset=utf-8")];
        let body = "<html>Sign in to the hotel's network</html>";
        calls(w, site, Act::status(200, &fields, body));
    });
    // Even on everything: a portal in between.
    row(&["text/html"], CALL_MS_MAX, |w, site| {
        let fields = [("Content-Type", "text/html")];
        site.breaks(w, Of::All, Act::status(200, &fields, "<html>"));
    });
}

#[test]
fn no_content_at_all() {
    row(&["server r"], 1_000, |w, site| {
        calls(w, site, Act::status(200, &[], ""));
    });
    row(&["server r"], 1_000, |w, site| {
        calls(w, site, Act::status(202, &[], ""));
    });
}

#[test]
fn ok_with_garbage() {
    for body in [
        "garbage",
        "{",
        "[1,2]",
        "7",
        "\u{0}",
        "{\"jsonrpc\":\"2.0\"}",
    ] {
        row(&["server r"], 1_000, |w, site| {
            calls(w, site, Act::status(200, &[], body));
        });
    }
    row(&["server r"], REQUEST_MS, |w, site| {
        let mut bytes = stream_head(&[]);
        bytes.extend(chunk(&event(None, "garbage")));
        bytes.extend(chunk(""));
        calls(w, site, Act::Whole(bytes));
    });
}

#[test]
fn no_http_at_all() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}(",
        "{}\n\n\n\n",
    ] {
        row(&["server r"], RESPONSE_HEAD_MS_MAX + 1_000, |w, site| {
            calls(w, site, Act::says(garbage));
        });
    }
}

#[test]
fn a_status_that_says_no() {
    for (status, words) in [(500, "500"), (502, "502"), (418, "418"), (403, "403")] {
        row(&[words], 1_000, |w, site| {
            calls(w, site, Act::status(status, &[], "no"));
        });
    }
}

#[test]
fn oversized_by_its_length() {
    row(&["more than 32 MiB"], 1_000, |w, site| {
        let length = RESPONSE_BODY_BYTES_MAX + 1;
        let head =
            format!("{HEAD}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        calls(w, site, Act::says(head));
    });
}

#[test]
fn oversized_by_its_chunks() {
    row(&["more than 32 MiB"], 1_000, |w, site| {
        let mut bytes =
            format!("{HEAD}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                .into_bytes();
        let piece = chunk(&" ".repeat(1 << 20));
        for _ in 0..=RESPONSE_BODY_BYTES_MAX >> 20 {
            bytes.extend(&piece);
        }
        calls(w, site, Act::says(bytes));
    });
}

#[test]
fn oversized_as_an_event() {
    row(&["more than 32 MiB"], REQUEST_MS, |w, site| {
        let mut bytes = stream_head(&[]);
        bytes.extend(chunk("data: \""));
        let piece = chunk(&"x".repeat(1 << 20));
        for _ in 0..=LINE_BYTES_MAX >> 20 {
            bytes.extend(&piece);
        }
        bytes.extend(chunk("\"\n\n"));
        bytes.extend(chunk(""));
        calls(w, site, Act::says(bytes));
    });
}

#[test]
fn a_slow_head() {
    row(&["too slowly"], RESPONSE_HEAD_MS_MAX + 2_000, |w, site| {
        calls(w, site, Act::drips(HEAD, "x", 1_000));
    });
}

#[test]
fn a_head_without_end() {
    row(&["server r"], 2_000, |w, site| {
        let mut head = HEAD.to_owned();
        while head.len() <= RESPONSE_HEAD_BYTES_MAX {
            head.push_str("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        }
        calls(w, site, Act::says(head));
    });
    row(&["server r"], RESPONSE_HEAD_MS_MAX + 2_000, |w, site| {
        calls(w, site, Act::drips(HEAD, "X-A: a\r\n", 500));
    });
}

#[test]
fn announcements_without_end() {
    row(&["announces"], 10_000, |w, site| {
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
        calls(w, site, Act::drips(interim, interim, 100));
    });
}

#[test]
fn compressed_although_nobody_asked() {
    row(&["compresses"], 1_000, |w, site| {
        let fields = [
            ("Content-Encoding", "gzip"),
            ("Content-Type", "application/json"),
        ];
        calls(w, site, Act::status(200, &fields, "\u{1f}"));
    });
}

#[test]
fn silence_instead_of_a_response() {
    row(&[], CALL_MS_MAX, |w, site| calls(w, site, Act::silence()));
}

#[test]
fn silence_for_everything() {
    row(&[], CALL_MS_MAX, |w, site| {
        site.breaks(w, Of::All, Act::silence());
    });
}

// --- redirects ---

#[test]
fn a_redirect_in_a_loop() {
    row(&["redirect"], 2_000, |w, site| {
        calls(w, site, Act::status(307, &[("Location", "/mcp")], ""));
    });
    row(&["redirect"], 2_000, |w, site| {
        calls(
            w,
            site,
            Act::status(308, &[("Location", "http://r.test/mcp?again")], ""),
        );
    });
}

#[test]
fn a_redirect_to_another_origin_is_not_followed_and_gets_no_secret() {
    for to in [
        "http://evil.test/mcp",
        "https://r.test/mcp",
        "http://r.test:8080/mcp",
    ] {
        let secret = r#""headers":{"Authorization":"Bearer tok-123"}"#;
        let mut w = World::http()
            .remote_with("r", secret, legacy())
            .site("evil.test", legacy())
            .start();
        let a = w.client("{}");
        let site = w.site("r");
        calls(&mut w, site, Act::status(307, &[("Location", to)], ""));
        let call = a.call(&mut w, "r_1mcp_t", "{}");
        w.advance(2_000);
        let (_, text) = call.error(&mut w);
        println!("redirect to {to} | {text}");
        assert!(
            text.contains("server r") && text.contains("redirect"),
            "{text}"
        );
        assert!(!text.contains("tok-123"));
        assert_eq!(w.site("evil.test").dials(&w), 0);
        site.heals(&mut w);
        a.call(&mut w, "r_1mcp_t", "{}").result(&mut w);
    }
}

#[test]
fn a_redirect_within_the_origin_is_followed() {
    for era in [legacy(), modern()] {
        let mut row = Row::new("within", era);
        let site = row.site();
        // The old address of the same server.
        site.breaks(&mut row.w, Of::Method("tools/call"), Act::Leaves);
        let call = row.call();
        let seen = site.expect(&mut row.w, "tools/call");
        site.heals(&mut row.w);
        seen.status(&mut row.w, 307, &[("Location", "/mcp?")], "");
        let (answer, _) = row.answer(&call, 1_000);
        println!("{answer}");
    }
}

// --- sessions ---

#[test]
fn session_lost() {
    for lost in [Lost::NotFound, Lost::BadRequest, Lost::Unauthorized] {
        let mut row = Row::new("session lost", legacy().lost_as(lost));
        let site = row.site();
        site.forgets_sessions(&mut row.w);
        // Nobody notices.
        let call = row.call();
        let (answer, _) = row.answer(&call, 2_000);
        assert!(answer.get("result").is_some(), "{lost:?}: {answer}");
    }
}

#[test]
fn a_session_that_is_lost_again_and_again() {
    let body =
        r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#;
    let mut row = Row::new("session lost for ever", legacy());
    let site = row.site();
    calls(&mut row.w, site, Act::status(404, &[], body));
    row.fails(&[], CALL_MS_MAX);
    row.heals();
}

#[test]
fn started_again_with_other_tools() {
    for (era, script) in [("legacy", legacy().script), ("modern", modern().script)] {
        let mut row = Row::new(era, if era == "legacy" { legacy() } else { modern() });
        let site = row.site();
        site.restarts(&mut row.w, script.with("tools", [tool("t"), tool("new")]));
        row.serves_again();
        row.w.advance(HEALED_MS_MAX);
        let listed = row.a.list(&mut row.w, "tools/list");
        assert!(
            listed.contains(&"r_1mcp_new".to_owned()),
            "{era}: {listed:?}"
        );
    }
}

#[test]
fn started_again_in_another_era() {
    for (kind, from, to) in [
        ("legacy to modern", legacy(), modern().script),
        ("modern to legacy", modern(), legacy().script),
    ] {
        let mut row = Row::new(kind, from);
        let site = row.site();
        site.restarts(&mut row.w, to);
        row.serves_again();
    }
}

#[test]
fn answers_that_nobody_asked_for() {
    row(&["server r"], REQUEST_MS, |w, site| {
        let body = r#"{"jsonrpc":"2.0","id":999999,"result":{}}"#;
        calls(w, site, Act::status(200, &[], body));
    });
    // On a stream the right one may still come.
    for era in [legacy(), modern()] {
        let mut row = Row::new("on a stream", era);
        let site = row.site();
        calls(&mut row.w, site, Act::Leaves);
        let call = row.call();
        let seen = site.expect(&mut row.w, "tools/call");
        seen.begins(&mut row.w);
        for id in ["999999", "\"x\"", "null", "-1", "1e3"] {
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"no":1}}}}"#);
            seen.event(&mut row.w, None, &line);
            call.pending(&mut row.w);
        }
        seen.result(&mut row.w, r#"{"content":[],"yes":1}"#);
        assert_eq!(call.result(&mut row.w)["yes"], 1);
    }
}

#[test]
fn the_answer_to_another_call_answers_nothing() {
    // Its id is one of ours, but of a call on another connection.
    for era in [legacy(), modern()] {
        let mut row = Row::new("another's answer", era);
        let site = row.site();
        calls(&mut row.w, site, Act::Leaves);
        let (first, second) = (row.call(), row.call());
        let seen = [0, 1].map(|_| site.expect(&mut row.w, "tools/call"));
        seen[0].begins(&mut row.w);
        let line = |id: &str, n: u8| {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"n":{n}}}}}"#)
        };
        seen[0].event(&mut row.w, None, &line(&seen[1].id(), 2));
        seen[0].event(&mut row.w, None, &line(&seen[0].id(), 1));
        assert_eq!(first.result(&mut row.w)["n"], 1);
        if second.line(&mut row.w).is_none() {
            seen[1].result(&mut row.w, r#"{"content":[],"n":2}"#);
            assert_eq!(second.result(&mut row.w)["n"], 2);
        }
    }
}

// --- time ---

#[test]
fn a_stream_that_is_silent_for_minutes() {
    for era in [legacy(), modern()] {
        let mut row = Row::with("silent stream", r#""requestTimeout":600000"#, era);
        let site = row.site();
        calls(&mut row.w, site, Act::Leaves);
        let call = row.call();
        let seen = site.expect(&mut row.w, "tools/call");
        seen.begins(&mut row.w);
        for _ in 0..9 {
            row.w.advance(60_000);
            row.others_serve();
        }
        call.pending(&mut row.w);
        seen.result(&mut row.w, r#"{"content":[]}"#);
        call.result(&mut row.w);
        // So is the stream for what the server says by itself.
        row.w.advance(60 * 60 * 1000);
        row.a.clear(&mut row.w);
        site.list_changed(&mut row.w, "tools");
        assert!(site.got(&row.w, "initialize") <= 1);
    }
}

#[test]
fn a_silent_stream_ends_with_the_time_of_the_call() {
    row(&[], REQUEST_MS, |w, site| {
        calls(w, site, Act::says(stream_head(&[])));
    });
}

#[test]
fn too_many_requests_and_unavailable_with_a_time() {
    for status in [429, 503] {
        row(&[&status.to_string(), "7"], 1_000, |w, site| {
            calls(
                w,
                site,
                Act::status(status, &[("Retry-After", "7")], "later"),
            );
        });
        // For everything, handshakes included.
        row(&["7"], CALL_MS_MAX, |w, site| {
            let act = Act::status(status, &[("Retry-After", "7")], "later");
            site.breaks(w, Of::All, act);
        });
    }
}

/// What was said to one call says nothing of the server that comes after.
#[test]
fn an_hour_for_one_call_is_no_hour_for_the_server() {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut row = Row::new(era, site);
        let site = row.site();
        let act = Act::status(429, &[("Retry-After", "3600")], "later");
        calls(&mut row.w, site, act);
        row.fails(&["429"], 1_000);
        no_way(
            &mut row.w,
            site,
            OpenFault::Refused,
            "nobody listens at r.test:80",
        );
        row.fails(&["nobody listens"], 0);
        row.heals();
    }
}

#[test]
fn flapping() {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut row = Row::new(era, site);
        let site = row.site();
        for _ in 0..6 {
            no_way(
                &mut row.w,
                site,
                OpenFault::Refused,
                "nobody listens at r.test:80",
            );
            row.fails(&["nobody listens"], 0);
            row.w.advance(700);
            site.heals(&mut row.w);
            row.w.advance(700);
        }
        let dials = site.dials(&row.w);
        row.heals();
        assert!(dials < 60, "{era}: {dials} connections");
    }
}

#[test]
fn a_server_that_stays_away_is_asked_seldom() {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut row = Row::new(era, site);
        let site = row.site();
        no_way(
            &mut row.w,
            site,
            OpenFault::Refused,
            "nobody listens at r.test:80",
        );
        let before = site.dials(&row.w);
        row.w.advance(60 * 60 * 1000);
        let dials = site.dials(&row.w) - before;
        assert!(
            (30..200).contains(&dials),
            "{era}: {dials} connections in an hour"
        );
        row.fails(&["nobody listens", "next try in"], 0);
        row.heals();
    }
}

// --- from the start ---

/// The fault is there before the server was ever seen.
#[track_caller]
fn from_the_start(words: &[&str], fault: impl Fn(&mut World, Site)) {
    for (era, site) in [("legacy", legacy()), ("modern", modern())] {
        let mut w = World::http()
            .remote("r", site)
            .remote("q", legacy())
            .server("s", tools(["t"]))
            .begin_with(|w| {
                let site = w.site("r");
                fault(w, site);
            });
        w.advance(CALL_MS_MAX);
        let server = w.survey().servers.remove(0);
        let why = server.why.or(server.last_error).unwrap_or_default();
        for word in words {
            assert!(why.contains(word), "{era}: no {word:?} in {why:?}");
        }
        let a = w.client("{}");
        let site = w.site("r");
        site.heals(&mut w);
        let mut row = Row {
            w,
            a,
            kind: format!("{era} from the start"),
        };
        row.shows(&why);
        row.serves_again();
    }
}

#[test]
fn from_the_start_no_connection() {
    from_the_start(&["nobody listens"], |w, site| {
        site.unreachable(w, OpenFault::Refused, "nobody listens at r.test:80");
    });
    from_the_start(&["no connection to r.test"], |w, site| site.hangs(w));
}

#[test]
fn from_the_start_no_server() {
    for (words, act) in [
        (
            &["text/html"][..],
            Act::status(200, &[("Content-Type", "text/html")], "<html>"),
        ),
        (&["garbage"], Act::status(200, &[], "garbage")),
        (&["500"], Act::status(500, &[], "")),
        (&["404"], Act::status(404, &[], "")),
        (&["401"], Act::status(401, &[], "")),
        (&["429"], Act::status(429, &[("Retry-After", "7")], "")),
        (&["redirect"], Act::status(307, &[("Location", "/mcp")], "")),
        (&["the connection was lost"], Act::reset()),
        (&["r.test"], Act::says("SSH-2.0-x\r\n")),
        (&[], Act::silence()),
    ] {
        from_the_start(words, |w, site| site.breaks(w, Of::All, act.clone()));
    }
}

// --- proxies ---

fn through_a_proxy(site: SiteState) -> (World, Client) {
    let way = Proxy::parse("http://u:pass-1@proxy.test:3128").unwrap();
    let proxies = Proxies {
        http: Some(way.clone()),
        https: Some(way),
        ..Proxies::default()
    };
    let mut w = World::http()
        .remote("r", site)
        .site("proxy.test", proxy())
        .server("s", tools(["t"]))
        .settings(|settings| settings.proxies = proxies.into())
        .start();
    let a = w.client("{}");
    (w, a)
}

#[test]
fn a_proxy_leads_to_the_server_and_has_its_own_secret() {
    let (mut w, a) = through_a_proxy(legacy());
    a.call(&mut w, "r_1mcp_t", "{}").result(&mut w);
    assert_eq!(w.site("r").dials(&w), 0);
    let at_proxy = &w.net.sites[w.site("proxy.test").0].requests;
    assert!(!at_proxy.is_empty());
    for request in at_proxy {
        assert!(request.field("proxy-authorization").is_some());
    }
    let (mut w, a) = through_a_proxy(modern().https());
    a.call(&mut w, "r_1mcp_t", "{}").result(&mut w);
    assert!(w.net.sites[w.site("r").0].tunnels > 0);
    for request in &w.net.sites[w.site("r").0].requests {
        assert_eq!(request.field("proxy-authorization"), None);
    }
}

#[test]
fn a_proxy_that_refuses() {
    for (kind, site) in [("http", legacy()), ("https", modern().https())] {
        let (mut w, a) = through_a_proxy(site);
        let way = w.site("proxy.test");
        let why = "the proxy proxy.test:3128 refused with status 407";
        way.unreachable(&mut w, OpenFault::Proxy, why);
        for site in [way, w.site("r")] {
            site.cuts(&mut w, End::Reset);
        }
        let call = a.call(&mut w, "r_1mcp_t", "{}");
        w.advance(2_000);
        let (_, text) = call.error(&mut w);
        println!("{kind} | {text}");
        assert!(text.contains(why) && !text.contains("pass-1"), "{text}");
        way.heals(&mut w);
        w.advance(HEALED_MS_MAX);
        a.call(&mut w, "r_1mcp_t", "{}").result(&mut w);
    }
}

#[test]
fn a_proxy_that_cannot_reach_the_server() {
    let (mut w, a) = through_a_proxy(legacy());
    let way = w.site("proxy.test");
    way.breaks(&mut w, Of::All, Act::status(502, &[], "bad gateway"));
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    w.advance(2_000);
    let (_, text) = call.error(&mut w);
    println!("{text}");
    assert!(text.contains("502"), "{text}");
    way.heals(&mut w);
    w.advance(HEALED_MS_MAX);
    a.call(&mut w, "r_1mcp_t", "{}").result(&mut w);
}
