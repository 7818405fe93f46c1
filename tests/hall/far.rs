//! Remote servers as the hall sees them: both eras and the transport before, called by clients of
//! both eras, beside a child (protocol F2 to F13).

use onemcp::base::mark::{Mark, must_hit};
use onemcp::input::Input;
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::remote::{Asked, End, Lost, Site, SiteState, far};
use crate::server::{anything, resource, tool, tools};
use crate::server_modern::stateless;
use crate::world::{Builder, World};

const DONE: &str = r#"{"resultType":"complete","content":[],"k":7}"#;
const ALL: &str =
    r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
const FORM: &str = r#"{"message":"name?","requestedSchema":{"type":"object","properties":{}}}"#;

fn modern() -> SiteState {
    let script = stateless().with("tools", [tool("t")]);
    far(script.with("resources", [resource("x://1")]))
}

fn legacy() -> SiteState {
    let script = anything().with("tools", [tool("t")]);
    far(script.with("resources", [resource("x://1")]))
}

fn beside_a_child(members: &str, site: SiteState) -> Builder {
    World::http()
        .remote_with("r", members, site)
        .server("s", tools(["u"]))
}

fn with(site: SiteState) -> World {
    beside_a_child("", site).start()
}

/// A client calls the remote server, which has got it.
fn calling(w: &mut World, client: Client) -> (Call, Asked) {
    let call = client.call(w, "r_1mcp_t", r#"{"x":1}"#);
    let seen = w.site("r").expect(w, "tools/call");
    (call, seen)
}

/// The same, answered.
fn served(w: &mut World, client: Client) {
    let (call, seen) = calling(w, client);
    seen.result(w, DONE);
    call.result(w);
}

fn methods(w: &World, site: Site) -> Vec<String> {
    let requests = w.net.sites[site.0].requests.iter();
    let named = requests.map(|request| match request.says().as_str() {
        "" => request.method.clone(),
        method => method.to_owned(),
    });
    named.collect()
}

#[test]
fn f2_a_server_of_either_era_is_found_and_called_by_clients_of_both() {
    for (kind, site) in [
        ("legacy", legacy()),
        ("legacy, streams", legacy().streaming()),
        ("legacy, no GET", legacy().deaf()),
        ("legacy, no ids", legacy().without_ids()),
        ("modern", modern()),
        ("modern, streams", modern().streaming()),
        ("legacy, https", legacy().https()),
        ("modern, https", modern().https()),
        ("old SSE", legacy().old_sse()),
    ] {
        let mut w = with(site);
        let clients = [
            w.client("{}"),
            Client::modern(&mut w, "{}"),
            Client::sse(&mut w),
        ];
        clients[2].initialize(&mut w, "2024-11-05", "{}");
        clients[2].initialized(&mut w);
        for client in clients {
            let listed = client.list(&mut w, "tools/list");
            assert_eq!(listed, ["r_1mcp_t", "s_1mcp_u"], "{kind}");
            let (call, seen) = calling(&mut w, client);
            assert_eq!(seen.value["params"]["name"], "t");
            assert_eq!(seen.value["params"]["arguments"], json!({"x": 1}));
            call.pending(&mut w);
            // A child meanwhile.
            let other = client.call(&mut w, "s_1mcp_u", "{}");
            let at_child = w.server("s").expect(&mut w, "tools/call");
            at_child.result(&mut w, DONE);
            assert_eq!(other.result(&mut w)["k"], 7);
            seen.result(&mut w, DONE);
            assert_eq!(call.result(&mut w)["k"], 7, "{kind}");
        }
        assert_eq!(w.counts().calls, 0, "{kind}");
    }
}

#[test]
fn f2_the_first_question_is_modern_and_a_legacy_server_gets_initialize_next() {
    let w = with(legacy());
    let asked = methods(&w, w.site("r"));
    assert_eq!(asked[..2], ["server/discover", "initialize"]);
    assert_eq!(asked[2], "notifications/initialized");
    let w = with(modern());
    let asked = methods(&w, w.site("r"));
    assert_eq!(asked[0], "server/discover");
    assert!(!asked.contains(&"initialize".to_owned()), "{asked:?}");
}

#[test]
fn f5_the_session_goes_with_everything_and_ends_with_us() {
    let mut w = with(legacy());
    let a = w.client("{}");
    served(&mut w, a);
    let site = w.site("r");
    assert_eq!(site.got(&w, "GET"), 1);
    let requests = &w.net.sites[site.0].requests;
    let after = requests.iter().skip_while(|one| one.says() != "initialize");
    for request in after.skip(1) {
        assert_eq!(request.field("mcp-session-id"), Some("r.test-session-1"));
        assert_eq!(request.field("mcp-protocol-version"), Some("2025-11-25"));
    }
    w.input(Input::Stop);
    w.advance(10_000);
    assert_eq!(site.got(&w, "DELETE"), 1);
    assert_eq!(site.state(&mut w).sessions, [""; 0]);
    assert_eq!(w.exit, Some(0));
    assert_eq!(site.connections(&w), 0);
}

#[test]
fn f5_a_server_that_refuses_delete_or_does_not_answer_it_does_not_keep_us() {
    use crate::remote::{Act, Of};
    for act in [Act::status(405, &[], ""), Act::silence(), Act::reset()] {
        let mut w = with(legacy());
        w.site("r").breaks(&mut w, Of::Verb("DELETE"), act);
        w.input(Input::Stop);
        w.advance(10_000);
        assert_eq!(w.exit, Some(0));
    }
}

#[test]
fn f9_the_fields_of_a_call_are_those_of_the_unprefixed_call() {
    let mut w = with(modern());
    let a = Client::modern(&mut w, "{}");
    served(&mut w, a);
    let call = w.site("r").last(&w, "tools/call");
    assert_eq!(call.field("mcp-name"), Some("t"));
    assert_eq!(call.field("mcp-method"), Some("tools/call"));
    assert_eq!(call.field("mcp-protocol-version"), Some("2026-07-28"));
    let read = a.request(&mut w, "resources/read", r#"{"uri":"x://1"}"#);
    let seen = w.site("r").expect(&mut w, "resources/read");
    assert_eq!(seen.request.field("mcp-name"), Some("x://1"));
    let contents = r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}"#;
    seen.result(&mut w, contents);
    read.result(&mut w);
}

#[test]
fn progress_of_a_call_comes_back_with_the_token_of_the_client() {
    for site in [legacy(), modern(), legacy().old_sse()] {
        let streams = site.path == "/mcp";
        let mut w = with(site);
        let (a, b) = (w.client("{}"), w.client("{}"));
        let params = r#"{"name":"r_1mcp_t","arguments":{},"_meta":{"progressToken":"mine"}}"#;
        let calls = [a, b].map(|client| client.request(&mut w, "tools/call", params));
        let seen = [0, 1].map(|_| w.site("r").expect(&mut w, "tools/call"));
        let token = |seen: &Asked| seen.value["params"]["_meta"]["progressToken"].clone();
        assert_ne!(token(&seen[0]), token(&seen[1]));
        for (n, seen) in seen.iter().enumerate() {
            if streams {
                seen.begins(&mut w);
            }
            let params = json!({"progressToken": token(seen), "progress": n});
            seen.notes(&mut w, "notifications/progress", &params.to_string());
        }
        for (n, client) in [a, b].into_iter().enumerate() {
            let told = client.expect(&mut w, "notifications/progress");
            assert_eq!(
                told["params"],
                json!({"progressToken": "mine", "progress": n})
            );
        }
        for seen in &seen {
            seen.result(&mut w, DONE);
        }
        for call in calls {
            call.result(&mut w);
        }
    }
}

#[test]
fn f12_a_cancelled_call_is_cancelled_there_in_the_way_of_its_era() {
    for site in [legacy(), modern(), legacy().old_sse()] {
        let modern = site.script.is_modern();
        let mut w = with(site);
        let a = w.client("{}");
        let (call, seen) = calling(&mut w, a);
        a.cancels(&mut w, &call);
        if modern {
            assert!(seen.hung_up(&mut w));
        } else {
            let told = w.site("r").expect(&mut w, "notifications/cancelled");
            assert_eq!(told.value["params"]["requestId"], seen.value["id"]);
            seen.result(&mut w, DONE);
        }
        call.pending(&mut w);
        w.site("r").expect_nothing(&mut w);
        served(&mut w, a);
        assert_eq!(w.counts().calls, 0);
    }
}

#[test]
fn f7_a_question_on_the_stream_of_a_call_is_for_whoever_called() {
    let _reached = must_hit(Mark::AskOnStream);
    let mut w = with(legacy());
    let (a, b) = (w.client(ALL), w.client(ALL));
    let (first, at_first) = calling(&mut w, a);
    let (second, at_second) = calling(&mut w, b);
    at_second.begins(&mut w);
    at_second.asks(&mut w, "\"q\"", "elicitation/create", FORM);
    let ask = b.expect(&mut w, "elicitation/create");
    a.expect_nothing(&mut w);
    b.answers(
        &mut w,
        &ask,
        r#"{"action":"accept","content":{"name":"b"}}"#,
    );
    let granted = w.site("r").granted(&mut w, "\"q\"");
    assert_eq!(granted["content"]["name"], "b");
    at_second.result(&mut w, DONE);
    second.result(&mut w);
    at_first.result(&mut w, DONE);
    first.result(&mut w);
}

#[test]
fn s3_a_log_line_on_the_stream_of_a_call_is_for_whoever_called() {
    let mut w = with(legacy());
    let (a, b) = (w.client("{}"), w.client("{}"));
    let (first, at_first) = calling(&mut w, a);
    let (second, at_second) = calling(&mut w, b);
    for (seen, who) in [(&at_first, "a"), (&at_second, "b")] {
        seen.begins(&mut w);
        let params = json!({"level": "info", "data": who}).to_string();
        seen.notes(&mut w, "notifications/message", &params);
    }
    for (client, who) in [(a, "a"), (b, "b")] {
        let told = client.expect(&mut w, "notifications/message");
        assert_eq!(told["params"]["data"], who);
    }
    // On the stream of nobody in particular it could be for either.
    let line =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    w.site("r").streams(&mut w);
    w.site("r").says(&mut w, line);
    for (client, call, seen) in [(a, first, at_first), (b, second, at_second)] {
        client.expect_nothing(&mut w);
        seen.result(&mut w, DONE);
        call.result(&mut w);
    }
}

#[test]
fn an_error_of_the_server_is_the_answer_to_the_call() {
    for site in [legacy(), modern()] {
        let mut w = with(site);
        let a = w.client("{}");
        let error = r#"{"code":-5,"message":"sold out","data":[1.0]}"#;
        let (call, seen) = calling(&mut w, a);
        seen.error(&mut w, error);
        assert_eq!(call.error(&mut w), (-5, "sold out".to_owned()));
        let (call, seen) = calling(&mut w, a);
        seen.begins(&mut w);
        seen.error(&mut w, error);
        assert_eq!(call.error(&mut w), (-5, "sold out".to_owned()));
        // With a status of its own.
        let (call, seen) = calling(&mut w, a);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, seen.id());
        seen.status(&mut w, 400, &[], &body);
        assert_eq!(call.error(&mut w), (-5, "sold out".to_owned()));
    }
}

