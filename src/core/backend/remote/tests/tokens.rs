//! Servers that want a token (protocol O11, X4): who waits for it, who is told, and what is sent
//! once more.

use super::*;
use crate::language::{Challenge, Token};
use crate::limits::{AWAITING_MS, STREAMS_REFUSED_MAX, TOKEN_MS_MAX, TOKENS_REFUSED_MAX};

const BEARER: (&str, &str) = ("WWW-Authenticate", "Bearer resource_metadata=\"http://a\"");
const MORE: (&str, &str) = (
    "WWW-Authenticate",
    "Bearer error=\"insufficient_scope\", scope=\"files:write\"",
);
const PAGE: &str = "http://127.0.0.1:3050/oauth/connect/files";

fn protected() -> PoolSpec {
    let spec = remote(RemoteKind::Http);
    let Carrier::Remote(at) = spec.carrier else {
        panic!("a remote server");
    };
    PoolSpec {
        carrier: Carrier::Remote(RemoteSpec { oauth: true, ..at }),
        ..spec
    }
}

fn challenge(status: u16, field: &str, token: Option<u32>, operation: &str) -> String {
    let challenge = Challenge {
        status,
        fields: vec![field.to_owned()],
        token,
        operation: operation.to_owned(),
        // Whoever is let in with a token has been answered with it.
        accepted: status == 401 && token.is_some(),
    };
    format!("{challenge:?}")
}

fn to_owner(id: u64) -> String {
    format!("Unauthorized {{ page: {PAGE:?}, why: \"more\" }} Some({id})")
}

impl Bench {
    fn token(&mut self, number: u32) {
        self.token_for("http://mcp.test/mcp?k=v", number);
    }

    fn token_for(&mut self, url: &str, number: u32) {
        let url = Url::parse(url).unwrap();
        let secret = Secret::from(format!("token-number-{number}"));
        self.input(|backends, cx| {
            backends.set_token(cx, "files", &url, Token { number, secret });
        });
    }

    fn awaiting(&mut self, why: &str, step_up: bool) {
        self.input(|backends, cx| backends.awaiting(cx, "files", &PAGE.into(), why, step_up));
    }

    /// Starts a protected server that is let in with token 1.
    fn let_in(&mut self) -> PoolKey {
        self.token(1);
        let pool = self.greeted(protected(), Some("s"));
        let ears = self.one("GET");
        assert_eq!(ears.field("authorization"), Some("Bearer token-number-1"));
        self.respond(&ears, 405, &[], "");
        assert_eq!(self.state(pool), PoolState::Ready);
        self.told();
        pool
    }

    /// A call that is refused.
    fn refuse(&mut self, pool: PoolKey, id: u64, status: u16, field: (&str, &str)) {
        self.call(pool, id);
        let call = self.one("tools/call");
        self.respond(&call, status, &[field], "");
    }
}

#[test]
fn o11_a_server_that_wants_a_token_waits_for_it_and_seldom_tries_without() {
    let mut bench = Bench::new();
    let pool = bench.start(protected());
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("authorization"), None);
    bench.respond(&asked, 401, &[BEARER], "");
    let told = challenge(401, BEARER.1, None, "server/discover");
    assert_eq!(bench.events(), [told]);
    assert_eq!(
        bench.state(pool),
        PoolState::Starting,
        "it may come at once"
    );
    bench.pass(AWAITING_MS - 1);
    assert!(bench.asked().is_empty());
    bench.pass(1);
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("authorization"), None);
    bench.respond(&asked, 401, &[BEARER], "");
    drop(bench.events());
    bench.pass(AWAITING_MS - 1);
    assert!(bench.asked().is_empty());
    bench.token(7);
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("authorization"), Some("Bearer token-number-7"));
    bench.json(&asked, DISCOVERED);
    let listen = bench.one("subscriptions/listen");
    assert_eq!(listen.field("authorization"), Some("Bearer token-number-7"));
    assert_eq!(bench.state(pool), PoolState::Ready);
    assert_eq!(bench.backends.facts(pool).unwrap().restarts, 0);
}

