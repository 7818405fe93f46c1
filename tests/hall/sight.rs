//! What a token shows: the servers with its tags, in lists and in use (contract 4 and 5, R3, R9,
//! X11).

use std::collections::BTreeSet;

use onemcp::base::mark::{Mark, must_hit};
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::server::{Script, anything, prompt, resource, template, tool};
use crate::token::{ERAS, Era, guarded, holder, is_forbidden, token};
use crate::world::World;

/// Servers and their tags.
const SERVERS: [(&str, &str); 3] = [
    ("work", r#""tags":["work"]"#),
    ("home", r#""tags":["Home","shared"]"#),
    ("bare", ""),
];

/// Scopes, and the servers that they show.
const TABLE: [(&str, &[&str]); 8] = [
    ("mcp", &["work", "home", "bare"]),
    ("mcp tag:work", &["work", "home", "bare"]),
    ("tag:work", &["work"]),
    ("tag:HOME", &["home"]),
    ("tag:shared", &["home"]),
    ("tag:work tag:shared", &["work", "home"]),
    ("tag:none", &[]),
    ("", &[]),
];

pub(crate) fn house(name: &str) -> Script {
    let mut script = anything()
        .with("tools", [tool("t")])
        .with("prompts", [prompt("p")])
        .with(
            "resources",
            [resource(&format!("x://{name}")), resource("x://both")],
        )
        .with(
            "resourceTemplates",
            [
                template(&format!("t://{name}/{{id}}")),
                template("c://{id}"),
            ],
        );
    script.instructions = Some(format!("all about {name}"));
    script
}

/// Three servers that offer one of each, and share a URI and a template.
pub(crate) fn three() -> World {
    let builder = SERVERS.iter().fold(guarded(), |builder, (name, members)| {
        builder.server_with(name, members, house(name))
    });
    builder.open()
}

/// All scopes that it takes to see this server as well.
fn needed(scopes: &str, server: &str) -> String {
    let tag = match server {
        "bare" => return "mcp".to_owned(),
        other => format!("tag:{other}"),
    };
    let all: BTreeSet<String> = scopes
        .split(' ')
        .map(str::to_lowercase)
        .chain([tag])
        .collect();
    let all: Vec<String> = all.into_iter().filter(|one| !one.is_empty()).collect();
    all.join(" ")
}

/// Requests that use what a server offers, by the names that everybody knows.
pub(crate) fn uses(server: &str) -> [(&'static str, Value); 6] {
    let argument = json!({"name": "a", "value": ""});
    [
        (
            "tools/call",
            json!({"name": format!("{server}_1mcp_t"), "arguments": {}}),
        ),
        ("prompts/get", json!({"name": format!("{server}_1mcp_p")})),
        ("resources/read", json!({"uri": format!("x://{server}")})),
        (
            "resources/read",
            json!({"uri": format!("onemcp://{server}/x://{server}")}),
        ),
        (
            "completion/complete",
            json!({
                "ref": {"type": "ref/prompt", "name": format!("{server}_1mcp_p")},
                "argument": argument,
            }),
        ),
        (
            "completion/complete",
            json!({
                "ref": {"type": "ref/resource", "uri": format!("t://{server}/{{id}}")},
                "argument": argument,
            }),
        ),
    ]
}

pub(crate) fn answer_of(method: &str) -> &'static str {
    match method {
        "tools/call" => r#"{"content":[]}"#,
        "prompts/get" => r#"{"messages":[]}"#,
        "completion/complete" => r#"{"completion":{"values":[]}}"#,
        _ => r#"{"contents":[]}"#,
    }
}

pub(crate) fn read(w: &mut World, client: Client, uri: &str) -> Call {
    client.request(w, "resources/read", &json!({ "uri": uri }).to_string())
}

/// The client reads, and this server is the one that is asked; for what.
#[track_caller]
fn is_read_at(w: &mut World, client: Client, uri: &str, server: &str) -> String {
    let call = read(w, client, uri);
    let seen = w.server(server).expect(w, "resources/read");
    seen.result(w, r#"{"contents":[]}"#);
    call.result(w);
    seen.value["params"]["uri"].as_str().unwrap().to_owned()
}

/// Nobody was asked anything that the test does not know of.
#[track_caller]
fn nobody_was_asked(w: &mut World) {
    for (name, _) in SERVERS {
        w.server(name).expect_nothing(w);
    }
}

#[test]
fn r9_lists_and_instructions_are_those_of_the_servers_that_the_scopes_show() {
    let mut w = three();
    for era in ERAS {
        for (scopes, seen) in TABLE {
            let c = holder(&mut w, era, 1, scopes);
            let per = |one: fn(&str) -> Vec<String>| {
                let all = seen.iter().flat_map(|name| one(name));
                all.collect::<Vec<String>>()
            };
            let tools = per(|name| vec![format!("{name}_1mcp_t")]);
            let prompts = per(|name| vec![format!("{name}_1mcp_p")]);
            // The first in the file has the URI, also where it is hidden: names are everybody's.
            let both = |name: &str| match name {
                "work" => String::new(),
                other => format!("onemcp://{other}/"),
            };
            let resources: Vec<String> = seen
                .iter()
                .flat_map(|name| [format!("x://{name}"), format!("{}x://both", both(name))])
                .collect();
            let templates: Vec<String> = seen
                .iter()
                .flat_map(|name| {
                    [
                        format!("t://{name}/{{id}}"),
                        format!("{}c://{{id}}", both(name)),
                    ]
                })
                .collect();
            assert_eq!(c.list(&mut w, "tools/list"), tools, "{era:?} {scopes}");
            assert_eq!(c.list(&mut w, "prompts/list"), prompts, "{era:?} {scopes}");
            assert_eq!(
                c.list(&mut w, "resources/list"),
                resources,
                "{era:?} {scopes}"
            );
            assert_eq!(
                c.list(&mut w, "resources/templates/list"),
                templates,
                "{scopes}"
            );
            let hello = match era {
                Era::Legacy => c.initialize(&mut w, "2025-11-25", "{}"),
                Era::Modern => c.request(&mut w, "server/discover", "{}").result(&mut w),
            };
            let text = hello["instructions"].as_str().unwrap_or_default();
            for (name, _) in SERVERS {
                assert_eq!(
                    text.contains(name),
                    seen.contains(&name),
                    "{era:?} {scopes}: {text}"
                );
            }
        }
    }
}

#[test]
fn r3_use_of_what_is_hidden_is_403_with_all_scopes_that_it_takes() {
    let _seen = must_hit(Mark::ScopeTooLittle);
    let mut w = three();
    for era in ERAS {
        for (scopes, seen) in TABLE {
            let c = holder(&mut w, era, 1, scopes);
            for (name, _) in SERVERS {
                for (method, params) in uses(name) {
                    let call = c.request(&mut w, method, &params.to_string());
                    if seen.contains(&name) {
                        let asked = w.server(name).expect(&mut w, method);
                        asked.result(&mut w, answer_of(method));
                        call.result(&mut w);
                    } else {
                        is_forbidden(&mut w, c, &call, &needed(scopes, name));
                    }
                }
                nobody_was_asked(&mut w);
            }
        }
    }
}

#[test]
fn r3_subscriptions_to_what_is_hidden_are_403_or_left_out() {
    let mut w = three();
    let c = holder(&mut w, Era::Legacy, 1, "tag:home");
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        for uri in ["x://work", "x://both", "onemcp://work/x://both"] {
            let call = c.request(&mut w, method, &json!({ "uri": uri }).to_string());
            is_forbidden(&mut w, c, &call, "tag:home tag:work");
        }
    }
    for uri in ["x://home", "onemcp://home/x://both"] {
        let params = json!({ "uri": uri }).to_string();
        c.request(&mut w, "resources/subscribe", &params)
            .result(&mut w);
    }
    assert_eq!(w.server("work").got(&w, "resources/subscribe"), 0);
    assert_eq!(w.server("home").got(&w, "resources/subscribe"), 2);
    let c = holder(&mut w, Era::Modern, 1, "tag:home");
    let uris = json!([
        "x://work",
        "x://home",
        "x://both",
        "onemcp://home/x://both",
        "z://1"
    ]);
    let filter = json!({"notifications": {"resourceSubscriptions": uris}});
    c.request(&mut w, "subscriptions/listen", &filter.to_string());
    let ack = c.expect(&mut w, "notifications/subscriptions/acknowledged");
    assert_eq!(
        ack["params"]["notifications"]["resourceSubscriptions"],
        json!(["x://home", "onemcp://home/x://both", "z://1"]),
        "there is no choice whom to ask for the last one"
    );
    for hidden in ["work", "bare"] {
        assert_eq!(w.server(hidden).got(&w, "resources/subscribe"), 0);
    }
}

#[test]
fn x11_a_read_never_leads_to_a_hidden_server_by_any_way() {
    let mut w = three();
    for era in ERAS {
        let c = holder(&mut w, era, 1, "tag:home");
        let call = read(&mut w, c, "x://both");
        is_forbidden(&mut w, c, &call, "tag:home tag:work");
        assert_eq!(
            is_read_at(&mut w, c, "onemcp://home/x://both", "home"),
            "x://both"
        );
        // All have this template.
        assert_eq!(is_read_at(&mut w, c, "c://7", "home"), "c://7");
        // Nobody lists it, so it is looked for.
        assert_eq!(is_read_at(&mut w, c, "z://7", "home"), "z://7");
        // An expansion of a hidden template is as unknown as any other URI.
        assert_eq!(is_read_at(&mut w, c, "t://work/7", "home"), "t://work/7");
        // A server that is there and one that is not are the same to who sees neither.
        for server in ["work", "none"] {
            for uri in [
                format!("onemcp://{server}/z://7"),
                format!("{server}_1mcp_z://7"),
            ] {
                assert_eq!(is_read_at(&mut w, c, &uri, "home"), uri);
            }
        }
        nobody_was_asked(&mut w);
    }
}

#[test]
fn x11_who_found_something_leads_nobody_there_who_may_not() {
    let mut w = three();
    let (a, b) = (
        holder(&mut w, Era::Legacy, 1, "tag:work"),
        holder(&mut w, Era::Legacy, 2, "tag:home"),
    );
    for _ in 0..2 {
        is_read_at(&mut w, a, "z://7", "work");
        is_read_at(&mut w, b, "z://7", "home");
    }
    // Nor does the one take it from the other.
    let params = json!({"uri": "z://7"}).to_string();
    for (client, server) in [(a, "work"), (b, "home")] {
        client
            .request(&mut w, "resources/subscribe", &params)
            .result(&mut w);
        assert_eq!(w.server(server).got(&w, "resources/subscribe"), 1);
    }
}

#[test]
fn r9_names_that_are_not_whole_are_unknown_and_suggestions_are_visible() {
    let mut w = three();
    for era in ERAS {
        let c = holder(&mut w, era, 1, "tag:home");
        for (method, params) in [
            (
                "tools/call",
                json!({"name": "work_1mcp_tt", "arguments": {}}),
            ),
            ("prompts/get", json!({"name": "work_1mcp_q"})),
            ("tools/call", json!({"name": "work_1mcp_", "arguments": {}})),
        ] {
            let (code, message) = c.request(&mut w, method, &params.to_string()).error(&mut w);
            assert_eq!(code, -32602, "{message}");
            for name in ["did you mean work", "did you mean bare"] {
                assert!(!message.contains(name), "{message}");
            }
        }
        let close = json!({"name": "home_1mcp_tt", "arguments": {}}).to_string();
        let (_, message) = c.request(&mut w, "tools/call", &close).error(&mut w);
        assert!(message.contains("did you mean home_1mcp_t"), "{message}");
        nobody_was_asked(&mut w);
    }
}

#[test]
fn r9_a_server_that_has_not_said_what_it_offers_is_no_server_to_who_does_not_see_it() {
    for era in ERAS {
        let mute = anything().manual("tools/list").manual("initialize");
        let mut w = guarded()
            .server_with("work", r#""tags":["work"]"#, mute)
            .server_with("home", r#""tags":["home"]"#, house("home"))
            .open();
        let c = holder(&mut w, era, 1, "tag:home");
        // It delays no list, and its names are as unknown as those of nobody.
        assert_eq!(c.list(&mut w, "tools/list"), ["home_1mcp_t"]);
        let unknown = |w: &mut World, name: &str| c.call(w, name, "{}").error(w);
        let (code, message) = unknown(&mut w, "work_1mcp_x");
        assert_eq!(
            (code, message.contains("unknown tool")),
            (-32602, true),
            "{message}"
        );
        assert_eq!(unknown(&mut w, "none_1mcp_x").0, -32602);
    }
}

#[test]
fn a3_capabilities_are_those_of_visible_servers() {
    let all = |members: &str| anything().capable(members);
    let mut w = guarded()
        .server_with(
            "a",
            r#""tags":["a"]"#,
            all(r#"{"tools":{}}"#).with("tools", [tool("t")]),
        )
        .server_with(
            "b",
            r#""tags":["b"]"#,
            all(r#"{"prompts":{}}"#).with("prompts", [prompt("p")]),
        )
        .open();
    for era in ERAS {
        for (scopes, groups) in [
            ("tag:a", vec!["tools"]),
            ("tag:b", vec!["prompts"]),
            ("mcp", vec!["prompts", "tools"]),
        ] {
            let c = holder(&mut w, era, 1, scopes);
            let hello = match era {
                Era::Legacy => c.initialize(&mut w, "2025-11-25", "{}"),
                Era::Modern => c.request(&mut w, "server/discover", "{}").result(&mut w),
            };
            let shown: Vec<&String> = hello["capabilities"].as_object().unwrap().keys().collect();
            assert_eq!(shown, groups, "{era:?} {scopes}");
            for group in ["tools", "prompts"] {
                let call = c.request(&mut w, &format!("{group}/list"), "{}");
                if groups.contains(&group) {
                    call.result(&mut w);
                } else {
                    assert_eq!(call.error(&mut w).0, -32601);
                }
            }
        }
        // Which scope it takes can be said although no prompt is shown.
        let c = holder(&mut w, era, 1, "tag:a");
        let call = c.request(&mut w, "prompts/get", r#"{"name":"b_1mcp_p"}"#);
        is_forbidden(&mut w, c, &call, "tag:a tag:b");
    }
}

#[test]
fn r9_on_sse_what_is_hidden_is_refused_on_the_stream() {
    let mut w = three();
    let token = token(&mut w, 1, "tag:home");
    let c = Client::sse_with(&mut w, Some(&token));
    c.initialize(&mut w, "2024-11-05", "{}");
    c.initialized(&mut w);
    assert_eq!(c.list(&mut w, "tools/list"), ["home_1mcp_t"]);
    let (code, message) = c.call(&mut w, "work_1mcp_t", "{}").error(&mut w);
    assert_eq!(
        (code, message.contains("access token")),
        (-32600, true),
        "{message}"
    );
    nobody_was_asked(&mut w);
}

#[test]
fn x11_names_that_only_sessions_of_others_know_are_not_suggested() {
    let own = |tools| anything().with("tools", tools);
    let mut w = guarded()
        .server_with(
            "s",
            r#""isolation":"session""#,
            own([tool("secret"), tool("t")]),
        )
        .open();
    let a = holder(&mut w, Era::Legacy, 1, "mcp");
    w.advance(1_000);
    let suggests = |w: &mut World, client: Client| {
        let (_, message) = client.call(w, "s_1mcp_secre", "{}").error(w);
        message.contains("did you mean")
    };
    assert!(suggests(&mut w, a));
    let b = holder(&mut w, Era::Legacy, 2, "mcp");
    w.advance(1_000);
    assert!(!suggests(&mut w, a) && !suggests(&mut w, b));
}

#[test]
fn two_principals_side_by_side_see_each_their_own() {
    let mut w = three();
    for era in ERAS {
        let (a, b) = (
            holder(&mut w, era, 1, "tag:work"),
            holder(&mut w, era, 2, "tag:home"),
        );
        for _ in 0..2 {
            assert_eq!(a.list(&mut w, "tools/list"), ["work_1mcp_t"]);
            assert_eq!(b.list(&mut w, "tools/list"), ["home_1mcp_t"]);
        }
        let (of_a, of_b) = (
            a.call(&mut w, "work_1mcp_t", "{}"),
            b.call(&mut w, "home_1mcp_t", "{}"),
        );
        w.server("home")
            .expect(&mut w, "tools/call")
            .result(&mut w, r#"{"content":["b"]}"#);
        w.server("work")
            .expect(&mut w, "tools/call")
            .result(&mut w, r#"{"content":["a"]}"#);
        assert_eq!(of_a.result(&mut w)["content"], json!(["a"]));
        assert_eq!(of_b.result(&mut w)["content"], json!(["b"]));
    }
}