#[test]
fn f7_a_ping_is_answered_and_what_nobody_can_answer_is_refused() {
    let mut w = with(legacy());
    let site = w.site("r");
    site.asks(&mut w, "1", "ping", "{}");
    assert_eq!(site.granted(&mut w, "1"), json!({}));
    site.asks(&mut w, "\"2\"", "roots/list", "{}");
    assert_eq!(site.refused(&mut w, "\"2\""), -32601);
}

#[test]
fn f13_a_changed_list_is_asked_for_again_and_clients_are_told() {
    for site in [legacy(), modern(), legacy().old_sse()] {
        let mut w = with(site);
        let a = w.client("{}");
        let site = w.site("r");
        let script = &mut site.state(&mut w).script;
        script.set("tools", [tool("t"), tool("more")]);
        site.list_changed(&mut w, "tools");
        w.advance(300);
        assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
        let listed = a.list(&mut w, "tools/list");
        assert_eq!(listed, ["r_1mcp_t", "r_1mcp_more", "s_1mcp_u"]);
    }
}

#[test]
fn f13_a_subscription_reaches_the_server_in_its_own_way_and_updates_come_back() {
    for site in [legacy(), modern(), legacy().old_sse()] {
        let mut w = with(site);
        let (a, b) = (w.client("{}"), w.client("{}"));
        let params = r#"{"uri":"x://1"}"#;
        a.request(&mut w, "resources/subscribe", params)
            .result(&mut w);
        w.advance(1_000);
        let site = w.site("r");
        site.tells(
            &mut w,
            "notifications/resources/updated",
            "\"uri\":\"x://1\",",
        );
        let told = a.expect(&mut w, "notifications/resources/updated");
        assert_eq!(told["params"]["uri"], "x://1");
        b.expect_nothing(&mut w);
    }
}

