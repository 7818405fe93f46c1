//! With `--enable-auth`: R1 to R4 and R8, what ends with a token or a grant, and X10.

use super::kit::*;
use crate::base::mark::{Mark, must_hit};
use crate::cx::Alarm;
use crate::language::{At, ClientEvent, ClientKey};
use crate::limits::{LISTENS_PER_GRANT_MAX, SESSION_SPARE_MS, SESSIONS_PER_GRANT_MAX};
use crate::links::LinkKey;
use crate::now::UnixSeconds;
use crate::oauth::door::Keys;
use crate::oauth::token::{Claims, SigningKey};
use crate::principal::{GrantId, Scopes};
use crate::settings::{HealthLevel, Settings};

const ISSUER: &str = "http://127.0.0.1:3050";
const NOW: u64 = 1_000;
const META: &str = "http://127.0.0.1:3050/.well-known/oauth-protected-resource";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

pub(super) fn keys(revoked: &[u8]) -> Keys {
    let revoked = revoked.iter().map(|grant| GrantId([*grant; 16]));
    Keys {
        issuer: ISSUER.into(),
        keys: vec![(key().kid(), key().public())],
        revoked: revoked.map(|grant| (grant, UnixSeconds(9_999))).collect(),
    }
}

/// The field of a grant whose token ends at this moment.
fn bearer_until(grant: u8, scopes: &str, expires: u64) -> String {
    let claims = Claims {
        issuer: ISSUER.into(),
        audience: ISSUER.into(),
        grant: GrantId([grant; 16]),
        client: "c".into(),
        scopes: Scopes::parse(scopes).unwrap(),
        issued: UnixSeconds(NOW),
        not_before: UnixSeconds(NOW),
        expires: UnixSeconds(expires),
        id: [grant; 16],
    };
    format!("Bearer {}", key().sign(&claims).reveal())
}

pub(super) fn bearer(grant: u8) -> String {
    bearer_until(grant, "mcp", NOW + 100)
}

pub(super) fn settings() -> Settings {
    Settings {
        auth: true,
        ..Settings::default()
    }
}

pub(super) fn closed() -> Kit {
    let mut kit = Kit::with(&settings());
    kit.world.now.wall = UnixSeconds(NOW);
    kit
}

pub(super) fn open() -> Kit {
    let mut kit = closed();
    kit.clients.set_keys(&mut kit.world.cx(), keys(&[]));
    kit
}

fn revoke(kit: &mut Kit, grant: u8) -> Vec<Told> {
    kit.clients.set_keys(&mut kit.world.cx(), keys(&[grant]));
    kit.pull()
}

/// Seconds pass on both clocks.
fn wait(kit: &mut Kit, seconds: u64) -> Vec<Told> {
    kit.world.now.wall.0 += seconds;
    kit.wait(seconds * 1_000)
}

/// A session of `/mcp`, opened with this token.
pub(super) fn session(kit: &mut Kit, bearer: &str) -> Session {
    let link = kit.connect();
    let fields = [("Authorization", bearer)];
    let told = kit.send(link, post(&fields, &initialize("2025-11-25")));
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    let answer = Answer::read(&kit.take_bytes(link));
    let id = answer.header("mcp-session-id").unwrap().to_owned();
    Session { client, id }
}

