//! Requests without a session, on `/mcp` and on our stdin (protocol 2.D, B2, B5).

use super::kit::*;
use crate::language::ClientEvent;
use crate::limits::{CALLS_PER_CLIENT_MAX, LISTENS_MAX, STREAM_HOLD_MS};
use crate::links::LinkKey;
use crate::mcp::version::Version;
use crate::tally::End;

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

/// A request with these members of `params`.
fn body(id: &str, method: &str, members: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}"_meta":{{{META}}}}}}}"#
    )
}

/// Its fields.
fn fields<'a>(method: &'a str, name: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", method),
    ];
    fields.extend(name.map(|name| ("Mcp-Name", name)));
    fields
}

pub(super) fn list(id: &str) -> String {
    post(&fields("tools/list", None), &body(id, "tools/list", ""))
}

fn call(id: &str) -> String {
    let body = body(id, "tools/call", r#""name":"t","#);
    post(&fields("tools/call", Some("t")), &body)
}

/// A request that was taken.
fn taken(kit: &mut Kit, request: &str) -> Call {
    let (link, told, answer) = kit.ask_http(request);
    assert_eq!(answer.status, 0, "{}", answer.body);
    let (client, at, _) = told.first().expect("was taken").request();
    Call { link, client, at }
}

fn released(told: &[Told]) -> bool {
    matches!(
        told,
        [Told {
            event: ClientEvent::Released { .. },
            ..
        }]
    )
}

#[test]
fn d1_a_modern_request_is_a_client_of_its_own_that_ends_with_its_answer() {
    let mut kit = Kit::default();
    let (first, second) = (taken(&mut kit, &call("1")), taken(&mut kit, &call("1")));
    assert_ne!(first.client, second.client);
    let facts = kit.clients.facts(first.client).unwrap();
    assert_eq!((facts.version, facts.initialized), (Version::MODERN, false));
    assert_eq!(kit.clients.count().sessions, 0);
    kit.answer(second.client, second.at, RESULT);
    assert!(released(&kit.pull()));
    assert_eq!(Answer::read(&kit.take_bytes(first.link)).status, 0);
    let answer = Answer::read(&kit.take_bytes(second.link));
    assert_eq!((answer.status, answer.body.as_str()), (200, RESULT));
    assert_eq!(answer.header("mcp-session-id"), None);
    assert!(kit.clients.facts(second.client).is_none());
    // A second answer vanishes.
    kit.answer(second.client, second.at, RESULT);
    assert_eq!(kit.clients.count().exchanges, 1);
}

#[test]
fn d1_to_d21_refusals_in_the_order_of_their_checks() {
    let mut kit = Kit::default();
    let list = "tools/list";
    let plain = |members: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{members}}}}}"#)
    };
    let meta = |version: &str| {
        let rest = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
        plain(&format!(
            r#""_meta":{{"io.modelcontextprotocol/protocolVersion":{version},{rest}}}"#
        ))
    };
    let bare = plain(r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#);
    let level = body("1", list, "").replace(
        META,
        &format!(r#"{META},"io.modelcontextprotocol/logLevel":"loud""#),
    );
    let good = body("1", list, "");
    let named = body("1", "tools/call", r#""name":"tëst","#);
    let version = ("MCP-Protocol-Version", "2026-07-28");
    let method = ("Mcp-Method", list);
    let (call, by) = (("Mcp-Method", "tools/call"), |name| ("Mcp-Name", name));
    let removed = |method: &str| body("1", method, "");
    for (what, fields, body, status, code) in [
        ("no version field", vec![method], good.clone(), 400, -32020),
        ("no _meta", vec![version, method], plain(""), 400, -32602),
        ("no capabilities", vec![version, method], bare, 400, -32602),
        (
            "the version is no string",
            vec![version, method],
            meta("7"),
            400,
            -32602,
        ),
        (
            "field and body differ",
            vec![("MCP-Protocol-Version", "2025-11-25"), method],
            good.clone(),
            400,
            -32020,
        ),
        (
            "unknown revision",
            vec![("MCP-Protocol-Version", "2099-01-01"), method],
            meta("\"2099-01-01\""),
            400,
            -32022,
        ),
        (
            "a revision with sessions",
            vec![("MCP-Protocol-Version", "2025-11-25"), method],
            meta("\"2025-11-25\""),
            400,
            -32022,
        ),
        ("no method field", vec![version], good.clone(), 400, -32020),
        (
            "another method",
            vec![version, ("Mcp-Method", "TOOLS/LIST")],
            good.clone(),
            400,
            -32020,
        ),
        (
            "a removed method",
            vec![version, ("Mcp-Method", "ping")],
            removed("ping"),
            404,
            -32601,
        ),
        (
            "initialize",
            vec![version, ("Mcp-Method", "initialize")],
            removed("initialize"),
            404,
            -32601,
        ),
        ("no name", vec![version, call], named.clone(), 400, -32020),
        (
            "another name",
            vec![version, call, by("test")],
            named.clone(),
            400,
            -32020,
        ),
        (
            "a bare name beyond ASCII",
            vec![version, call, by("tëst")],
            named.clone(),
            400,
            -32020,
        ),
        (
            "bad base64",
            vec![version, call, by("=?base64?dMOrc3Q?=")],
            named.clone(),
            400,
            -32020,
        ),
        (
            "an unknown level",
            vec![version, method],
            level,
            400,
            -32602,
        ),
        (
            "a response",
            vec![version],
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
            400,
            -32600,
        ),
        ("an array", vec![version], format!("[{good}]"), 400, -32600),
        ("no JSON", vec![version], "{".to_owned(), 400, -32700),
    ] {
        let (_, told, answer) = kit.ask_http(&post(&fields, &body));
        assert!(told.is_empty(), "{what}");
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{what}: {}",
            answer.body
        );
    }
    let coded = [version, call, by(" =?base64?dMOrc3Q=?= ")];
    taken(&mut kit, &post(&coded, &named));
    assert_eq!(kit.clients.count().exchanges, 1);
}

#[test]
fn d1_unsupported_revisions_are_told_the_ones_that_are() {
    let mut kit = Kit::default();
    let fields = [("MCP-Protocol-Version", "2099-01-01")];
    let (_, _, answer) = kit.ask_http(&post(&fields, &request("1")));
    assert_eq!((answer.status, answer.code()), (400, -32022));
    assert!(
        answer
            .body
            .contains(r#""supported":["2026-07-28","2025-11-25","#)
    );
    assert!(answer.body.contains(r#""requested":"2099-01-01""#));
}

#[test]
fn d5_an_early_note_or_a_long_wait_opens_an_event_stream() {
    let mut kit = Kit::default();
    let noted = taken(&mut kit, &call("1"));
    kit.note(noted.client, noted.at, NOTE);
    kit.answer(noted.client, noted.at, RESULT);
    kit.pull();
    let waited = taken(&mut kit, &call("2"));
    kit.wait(STREAM_HOLD_MS);
    // What is about no request in particular goes nowhere.
    kit.note(waited.client, crate::language::At::MAIN, NOTE);
    kit.tell(waited.client, NOTE);
    kit.clients.refuse(
        &mut kit.world.cx(),
        waited.client,
        waited.at,
        (End::Refused, -32601),
        &[RESULT.into()],
    );
    for (link, messages) in [
        (noted.link, vec![NOTE, RESULT]),
        (waited.link, vec![RESULT]),
    ] {
        let answer = Answer::read(&kit.take_bytes(link));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-accel-buffering"), Some("no"));
        assert!(
            answer.whole && !answer.body.contains("id:"),
            "{}",
            answer.body
        );
        let data: Vec<&str> = answer
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        assert_eq!(data, messages);
    }
}

#[test]
fn d5_errors_of_ours_have_statuses_of_their_own() {
    let mut kit = Kit::default();
    for (code, status) in [
        (-32601, 404),
        (-32020, 400),
        (-32021, 400),
        (-32602, 200),
        (-32603, 200),
    ] {
        let call = taken(&mut kit, &call("1"));
        let world = &mut kit.world.cx();
        kit.clients.refuse(
            world,
            call.client,
            call.at,
            (End::Error, code),
            &[RESULT.into()],
        );
        assert!(released(&kit.pull()));
        assert_eq!(Answer::read(&kit.take_bytes(call.link)).status, status);
    }
}

#[test]
fn d5_who_takes_only_json_gets_no_notes_and_cannot_listen() {
    let mut kit = Kit::default();
    let json = ("Accept", "application/json");
    let mut only = fields("tools/list", None);
    only.push(json);
    let call = taken(&mut kit, &post(&only, &body("1", "tools/list", "")));
    kit.note(call.client, call.at, NOTE);
    kit.wait(STREAM_HOLD_MS);
    kit.answer(call.client, call.at, RESULT);
    kit.pull();
    assert_eq!(Answer::read(&kit.take_bytes(call.link)).body, RESULT);
    let mut only = fields("subscriptions/listen", None);
    only.push(json);
    let listen = body("1", "subscriptions/listen", r#""notifications":{},"#);
    let (_, told, answer) = kit.ask_http(&post(&only, &listen));
    assert_eq!((told.len(), answer.status), (0, 406));
}

#[test]
fn d7_who_hangs_up_does_not_want_the_answer() {
    type Kill = fn(&mut Kit, LinkKey) -> Vec<Told>;
    let kills: [Kill; 2] = [Kit::eof, Kit::broken];
    for kill in kills {
        for noted in [false, true] {
            let mut kit = Kit::default();
            let call = taken(&mut kit, &call("1"));
            if noted {
                kit.note(call.client, call.at, NOTE);
            }
            assert!(released(&kill(&mut kit, call.link)));
            kit.answer(call.client, call.at, RESULT);
            assert_eq!((kit.pull().len(), kit.clients.count().exchanges), (0, 0));
        }
    }
}

#[test]
fn d8_notifications_are_accepted_and_mean_nothing() {
    let mut kit = Kit::default();
    let call = taken(&mut kit, &call("1"));
    let cancelled =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let (_, told, answer) =
        kit.ask_http(&post(&fields("notifications/cancelled", None), cancelled));
    assert_eq!(
        (told.len(), answer.status, answer.body.as_str()),
        (0, 202, "")
    );
    kit.answer(call.client, call.at, RESULT);
    assert_eq!(Answer::read(&kit.take_bytes(call.link)).body, RESULT);
}

#[test]
fn d11_d12_a_session_means_nothing_to_a_modern_request() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let mut all = fields("tools/list", None);
    all.push(("Last-Event-ID", "1-1"));
    let call = taken(&mut kit, &session.post(&all, &body("1", "tools/list", "")));
    assert_ne!(call.client, session.client);
    let modern = [("MCP-Protocol-Version", "2026-07-28")];
    for method in ["GET", "DELETE"] {
        let (_, told, answer) = kit.ask_http(&session.http(method, &modern, ""));
        assert_eq!((told.len(), answer.status), (0, 405));
    }
    assert!(kit.clients.facts(session.client).is_some());
}

#[test]
fn d18_subscriptions_are_bounded_and_end_with_a_result_when_we_stop() {
    let mut kit = Kit::default();
    let listen = body("\"l\"", "subscriptions/listen", r#""notifications":{},"#);
    let request = post(&fields("subscriptions/listen", None), &listen);
    let calls: Vec<Call> = (0..LISTENS_MAX)
        .map(|_| taken(&mut kit, &request))
        .collect();
    let (_, told, answer) = kit.ask_http(&request);
    assert_eq!((told.len(), answer.status), (0, 429));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // A call still fits.
    taken(&mut kit, &call("1"));
    assert!(released(&kit.broken(calls[1].link)));
    taken(&mut kit, &request);
    kit.tell(calls[0].client, NOTE);
    kit.clients.stop(&mut kit.world.cx());
    let answer = Answer::read(&kit.take_bytes(calls[0].link));
    assert!(
        answer.whole && answer.body.contains(NOTE),
        "{}",
        answer.body
    );
    assert!(
        answer
            .body
            .contains(r#""id":"l","result":{"resultType":"complete""#)
    );
    assert!(
        answer
            .body
            .contains(r#""io.modelcontextprotocol/subscriptionId":"l""#)
    );
    assert_eq!(kit.pull().len(), LISTENS_MAX + 1);
    assert_eq!(kit.clients.count().exchanges, 0);
}

#[test]
fn b2_both_eras_share_one_pipe_byte_by_byte() {
    let discover = body("1", "server/discover", "");
    let lines = format!(
        "{discover}\n{}\n{}\n{INITIALIZED}\n{}\n",
        initialize("2025-11-25"),
        body("3", "tools/list", ""),
        request("4")
    );
    for at in (0..lines.len()).step_by(7) {
        let mut kit = Kit::default();
        let link = kit.stdio();
        let mut told = kit.send(link, &lines[..at]);
        told.extend(kit.send(link, &lines[at..]));
        let clients: Vec<_> = told
            .iter()
            .filter(|one| !matches!(one.event, ClientEvent::Initialized { .. }))
            .map(|one| one.request().0)
            .collect();
        let [first, legacy, second, again] = clients.as_slice() else {
            panic!("{at}")
        };
        assert!(legacy == again && first != legacy && second != legacy && first != second);
        let at = told[0].request().1;
        kit.answer(*first, at, RESULT);
        assert!(released(&kit.pull()));
        assert_eq!(kit.take(link), format!("{RESULT}\n"));
    }
}

#[test]
fn b2_what_a_line_says_of_itself_is_checked_too() {
    let mut kit = Kit::default();
    let link = kit.stdio();
    for (line, code) in [
        (body("1", "ping", ""), "-32601"),
        (
            body("1", "tools/list", "").replace("2026-07-28", "2027-01-01"),
            "-32022",
        ),
        (body("1", "tools/list", "").replace("{}", "7"), "-32602"),
    ] {
        assert!(kit.send(link, format!("{line}\n")).is_empty());
        let said = kit.take(link);
        assert!(said.contains(&format!(r#""code":{code}"#)), "{said}");
    }
}

#[test]
fn b5_a_cancelled_line_is_never_answered_and_its_id_is_free_again() {
    let mut kit = Kit::default();
    let link = kit.stdio();
    let told = kit.send(link, format!("{}\n", body("7", "tools/list", "")));
    let (client, at, _) = told[0].request();
    // The id is taken for both eras.
    for line in [
        body("7", "tools/list", ""),
        initialize("2025-11-25").replace(":0,", ":7,"),
    ] {
        assert!(kit.send(link, format!("{line}\n")).is_empty());
        assert!(kit.take(link).contains("-32600"));
    }
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert!(released(&kit.send(link, format!("{cancel}\n"))));
    kit.answer(client, at, RESULT);
    kit.note(client, at, NOTE);
    assert_eq!(kit.take(link), "");
    assert_eq!(
        kit.send(link, format!("{}\n", body("7", "tools/list", "")))
            .len(),
        1
    );
}

#[test]
fn b6_subscriptions_on_a_pipe_leave_room_for_calls_and_end_in_order() {
    let mut kit = Kit::default();
    let link = kit.stdio();
    let listen = |id: usize| {
        body(
            &id.to_string(),
            "subscriptions/listen",
            r#""notifications":{},"#,
        )
    };
    for id in 0..CALLS_PER_CLIENT_MAX {
        assert_eq!(kit.send(link, format!("{}\n", listen(id))).len(), 1);
    }
    let lines: Vec<String> = (0..=CALLS_PER_CLIENT_MAX)
        .map(|id| body(&(1000 + id).to_string(), "tools/list", ""))
        .collect();
    let told = kit.send(link, lines.join("\n") + "\n");
    assert_eq!(told.len(), CALLS_PER_CLIENT_MAX);
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    assert_eq!(kit.pull().len(), 2, "the next line is read");
    kit.take(link);
    kit.clients.stop(&mut kit.world.cx());
    let said = kit.take(link);
    let mut lines = said.lines();
    assert!(lines.next().unwrap().contains("notifications/cancelled"));
    assert!(lines.next().unwrap().contains(r#""id":0,"result""#));
    assert_eq!(lines.count(), 2 * CALLS_PER_CLIENT_MAX - 2);
}

#[test]
fn b7_a_pipe_that_breaks_takes_its_requests_along() {
    let mut kit = Kit::default();
    let link = kit.stdio();
    kit.send(
        link,
        format!(
            "{}\n{}\n",
            body("1", "tools/list", ""),
            body("2", "tools/list", "")
        ),
    );
    let told = kit.broken(link);
    assert_eq!(told.len(), 3);
    assert!(matches!(told[0].event, ClientEvent::Gone { .. }));
    assert_eq!(kit.clients.count().exchanges, 0);
}

#[test]
fn memory_is_flat_however_many_requests_there_were() {
    let mut kit = Kit::default();
    let link = kit.connect();
    for _ in 0..10_000 {
        let told = kit.send(link, call("1"));
        let (client, at, _) = told[0].request();
        assert!(client.0.index < 2);
        kit.answer(client, at, RESULT);
        kit.pull();
        kit.take_bytes(link);
    }
    assert_eq!(kit.clients.count().exchanges, 0);
    assert!(kit.clients.holds.len() < 4);
}

#[test]
fn e3_the_old_transport_and_batches_have_no_modern_messages() {
    let mut kit = Kit::default();
    let stream = kit.connect();
    kit.send(stream, http("GET", "/sse", &[], ""));
    let said = kit.take(stream);
    let path = said
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let (_, told, answer) = kit.ask_http(&http("POST", path, &[], &body("1", "tools/list", "")));
    assert!(told.is_empty() && answer.code() == -32022);
    assert!(answer.body.contains(r#""supported":["2024-11-05","#));
    let session = kit.session(Version::V2025_03_26);
    let batch = format!("[{}]", body("1", "tools/list", ""));
    let (_, told, answer) = kit.ask_http(&session.post(&[], &batch));
    assert!(
        told.is_empty() && answer.body.contains("-32022"),
        "{}",
        answer.body
    );
}