/// The subscriptions and levels that the present session has.
fn restored(w: &World, site: Site) -> (usize, usize) {
    let requests = &w.net.sites[site.0].requests;
    let last = requests.iter().rposition(|one| one.says() == "initialize");
    let after = &requests[last.unwrap()..];
    let count = |method: &str| after.iter().filter(|one| one.says() == method).count();
    (count("resources/subscribe"), count("logging/setLevel"))
}

#[test]
fn f5_a_lost_session_is_replaced_and_the_call_is_sent_once_more() {
    for lost in [Lost::NotFound, Lost::BadRequest, Lost::Unauthorized] {
        let mut w = with(legacy().lost_as(lost));
        let a = w.client("{}");
        a.request(&mut w, "resources/subscribe", r#"{"uri":"x://1"}"#)
            .result(&mut w);
        a.request(&mut w, "logging/setLevel", r#"{"level":"notice"}"#)
            .result(&mut w);
        served(&mut w, a);
        let site = w.site("r");
        site.forgets_sessions(&mut w);
        // Its streams went with it.
        for stream in site.streams(&mut w) {
            w.says(stream.link, b"", End::Eof);
        }
        w.settle();
        let call = a.call(&mut w, "r_1mcp_t", "{}");
        w.advance(5_000);
        let seen = site.expect(&mut w, "tools/call");
        assert_eq!(seen.session(), "r.test-session-2", "{lost:?}");
        seen.result(&mut w, DONE);
        assert_eq!(call.result(&mut w)["k"], 7);
        assert_eq!(restored(&w, site), (1, 1), "{lost:?}");
        // And its stream is open again.
        site.tells(
            &mut w,
            "notifications/resources/updated",
            "\"uri\":\"x://1\",",
        );
        let heard = a.heard(&mut w);
        assert!(heard.contains(&"notifications/resources/updated".to_owned()));
        assert_eq!(w.counts().calls, 0);
    }
}

#[test]
fn f5_a_call_whose_new_session_is_lost_as_well_fails_and_is_not_sent_for_ever() {
    use crate::remote::{Act, Of};
    let mut w = with(legacy());
    let a = w.client("{}");
    let site = w.site("r");
    let body =
        r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#;
    let act = Act::status(404, &[], body);
    site.breaks(&mut w, Of::Method("tools/call"), act);
    let call = a.call(&mut w, "r_1mcp_t", "{}");
    w.advance(20_000);
    let (_, message) = call.error(&mut w);
    assert!(message.contains("server r"), "{message}");
    assert!(site.got(&w, "tools/call") <= 2);
    site.heals(&mut w);
    w.advance(20_000);
    served(&mut w, a);
}

#[test]
fn f6_a_stream_that_breaks_after_an_event_with_an_id_is_resumed_there() {
    let mut w = with(legacy());
    let a = w.client("{}");
    let (call, seen) = calling(&mut w, a);
    let site = w.site("r");
    seen.begins(&mut w);
    seen.raw(&mut w, "e\r\nid: e1\ndata:\n\n\r\n");
    seen.raw(&mut w, "d\r\nretry: 1500\n\n\r\n");
    seen.closes(&mut w);
    w.advance(1_400);
    site.expect_nothing(&mut w);
    w.advance(200);
    let again = site.expect_resume(&mut w, "e1");
    assert_eq!(again.session(), seen.session());
    again.begins(&mut w);
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{DONE}}}"#, seen.id());
    again.event(&mut w, Some("e2"), &answer);
    assert_eq!(call.result(&mut w)["k"], 7);
    assert_eq!(site.got(&w, "tools/call"), 1);
    served(&mut w, a);
}