fn listen(bearer: &str) -> String {
    let fields = [
        ("Authorization", bearer),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    post(&fields, body)
}

pub(super) fn call(bearer: &str) -> String {
    let fields = [
        ("Authorization", bearer),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/list"),
    ];
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    post(&fields, body)
}

fn taken(kit: &mut Kit, request: &str) -> Call {
    let link = kit.connect();
    let told = kit.send(link, request);
    let (client, at, _) = told.first().expect("was taken").request();
    Call { link, client, at }
}

fn sse(kit: &mut Kit, bearer: &str) -> (LinkKey, String) {
    let (link, _, answer) = kit.ask_http(&http("GET", "/sse", &[("Authorization", bearer)], ""));
    assert_eq!(answer.status, 200);
    (link, events(&answer.body)[0].1.clone())
}

fn is_over(kit: &mut Kit, link: LinkKey) -> bool {
    unchunk(&kit.take_bytes(link)).1
}

fn gone(told: &[Told]) -> Vec<ClientKey> {
    let gone = told.iter().filter_map(|told| match told.event {
        ClientEvent::Gone { client } | ClientEvent::Released { client } => Some(client),
        _ => None,
    });
    gone.collect()
}

#[test]
fn r1_r2_every_request_of_mcp_needs_a_token_and_names_its_metadata() {
    let mut kit = open();
    let mine = session(&mut kit, &bearer(1));
    let id = [("Mcp-Session-Id", mine.id.as_str())];
    let (_, messages) = sse(&mut kit, &bearer(1));
    for (request, resource) in [
        (post(&[], &initialize("2025-11-25")), "mcp"),
        (post(&id, &request("1")), "mcp"),
        (post(&id, "not json"), "mcp"),
        (http("GET", "/mcp", &id, ""), "mcp"),
        (http("GET", "/mcp/", &id, ""), "mcp/"),
        (http("GET", "/mcp?preset=x", &id, ""), "mcp?preset=x"),
        (http("DELETE", "/mcp", &id, ""), "mcp"),
        (http("GET", "/sse", &[], ""), "sse"),
        (http("POST", &messages, &[], &request("1")), "sse"),
    ] {
        let (_, told, answer) = kit.ask_http(&request);
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.code()), (401, -32600), "{request}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.header("www-authenticate"),
            Some(&*format!(
                "Bearer resource_metadata=\"{META}/{resource}\", scope=\"mcp\""
            ))
        );
        let bad = request.replacen("\r\n", "\r\nAuthorization: Bearer x.y.z\r\n", 1);
        let (_, told, answer) = kit.ask_http(&bad);
        assert!(told.is_empty() && answer.status == 401);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer error=\"invalid_token\""),
            "{challenge}"
        );
        assert!(
            challenge.contains(&format!("{META}/{resource}\"")),
            "{challenge}"
        );
    }
    assert!(kit.clients.facts(mine.client).is_some());
}

#[test]
fn r4_malformed_requests_are_400_and_a_token_in_the_query_is_one() {
    let mut kit = open();
    let bearer = bearer(1);
    let token = &bearer[7..];
    let hello = initialize("2025-11-25");
    let query = format!("/mcp?access_token={token}");
    for request in [
        http("POST", &query, &[], &hello),
        http("POST", &query, &[("Authorization", &bearer)], &hello),
        post(&[("Authorization", "Bearer")], &hello),
    ] {
        let (_, told, answer) = kit.ask_http(&request);
        assert!(told.is_empty());
        assert_eq!((answer.status, answer.code()), (400, -32600));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_request\""));
        assert!(!answer.body.contains(token) && !challenge.contains(token));
    }
}

#[test]
fn nobody_comes_in_before_the_keys_are_known() {
    let mut kit = closed();
    let request = post(&[("Authorization", &bearer(1))], &initialize("2025-11-25"));
    let (_, told, answer) = kit.ask_http(&request);
    assert!(told.is_empty());
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (503, None)
    );
    assert!(answer.header("retry-after").is_some());
    kit.clients.set_keys(&mut kit.world.cx(), keys(&[]));
    assert_eq!(kit.ask_http(&request).1.len(), 1);
}

#[test]
fn x15_a_preflight_needs_no_token_and_its_page_may_read_the_challenge() {
    let mut kit = open();
    let page = ("Origin", "http://localhost:6274");
    for path in ["/mcp", "/sse", "/messages"] {
        let (_, _, answer) = kit.ask_http(&http("OPTIONS", path, &[page], ""));
        assert_eq!(answer.status, 204, "{path}");
        let allowed = answer.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("Authorization"));
    }
    let (_, _, answer) = kit.ask_http(&post(&[page], &initialize("2025-11-25")));
    assert_eq!(answer.status, 401);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("WWW-Authenticate"));
}