#[test]
fn o13_what_only_the_owner_can_do_is_told_with_the_page_and_logged_once() {
    let _reached = must_hit(Mark::AwaitsOwner);
    let mut bench = Bench::new();
    let pool = bench.start(protected());
    let asked = bench.one("server/discover");
    bench.respond(&asked, 401, &[BEARER], "");
    bench.told();
    for _ in 0..2 {
        bench.awaiting("nobody has authorized us yet", false);
        let url = PAGE.into();
        let why = "nobody has authorized us yet".to_owned();
        assert_eq!(bench.state(pool), PoolState::Awaiting { url, why });
    }
    let line = format!(
        "server=files awaits authorization: open {PAGE} why=\"nobody has authorized us yet\""
    );
    assert_eq!(
        bench.told(),
        [line, "Down 0".to_owned(), "Down 0".to_owned()]
    );
    // A second session of the same server learns it by itself, and nobody is told twice.
    let second = bench.start(protected());
    let asked = bench.one("server/discover");
    bench.respond(&asked, 401, &[BEARER], "");
    assert_eq!(bench.events(), ["Down 1"]);
    assert!(matches!(bench.state(second), PoolState::Awaiting { .. }));
    // Both start with the token.
    bench.token(1);
    assert_eq!(bench.asked().len(), 2);
}

#[test]
fn o11_no_token_for_now_is_a_failure_like_others() {
    let mut bench = Bench::new();
    let pool = bench.start(protected());
    let asked = bench.one("server/discover");
    bench.respond(&asked, 401, &[BEARER], "");
    bench.told();
    bench.input(|backends, cx| backends.no_token(cx, "files", "its issuer is down"));
    let why = "wants authorization (status 401): its issuer is down";
    assert_eq!(bench.why(pool), why);
    assert_eq!(bench.events(), ["Down 0"]);
    // The next try is told again.
    bench.pass(2_000);
    let asked = bench.one("server/discover");
    bench.respond(&asked, 401, &[BEARER], "");
    let told = challenge(401, BEARER.1, None, "server/discover");
    assert_eq!(bench.events(), [told]);
    // A token ends the pause.
    bench.input(|backends, cx| backends.no_token(cx, "files", "its issuer is down"));
    bench.token(1);
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("authorization"), Some("Bearer token-number-1"));
    // Retry does the same for all that waits.
    bench.respond(&asked, 401, &[BEARER], "");
    bench.awaiting("it was revoked", false);
    bench.input(|backends, cx| backends.retry(cx, "files"));
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("authorization"), None);
}

#[test]
fn x4_a_token_is_sent_to_the_url_that_it_is_for_and_is_never_told() {
    let mut bench = Bench::new();
    for url in [
        "http://mcp.test/mcp",
        "http://mcp.test/mcp?k=w",
        "https://mcp.test/mcp?k=v",
        "http://other.test/mcp?k=v",
    ] {
        bench.token_for(url, 1);
    }
    bench.start(protected());
    let asked = bench.one("server/discover");
    assert_eq!(asked.field("authorization"), None);
    bench.token(2);
    let pool = bench.greeted(protected(), Some("s"));
    bench.respond(&asked, 401, &[], "");
    for ask in bench.asked() {
        assert_eq!(ask.field("authorization"), Some("Bearer token-number-2"));
    }
    bench.call(pool, 9);
    let call = bench
        .asked()
        .into_iter()
        .find(|one| one.what() == "tools/call");
    bench.respond(&call.unwrap(), 500, &[], "no rows for token-number-2");
    let told = bench.told().join("\n");
    assert!(told.contains("no rows for ***"), "{told}");
    assert!(!told.contains("token-number"), "{told}");
}