#[test]
fn f6_a_stream_that_breaks_without_an_id_loses_its_call() {
    for site in [legacy(), modern()] {
        for end in [End::Open, End::Eof, End::Reset] {
            let mut w = with(SiteState {
                script: site.script.clone(),
                ..far(anything())
            });
            let a = w.client("{}");
            let (call, seen) = calling(&mut w, a);
            seen.begins(&mut w);
            match end {
                End::Open => seen.ends(&mut w),
                End::Eof => seen.closes(&mut w),
                End::Reset => seen.resets(&mut w),
            }
            w.advance(5_000);
            let (_, message) = call.error(&mut w);
            assert!(message.contains("server r"), "{message}");
            assert_eq!(w.site("r").got(&w, "tools/call"), 1);
            served(&mut w, a);
        }
    }
}

#[test]
fn s3_ids_tokens_and_sessions_that_are_equal_are_never_mixed() {
    // Two people whose ids and tokens are equal.
    let mut w = World::http()
        .remote("r", legacy())
        .remote("q", legacy())
        .start();
    let (a, b) = (w.client("{}"), w.client("{}"));
    let params = |server: &str, who: &str| {
        json!({"name": format!("{server}_1mcp_t"), "arguments": {"who": who},
            "_meta": {"progressToken": 1}})
        .to_string()
    };
    let mut calls = Vec::new();
    for (who, client) in [("a", a), ("b", b)] {
        for server in ["r", "q"] {
            let call = client.request_as(
                &mut w,
                &format!("\"{server}\""),
                "tools/call",
                &params(server, who),
            );
            calls.push((format!("{who}{server}"), call));
        }
    }
    for server in ["r", "q"] {
        let site = w.site(server);
        let seen = [0, 1].map(|_| site.expect(&mut w, "tools/call"));
        assert_ne!(seen[0].value["id"], seen[1].value["id"]);
        // The later one first.
        for seen in seen.iter().rev() {
            let who = seen.value["params"]["arguments"]["who"].as_str().unwrap();
            seen.begins(&mut w);
            let token = &seen.value["params"]["_meta"]["progressToken"];
            let note = json!({"progressToken": token, "progress": 1, "message": who});
            seen.notes(&mut w, "notifications/progress", &note.to_string());
            let result = json!({"content": [], "to": format!("{who}{server}")});
            seen.result(&mut w, &result.to_string());
        }
    }
    for (to, call) in calls {
        assert_eq!(call.result(&mut w)["to"], json!(to));
    }
    for (who, client) in [("a", a), ("b", b)] {
        let told: Vec<Value> = std::iter::from_fn(|| client.next(&mut w)).collect();
        assert_eq!(told.len(), 2);
        for note in told {
            assert_eq!(note["params"]["message"], who);
            assert_eq!(note["params"]["progressToken"], 1);
        }
    }
}