#[test]
fn r5_the_metadata_are_named_in_the_spelling_of_the_client_and_never_from_a_foreign_host() {
    let mut kit = open();
    let challenge = |kit: &mut Kit, host: &str| {
        let (_, _, answer) = kit.ask_http(&post(&[("Host", host)], &initialize("2025-11-25")));
        answer.header("www-authenticate").map(str::to_owned)
    };
    let localhost = challenge(&mut kit, "localhost:3050").unwrap();
    assert!(localhost.contains("=\"http://localhost:3050/.well-known/"));
    let mut wild = Kit::with(&Settings {
        host: "0.0.0.0".to_owned(),
        external_url: Some("https://mcp.example.com".to_owned()),
        ..settings()
    });
    wild.clients.set_keys(&mut wild.world.cx(), keys(&[]));
    // Contract 5: any host, since pages that were rebound to us have no token.
    let other = challenge(&mut wild, "evil.example").unwrap();
    assert!(other.contains("=\"https://mcp.example.com/.well-known/"));
}

/// Whose requests on which session are taken: two grants, ids of either transport.
#[test]
fn r8_a_session_is_unknown_to_every_grant_but_its_own() {
    let mut kit = open();
    let mine = [1, 2].map(|grant| session(&mut kit, &bearer(grant)));
    let streams = [1, 2].map(|grant| sse(&mut kit, &bearer(grant)).1);
    for (who, whose, is_taken) in [(1, 0, true), (1, 1, false), (2, 0, false), (2, 1, true)] {
        let bearer = bearer(who);
        let mcp = [
            ("Authorization", &*bearer),
            ("Mcp-Session-Id", &*mine[whose].id),
        ];
        let sse = [("Authorization", &*bearer)];
        // The same id of a request in every session: each is answered where it came from.
        let (_, told, answer) = kit.ask_http(&post(&mcp, &request("7")));
        assert_eq!(
            (told.len(), answer.status == 404),
            (usize::from(is_taken), !is_taken)
        );
        if is_taken {
            assert_eq!(told[0].request().0, mine[whose].client);
        }
        let (_, told, answer) = kit.ask_http(&http("POST", &streams[whose], &sse, &request("7")));
        let status = if is_taken { 202 } else { 404 };
        assert_eq!((told.len(), answer.status), (usize::from(is_taken), status));
        // An id of the one transport on the other is unknown to its owner too.
        let (_, id) = streams[whose].split_once('=').unwrap();
        let crossed = [("Authorization", &*bearer), ("Mcp-Session-Id", id)];
        assert_eq!(kit.ask_http(&post(&crossed, &request("8"))).2.status, 404);
        let path = format!("/messages?sessionId={}", mine[whose].id);
        assert_eq!(
            kit.ask_http(&http("POST", &path, &sse, &request("8")))
                .2
                .status,
            404
        );
        if !is_taken {
            for method in ["GET", "DELETE"] {
                let (_, told, answer) = kit.ask_http(&http(method, "/mcp", &mcp, ""));
                assert_eq!((told.len(), answer.status), (0, 404), "{method}");
            }
        }
    }
    assert!(
        mine.iter()
            .all(|one| kit.clients.facts(one.client).is_some())
    );
}

#[test]
fn r8_what_a_client_may_see_follows_the_token_of_its_latest_request() {
    let mut kit = open();
    let mine = session(&mut kit, &bearer_until(1, "mcp", NOW + 50));
    let scopes = |kit: &Kit| {
        let sight = kit.clients.sight(mine.client);
        let who = sight.principal().unwrap();
        (who.scopes.text(), who.expires.0)
    };
    assert_eq!(scopes(&kit), ("mcp".to_owned(), NOW + 50));
    let less = bearer_until(1, "tag:a", NOW + 90);
    kit.call(&mine, &[("Authorization", &less)], "1");
    assert_eq!(scopes(&kit), ("tag:a".to_owned(), NOW + 90));
    let alone = taken(&mut kit, &call(&less));
    let sight = kit.clients.sight(alone.client);
    assert_eq!(sight.grant(), Some(GrantId([1; 16])));
    let tags = sight.principal().map(|who| who.scopes.text());
    assert_eq!(tags.as_deref(), Some("tag:a"));
    // Our own stdin is nobody's.
    let stdio = kit.stdio();
    let told = kit.send(stdio, initialize("2025-11-25") + "\n");
    assert_eq!(kit.clients.sight(told[0].request().0).grant(), None);
}