#[test]
fn o11_a_refused_call_is_sent_once_more_with_the_next_token_in_the_same_session() {
    let _reached = must_hit(Mark::CallAuthorized);
    let mut bench = Bench::new();
    let pool = bench.let_in();
    bench.refuse(pool, 2, 401, BEARER);
    bench.refuse(pool, 3, 401, BEARER);
    let told = challenge(401, BEARER.1, Some(1), "tools/call t2");
    assert_eq!(bench.events(), [told], "once for a token");
    // One that was on its way when the token came.
    bench.call(pool, 4);
    let late = bench.one("tools/call");
    bench.token(2);
    bench.respond(&late, 401, &[BEARER], "");
    let mut again = bench.asked();
    again.sort_by_key(|asked| asked.body().to_owned());
    assert_eq!(again.len(), 3);
    for (asked, id) in again.iter().zip([2, 3, 4]) {
        assert_eq!(asked.field("authorization"), Some("Bearer token-number-2"));
        assert_eq!(asked.field("mcp-session-id"), Some("s"));
        assert_eq!(asked.body(), request(id));
    }
    assert_eq!(bench.events(), [""; 0]);
    bench.json(&again[0], &answer(2));
    assert_eq!(bench.events(), [response(pool, 2)]);
    // Once more, and not twice.
    bench.respond(&again[1], 401, &[BEARER], "");
    let told = challenge(401, BEARER.1, Some(2), "tools/call t3");
    assert_eq!(bench.events(), [told]);
    bench.token(3);
    let why = "did not accept the token that we had; there is another one now: try again";
    assert_eq!(bench.events(), [lost(3, why)]);
    bench.respond(&again[2], 401, &[BEARER], "");
    let why = "does not accept our token (status 401)";
    assert_eq!(bench.events(), [lost(4, why)]);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn token_ms_max_ends_the_wait_of_a_refused_call() {
    let _reached = must_hit(Mark::TokenLate);
    let mut bench = Bench::new();
    let pool = bench.let_in();
    bench.refuse(pool, 2, 401, BEARER);
    bench.told();
    bench.pass(TOKEN_MS_MAX - 1);
    assert_eq!(bench.events(), [""; 0]);
    bench.pass(1);
    let why = "wants another token; none came within 30.0 s";
    assert_eq!(bench.events(), [lost(2, why)]);
    bench.token(2);
    assert!(bench.asked().is_empty());
    bench.call(pool, 3);
    let asked = bench.one("tools/call");
    assert_eq!(asked.field("authorization"), Some("Bearer token-number-2"));
}

#[test]
fn o11_a_token_that_was_revoked_ends_the_session_until_the_owner_was_there() {
    let mut bench = Bench::new();
    let pool = bench.let_in();
    bench.refuse(pool, 2, 401, BEARER);
    bench.told();
    bench.awaiting("the permission was taken back", false);
    assert_eq!(
        bench.events(),
        ["Down 0"],
        "what was called is the hall's to fail"
    );
    assert!(matches!(bench.state(pool), PoolState::Awaiting { .. }));
    bench.pass(100_000);
    assert!(bench.asked().is_empty());
    bench.token(2);
    let asked = bench.one("initialize");
    assert_eq!(asked.field("authorization"), Some("Bearer token-number-2"));
    assert_eq!(asked.field("mcp-session-id"), None);
}

#[test]
fn o11_more_scope_is_the_affair_of_one_call_and_the_session_goes_on() {
    let mut bench = Bench::new();
    let pool = bench.let_in();
    bench.refuse(pool, 2, 403, MORE);
    let told = challenge(403, MORE.1, Some(1), "tools/call t2");
    assert_eq!(bench.events(), [told]);
    bench.awaiting("more", true);
    assert_eq!(bench.events(), [to_owner(2)]);
    assert_eq!(bench.state(pool), PoolState::Ready);
    // The same again fails at once, another one is told.
    bench.refuse(pool, 2, 403, MORE);
    assert_eq!(bench.events(), [to_owner(2)]);
    bench.refuse(pool, 3, 403, MORE);
    let told = challenge(403, MORE.1, Some(1), "tools/call t3");
    assert_eq!(bench.events(), [told]);
    bench.token(2);
    let again = bench.one("tools/call");
    bench.json(&again, &answer(3));
    assert_eq!(bench.events(), [response(pool, 3)]);
    // An ordinary 403 is none of ours.
    bench.refuse(pool, 4, 403, BEARER);
    let why = "does not let us in (status 403); look at \"headers\"";
    assert_eq!(bench.events(), [lost(4, why)]);
}

#[test]
fn o11_a_server_that_lists_for_everybody_serves_on_while_the_owner_is_asked() {
    let mut bench = Bench::new();
    let pool = bench.greeted(protected(), Some("s"));
    let ears = bench.one("GET");
    bench.respond(&ears, 405, &[], "");
    bench.told();
    bench.refuse(pool, 2, 401, BEARER);
    let told = challenge(401, BEARER.1, None, "tools/call t2");
    assert_eq!(bench.events(), [told]);
    bench.awaiting("more", false);
    assert_eq!(bench.events(), [to_owner(2)]);
    assert_eq!(bench.state(pool), PoolState::Ready);
    bench.refuse(pool, 3, 401, BEARER);
    assert_eq!(bench.events(), [to_owner(3)]);
}

#[test]
fn o11_calls_of_a_modern_server_are_sent_once_more_with_their_fields() {
    let mut bench = Bench::new();
    bench.token(1);
    let pool = bench.start(protected());
    let asked = bench.one("server/discover");
    bench.json(&asked, DISCOVERED);
    let listen = bench.one("subscriptions/listen");
    bench.stream(&listen, &[]);
    bench.told();
    let fields = [("region".to_owned(), "north".to_owned())];
    bench.input(|backends, cx| {
        let message = request(5);
        let sent = backends.send_with_fields(cx, pool, &[message.as_str().into()], &fields);
        assert_eq!(sent, Ok(()));
    });
    let call = bench.one("tools/call");
    bench.respond(&call, 401, &[BEARER], "");
    bench.token(2);
    let again = bench.one("tools/call");
    assert_eq!(again.field("mcp-param-region"), Some("north"));
    assert_eq!(again.field("mcp-name"), Some("t5"));
    assert_eq!(again.body(), request(5));
    bench.json(&again, &answer(5));
    assert_eq!(bench.events().last(), Some(&response(pool, 5)));
    assert_eq!(
        bench
            .backends
            .sessions
            .get_mut(pool)
            .unwrap()
            .remote()
            .unwrap()
            .kept(),
        0
    );
}

#[test]
fn o11_the_stream_of_the_session_is_opened_with_the_next_token_a_few_times() {
    let mut bench = Bench::new();
    bench.token(1);
    let pool = bench.greeted(protected(), Some("s"));
    for number in 1..=STREAMS_REFUSED_MAX {
        let ears = bench.one("GET");
        bench.told();
        bench.respond(&ears, 401, &[BEARER], "");
        let told = challenge(401, BEARER.1, Some(number), "GET");
        // Only the first was good for anything.
        let told = match number {
            1 => told,
            _ => told.replace("accepted: true", "accepted: false"),
        };
        assert_eq!(bench.events(), [told]);
        bench.token(number + 1);
    }
    let ears = bench.one("GET");
    bench.respond(&ears, 401, &[BEARER], "");
    assert_eq!(bench.events(), [""; 0], "it takes no token there");
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn o11_notifications_and_answers_are_sent_once_more() {
    let mut bench = Bench::new();
    let pool = bench.let_in();
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}";
    assert_eq!(bench.send(pool, note), Ok(()));
    let told = bench.one("notifications/roots/list_changed");
    bench.respond(&told, 401, &[BEARER], "");
    assert!(bench.asked().is_empty());
    bench.token(2);
    let again = bench.one("notifications/roots/list_changed");
    assert_eq!(again.body(), note);
    bench.respond(&again, 202, &[], "");
}

#[test]
fn o11_sse_waits_for_a_token_as_the_other_transport_does() {
    let mut bench = Bench::new();
    let spec = protected();
    let Carrier::Remote(at) = &spec.carrier else {
        panic!("a remote server");
    };
    let kind = RemoteKind::Sse;
    let carrier = Carrier::Remote(RemoteSpec { kind, ..at.clone() });
    let pool = bench.start(PoolSpec { carrier, ..spec });
    let stream = bench.one("GET");
    bench.respond(&stream, 401, &[BEARER], "");
    assert_eq!(bench.events().len(), 1);
    bench.token(1);
    let stream = bench.one("GET");
    assert_eq!(stream.field("authorization"), Some("Bearer token-number-1"));
    bench.stream(&stream, &[]);
    bench.chunk(&stream, "event: endpoint\ndata: /m\n\n");
    let hello = bench.one("initialize");
    assert_eq!(hello.field("authorization"), Some("Bearer token-number-1"));
    bench.respond(&hello, 202, &[], "");
    bench.chunk(&stream, &format!("data: {HELLO}\n\n"));
    let initialized = bench.one("notifications/initialized");
    bench.respond(&initialized, 202, &[], "");
    assert_eq!(bench.state(pool), PoolState::Ready);
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 401, &[BEARER], "");
    bench.told();
    bench.token(2);
    let again = bench.one("tools/call");
    assert_eq!(again.field("authorization"), Some("Bearer token-number-2"));
    bench.respond(&again, 202, &[], "");
    bench.chunk(&stream, &format!("data: {}\n\n", answer(2)));
    assert_eq!(bench.events(), [response(pool, 2)]);
}