#[test]
fn s1_isolation_session_gives_each_client_a_session_with_the_server() {
    let mut w = beside_a_child(r#""isolation":"session""#, legacy()).start();
    let (a, b) = (w.client(ALL), w.client("{}"));
    let (_, at_a) = calling(&mut w, a);
    let (_, at_b) = calling(&mut w, b);
    assert_ne!(at_a.session(), at_b.session());
    // A question on the stream of its own session needs no call to be attributed.
    let site = w.site("r");
    let stream = site.stream_of(&mut w, &at_a.session());
    let line =
        format!(r#"{{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{FORM}}}"#);
    site.says_on(&mut w, stream, None, &line);
    let ask = a.expect(&mut w, "elicitation/create");
    a.answers(&mut w, &ask, r#"{"action":"decline"}"#);
    assert_eq!(site.granted(&mut w, "5"), json!({"action": "decline"}));
    b.expect_nothing(&mut w);
    at_a.result(&mut w, DONE);
    at_b.result(&mut w, DONE);
    // The session ends with its client.
    a.leaves(&mut w);
    w.advance(1_000);
    assert_eq!(site.got(&w, "DELETE"), 1);
    let ended = site.last(&w, "DELETE");
    assert_eq!(ended.field("mcp-session-id"), Some(at_a.session().as_str()));
    served(&mut w, b);
}

#[test]
fn s1_isolation_auto_moves_the_others_when_the_server_asks() {
    let mut w = with(legacy());
    let (a, b) = (w.client(ALL), w.client(ALL));
    let (call, at_a) = calling(&mut w, a);
    at_a.begins(&mut w);
    at_a.asks(&mut w, "1", "elicitation/create", FORM);
    let ask = a.expect(&mut w, "elicitation/create");
    a.answers(&mut w, &ask, r#"{"action":"accept"}"#);
    w.site("r").granted(&mut w, "1");
    at_a.result(&mut w, DONE);
    call.result(&mut w);
    let second = b.call(&mut w, "r_1mcp_t", "{}");
    w.advance(1_000);
    let at_b = w.site("r").expect(&mut w, "tools/call");
    assert_ne!(at_a.session(), at_b.session());
    at_b.result(&mut w, DONE);
    second.result(&mut w);
}

#[test]
fn x4_headers_go_to_their_server_and_into_no_log() {
    let members = r#""headers":{"Authorization":"Bearer tok-123"}"#;
    for site in [legacy(), modern()] {
        let mut w = World::http()
            .remote_with("r", members, site)
            .remote("q", legacy())
            .start();
        let a = w.client("{}");
        served(&mut w, a);
        let site = w.site("r");
        for request in &w.net.sites[site.0].requests {
            assert_eq!(request.field("authorization"), Some("Bearer tok-123"));
        }
        let other = w.site("q");
        for request in &w.net.sites[other.0].requests {
            assert_eq!(request.field("authorization"), None);
        }
        let survey = w.survey();
        let told = format!("{:?} {survey:?}", w.log);
        assert!(!told.contains("tok-123"));
    }
}

#[test]
fn one_client_on_stdin_has_the_remote_server_to_itself() {
    let mut w = World::stdio().remote("r", legacy()).begin();
    let a = w.stdin();
    a.initialize(&mut w, "2025-11-25", ALL);
    a.initialized(&mut w);
    w.advance(300);
    served(&mut w, a);
    let declared = w.site("r").declared(&w);
    assert!(declared.get("roots").is_some(), "{declared}");
    a.leaves(&mut w);
    w.advance(10_000);
    assert_eq!(w.exit, Some(0));
    assert_eq!(w.site("r").got(&w, "DELETE"), 1);
}