#[test]
fn a_revoked_grant_loses_its_sessions_and_streams_at_once_and_no_other() {
    let _revoked = must_hit(Mark::GrantRevoked);
    let mut kit = open();
    let theirs = session(&mut kit, &bearer(2));
    let mine = session(&mut kit, &bearer(1));
    let field = bearer(1);
    let auth = [("Authorization", &*field)];
    let main = kit.get(&mine, &auth);
    let running = kit.call(&mine, &auth, "1");
    let (stream, _) = sse(&mut kit, &field);
    let held = taken(&mut kit, &call(&field));
    let listening = taken(&mut kit, &listen(&field));
    kit.tell(listening.client, NOTE);
    for link in [main, running.link, stream, held.link, listening.link] {
        kit.take_bytes(link);
    }
    let told = revoke(&mut kit, 1);
    assert_eq!(gone(&told).len(), 4);
    assert!(
        [main, stream, listening.link]
            .into_iter()
            .all(|link| is_over(&mut kit, link))
    );
    assert_eq!(Answer::read(&kit.take_bytes(running.link)).status, 404);
    let answer = Answer::read(&kit.take_bytes(held.link));
    assert_eq!((answer.status, answer.code()), (401, -32600));
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains("invalid_token")
    );
    let (_, told, answer) = kit.ask_http(&mine.post(&auth, &request("2")));
    assert_eq!((told.len(), answer.status), (0, 401));
    assert!(kit.clients.facts(theirs.client).is_some());
    kit.call(&theirs, &[("Authorization", &bearer(2))], "1");
}

#[test]
fn open_streams_end_with_the_newest_token_that_was_seen() {
    let _over = must_hit(Mark::GrantTokensOver);
    let mut kit = open();
    let old = bearer_until(1, "mcp", NOW + 10);
    let mine = session(&mut kit, &old);
    let main = kit.get(&mine, &[("Authorization", &old)]);
    let (stream, _) = sse(&mut kit, &old);
    let listening = taken(&mut kit, &listen(&old));
    kit.tell(listening.client, NOTE);
    let running = kit.call(&mine, &[("Authorization", &old)], "1");
    // A newer one is seen on a request that has nothing to do with them.
    let newer = bearer_until(1, "mcp", NOW + 20);
    let other = taken(&mut kit, &call(&newer));
    for link in [main, stream, listening.link] {
        kit.take_bytes(link);
    }
    assert!(wait(&mut kit, 10).is_empty());
    let streams = [main, stream, listening.link];
    assert!(!streams.into_iter().any(|link| is_over(&mut kit, link)));
    assert!(kit.clients.facts(other.client).is_some());
    let told = wait(&mut kit, 10);
    assert_eq!(gone(&told).len(), 2);
    assert!(
        [main, stream]
            .into_iter()
            .all(|link| is_over(&mut kit, link))
    );
    // A subscription ends with its answer, a call that runs is answered.
    assert!(kit.take(listening.link).contains("subscriptionId"));
    kit.answer(running.client, running.at, RESULT);
    assert!(kit.take(running.link).contains(RESULT));
    // The session is still there for who has a newer token, and for no one without.
    let again = mine.post(&[("Authorization", &newer)], &request("2"));
    assert_eq!(kit.ask_http(&again).2.status, 401);
    let newest = bearer_until(1, "mcp", NOW + 60);
    kit.call(&mine, &[("Authorization", &newest)], "2");
    let main = kit.get(&mine, &[("Authorization", &newest)]);
    kit.take_bytes(main);
    wait(&mut kit, 39);
    assert!(!is_over(&mut kit, main));
    wait(&mut kit, 1);
    assert!(is_over(&mut kit, main));
}