#[test]
fn f5_a_401_of_an_open_server_that_forgot_the_session_still_opens_another() {
    let mut bench = Bench::new();
    let pool = bench.greeted(protected(), Some("old"));
    let ears = bench.one("GET");
    bench.respond(&ears, 405, &[], "");
    bench.call(pool, 1);
    let call = bench.one("tools/call");
    bench.json(&call, &answer(1));
    bench.told();
    bench.call(pool, 2);
    let call = bench.one("tools/call");
    bench.respond(&call, 401, &[], "");
    assert_eq!(bench.events(), [""; 0]);
    bench.one("initialize");
}

#[test]
fn o11_tokens_that_are_refused_one_after_the_other_are_tried_with_a_pause() {
    let _reached = must_hit(Mark::TokensRefused);
    let mut bench = Bench::new();
    bench.token(1);
    let pool = bench.start(protected());
    for number in 1..=TOKENS_REFUSED_MAX + 1 {
        let asked = bench.one("server/discover");
        bench.respond(&asked, 401, &[BEARER], "");
        bench.told();
        bench.token(number + 1);
    }
    assert_eq!(bench.asked().len(), 0);
    assert_eq!(
        bench.why(pool),
        "does not accept the tokens that its issuer gives us"
    );
    bench.pass(2_000);
    let asked = bench.one("server/discover");
    bench.json(&asked, DISCOVERED);
    assert_eq!(bench.state(pool), PoolState::Ready);
}

#[test]
fn o11_a_call_that_wants_more_than_is_asked_for_gets_the_refusal_of_its_server() {
    let mut bench = Bench::new();
    let pool = bench.let_in();
    for _ in 0..2 {
        bench.refuse(pool, 2, 403, MORE);
        // Each is told, and none waits.
        assert_eq!(
            bench.events(),
            [challenge(403, MORE.1, Some(1), "tools/call t2")]
        );
        bench.input(|backends, cx| backends.no_more(cx, "files"));
        let why = "does not let us in (status 403); look at \"headers\"";
        assert_eq!(bench.events(), [lost(2, why)]);
    }
    assert_eq!(bench.state(pool), PoolState::Ready);
    // At the beginning it is a failure like others.
    let mut bench = Bench::new();
    bench.token(1);
    let pool = bench.start(protected());
    let asked = bench.one("server/discover");
    bench.respond(&asked, 403, &[MORE], "");
    bench.told();
    bench.input(|backends, cx| backends.no_more(cx, "files"));
    let why = "lets us in with no scopes that can be asked for (status 403)";
    assert_eq!(bench.why(pool), why);
    bench.pass(2_000);
    bench.one("server/discover");
}