#[test]
fn a_clock_that_was_set_back_only_makes_us_look_again() {
    let mut kit = open();
    let mine = session(&mut kit, &bearer_until(1, "mcp", NOW + 10));
    let main = kit.get(
        &mine,
        &[("Authorization", &bearer_until(1, "mcp", NOW + 10))],
    );
    kit.take_bytes(main);
    kit.wait(10_000);
    assert!(!is_over(&mut kit, main));
    kit.world.now.wall = UnixSeconds(NOW + 10);
    kit.wait(10_000);
    assert!(is_over(&mut kit, main));
}

#[test]
fn no_alarm_is_left_when_nothing_is_open() {
    let mut kit = open();
    let field = bearer(1);
    let alone = taken(&mut kit, &call(&field));
    assert_eq!(kit.world.timers.get(Alarm::Door), None);
    kit.answer(alone.client, alone.at, RESULT);
    kit.pull();
    let mine = session(&mut kit, &field);
    assert!(kit.world.timers.get(Alarm::Door).is_some());
    kit.ask_http(&mine.http("DELETE", &[("Authorization", &field)], ""));
    assert_eq!(kit.world.timers.get(Alarm::Door), None);
}

#[test]
fn x10_one_grant_cannot_take_the_room_of_all() {
    let _full = must_hit(Mark::GrantSessionsFull);
    let _room = must_hit(Mark::GrantMakesRoom);
    let mut kit = open();
    let field = bearer_until(1, "mcp", NOW + 100_000);
    let hello = post(&[("Authorization", &field)], &initialize("2025-11-25"));
    let link = kit.connect();
    let mut first = None;
    for _ in 0..SESSIONS_PER_GRANT_MAX {
        let told = kit.send(link, &hello);
        let (client, at, _) = told[0].request();
        first.get_or_insert(client);
        kit.answer(client, at, RESULT);
        kit.take_bytes(link);
    }
    let (_, told, answer) = kit.ask_http(&hello);
    assert_eq!((told.len(), answer.status), (0, 429));
    let (_, told, answer) = kit.ask_http(&http("GET", "/sse", &[("Authorization", &field)], ""));
    assert_eq!((told.len(), answer.status), (0, 429));
    session(&mut kit, &bearer(2));
    kit.wait(SESSION_SPARE_MS);
    let (_, told, _) = kit.ask_http(&hello);
    assert_eq!(told.len(), 2, "one has gone, one is new");
    assert_eq!(kit.clients.facts(first.unwrap()), None);
}

#[test]
fn x10_one_grant_cannot_take_all_subscriptions() {
    let _full = must_hit(Mark::GrantListensFull);
    let mut kit = open();
    for _ in 0..LISTENS_PER_GRANT_MAX {
        taken(&mut kit, &listen(&bearer(1)));
    }
    let (_, told, answer) = kit.ask_http(&listen(&bearer(1)));
    assert_eq!((told.len(), answer.status), (0, 429));
    taken(&mut kit, &listen(&bearer(2)));
    taken(&mut kit, &call(&bearer(1)));
}

const ERROR: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}"#;

fn forbid(kit: &mut Kit, client: ClientKey, at: At) {
    let Kit { clients, world, .. } = kit;
    clients.forbid(&mut world.cx(), client, at, "tag:a tag:b", &[ERROR.into()]);
}

#[test]
fn r3_too_few_scopes_are_403_with_all_that_are_needed() {
    let mut kit = open();
    let field = bearer(1);
    let mine = session(&mut kit, &field);
    let auth = [("Authorization", &*field), ("Host", "localhost:3050")];
    let running = kit.call(&mine, &auth, "1");
    let alone = taken(&mut kit, &call(&field).replace("127.0.0.1:", "localhost:"));
    for call in [running, alone] {
        forbid(&mut kit, call.client, call.at);
        let answer = Answer::read(&kit.take_bytes(call.link));
        assert_eq!((answer.status, answer.body.as_str()), (403, ERROR));
        assert_eq!(
            answer.header("www-authenticate"),
            Some(
                "Bearer error=\"insufficient_scope\", scope=\"tag:a tag:b\", \
                 resource_metadata=\"http://localhost:3050/.well-known/oauth-protected-resource/mcp\
                 \", error_description=\"the access token does not cover this\""
            )
        );
        // Its connection goes on, and it is answered once.
        kit.answer(call.client, call.at, RESULT);
        assert_eq!(kit.take(call.link), "");
        assert_eq!(
            kit.send(call.link, mine.post(&auth, &request("9")))
                .iter()
                .filter(|told| { matches!(told.event, ClientEvent::Request { .. }) })
                .count(),
            1
        );
        let told = kit.eof(call.link);
        assert!(gone(&told).is_empty());
        kit.ask_http(&mine.post(&auth, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#));
        let calls: Vec<_> = (0..20).map(At).collect();
        calls
            .into_iter()
            .for_each(|at| kit.drop_request(mine.client, at));
    }
    assert_eq!(kit.clients.count().exchanges, 0);
}

#[test]
fn r3_where_events_are_sent_already_the_error_is_one_of_them() {
    let mut kit = open();
    let field = bearer(1);
    let mine = session(&mut kit, &field);
    let running = kit.call(&mine, &[("Authorization", &field)], "1");
    let alone = taken(&mut kit, &call(&field));
    for call in [running, alone] {
        kit.note(call.client, call.at, NOTE);
        forbid(&mut kit, call.client, call.at);
        let answer = Answer::read(&kit.take_bytes(call.link));
        assert_eq!((answer.status, answer.whole), (200, true));
        assert_eq!(events(&answer.body).last().unwrap().1, ERROR);
    }
    let (stream, path) = sse(&mut kit, &field);
    let posted = http("POST", &path, &[("Authorization", &field)], &request("1"));
    let (_, told, answer) = kit.ask_http(&posted);
    assert_eq!(answer.status, 202);
    let (client, at, _) = told[0].request();
    forbid(&mut kit, client, at);
    assert!(kit.take(stream).contains(ERROR));
}

#[test]
fn contract_5_health_says_more_than_the_status_only_to_who_may_see_all() {
    let full = |kit: &mut Kit, fields: &[(&str, &str)]| {
        let (_, told, _) = kit.ask_http(&http("GET", "/health", fields, ""));
        matches!(told[0].event, ClientEvent::Page { full: true, .. })
    };
    let mut kit = Kit::with(&Settings {
        health: HealthLevel::Full,
        ..settings()
    });
    kit.world.now.wall = UnixSeconds(NOW);
    assert!(!full(&mut kit, &[("Authorization", &bearer(1))]));
    kit.clients.set_keys(&mut kit.world.cx(), keys(&[]));
    assert!(full(&mut kit, &[("Authorization", &bearer(1))]));
    let some = bearer_until(1, "tag:a", NOW + 100);
    assert!(!full(&mut kit, &[("Authorization", &some)]));
    assert!(!full(&mut kit, &[("Authorization", "Bearer x")]));
    assert!(!full(&mut kit, &[]));
    let mut without = Kit::with(&Settings {
        health: HealthLevel::Full,
        ..Settings::default()
    });
    assert!(full(&mut without, &[]));
}

#[test]
fn without_enable_auth_a_token_means_nothing() {
    let mut kit = Kit::default();
    let fields = [("Authorization", "Bearer x")];
    let (_, told, _) = kit.ask_http(&post(&fields, &initialize("2025-11-25")));
    let (client, ..) = told[0].request();
    assert_eq!(kit.clients.sight(client).grant(), None);
    assert_eq!(kit.world.timers.get(Alarm::Door), None);
}
