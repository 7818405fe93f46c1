//! What a URL leaves out (contract 4): the table of expressions, tags, presets and scopes, in lists
//! and in use.

use onemcp::base::mark::{Mark, must_hit};
use serde_json::{Value, json};

use crate::client::{Call, Client};
use crate::sight::{answer_of, house, uses};
use crate::token::{ERAS, Era, guarded, is_forbidden, token};
use crate::world::{Builder, World};

type Has<'a> = &'a dyn Fn(&str) -> bool;
/// By another pen than the one that is tested.
type Admits = fn(Has<'_>) -> bool;

/// The tags of three servers, in small letters; configured they are written otherwise.
const TAGS: [[(&str, &[&str]); 3]; 2] = [
    [
        ("work", &["web", "api"]),
        ("home", &["web", "slow"]),
        ("bare", &[]),
    ],
    [
        ("work", &["db-1"]),
        ("home", &["api", "slow"]),
        ("bare", &["web", "api", "db-1"]),
    ],
];

const PRESETS: [(&str, &str); 3] = [
    ("calm", "not slow"),
    ("both", "(web or db-1) and api"),
    ("some", "db-1, slow"),
];

/// What a query asks for.
const QUERIES: [(&str, Admits); 14] = [
    ("", |_| true),
    ("x=1&sessionId=2", |_| true),
    ("tags=web", |has| has("web")),
    ("tags=API,Slow", |has| has("api") || has("slow")),
    ("tags=nothing", |_| false),
    ("filter=web+api", |has| has("web") && has("api")),
    ("filter=web+and+not+api", |has| has("web") && !has("api")),
    ("filter=-slow", |has| !has("slow")),
    ("filter=DB-1,-web", |has| has("db-1") || !has("web")),
    ("tag-filter=!(web%7C%7Cslow)%26%26api", |has| {
        !(has("web") || has("slow")) && has("api")
    }),
    (
        "tag-filter=%20not%20(web,db-1)%20or%20web%20+%20api",
        |has| !(has("web") || has("db-1")) || (has("web") && has("api")),
    ),
    ("preset=calm", |has| !has("slow")),
    ("preset=both", |has| {
        (has("web") || has("db-1")) && has("api")
    }),
    ("preset=some", |has| has("db-1") || has("slow")),
];

/// What a token shows.
const SCOPES: [(&str, Admits); 4] = [
    ("mcp", |_| true),
    ("tag:api", |has| has("api")),
    ("tag:slow tag:web", |has| has("slow") || has("web")),
    ("", |_| false),
];

/// How a client stands to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Sees,
    LeavesOut,
    MayNot,
}

fn with_servers(builder: Builder, tags: [(&str, &[&str]); 3]) -> Builder {
    let builder = builder.presets(&PRESETS);
    tags.iter().fold(builder, |builder, (name, tags)| {
        let tags: Vec<String> = tags.iter().map(|tag| tag.to_uppercase()).collect();
        let members = json!({ "tags": tags }).to_string();
        builder.server_with(name, &members[1..members.len() - 1], house(name))
    })
}

/// A client that asks with this query, with a token of these scopes if one is wanted.
pub(crate) fn asking(w: &mut World, era: Era, query: &str, scopes: Option<&str>) -> Client {
    let client = match era {
        Era::Legacy => Client::http(w),
        Era::Modern => Client::modern(w, "{}"),
    };
    if let Some(scopes) = scopes {
        let token = token(w, 1, scopes);
        client.has_token(w, &token);
    }
    client.asks_for(w, query);
    if era == Era::Legacy {
        client.initialize(w, "2025-11-25", "{}");
        client.initialized(w);
    }
    client
}

fn hello(w: &mut World, c: Client, era: Era) -> Value {
    match era {
        Era::Legacy => c.initialize(w, "2025-11-25", "{}"),
        Era::Modern => c.request(w, "server/discover", "{}").result(w),
    }
}

/// Everything that is listed is of the servers that are seen, and nothing is missing.
#[track_caller]
fn lists_are_of(w: &mut World, c: Client, era: Era, stands: &[(&str, Stands)], row: &str) {
    let seen = |stands: &(&str, Stands)| stands.1 == Stands::Sees;
    let of_all = |w: &mut World, method: &str| c.list(w, method);
    let per = |form: &dyn Fn(&str) -> Vec<String>| {
        let seen = stands.iter().filter(|one| seen(one));
        seen.flat_map(|(name, _)| form(name))
            .collect::<Vec<String>>()
    };
    assert_eq!(
        of_all(w, "tools/list"),
        per(&|name| vec![format!("{name}_1mcp_t")]),
        "{row}"
    );
    assert_eq!(
        of_all(w, "prompts/list"),
        per(&|name| vec![format!("{name}_1mcp_p")]),
        "{row}"
    );
    // The first in the file has the URI, whoever asks: names are everybody's.
    let both = |name: &str| match name {
        "work" => String::new(),
        other => format!("onemcp://{other}/"),
    };
    let resources = per(&|name| vec![format!("x://{name}"), format!("{}x://both", both(name))]);
    assert_eq!(of_all(w, "resources/list"), resources, "{row}");
    let templates = per(&|name| {
        vec![
            format!("t://{name}/{{id}}"),
            format!("{}c://{{id}}", both(name)),
        ]
    });
    assert_eq!(of_all(w, "resources/templates/list"), templates, "{row}");
    let hello = hello(w, c, era);
    let text = hello["instructions"].as_str().unwrap_or_default();
    for one in stands {
        assert_eq!(
            text.contains(&format!("all about {}", one.0)),
            seen(one),
            "{row}: {text}"
        );
    }
}

/// The servers that are seen do not know the URI that they are asked for.
fn nobody_has_it(w: &mut World, stands: &[(&str, Stands)]) {
    for (name, _) in stands.iter().filter(|(_, stands)| *stands == Stands::Sees) {
        let server = w.server(name);
        if server.has_next(w, "resources/read") {
            let asked = server.expect(w, "resources/read");
            asked.error(w, r#"{"code":-32002,"message":"no such resource"}"#);
        }
    }
}

/// What is left out is as unknown as what never was.
#[track_caller]
fn is_unknown(w: &mut World, method: &str, name: &str, call: &Call, stands: &[(&str, Stands)]) {
    nobody_has_it(w, stands);
    let (code, message) = call.error(w);
    assert!(matches!(code, -32602 | -32002), "{code} {message}");
    let clause = format!("the filter in the URL leaves server {name} out");
    let by_name = message.starts_with("unknown tool: ") || message.starts_with("unknown prompt: ");
    assert_eq!(by_name, message.ends_with(&clause), "{message}");
    assert_eq!(
        by_name,
        method != "resources/read" && !message.contains("://"),
        "{message}"
    );
}

#[track_caller]
fn uses_stand_so(w: &mut World, c: Client, scopes: &str, stands: &[(&str, Stands)], row: &str) {
    for (name, stand) in stands {
        for (method, params) in uses(name) {
            let call = c.request(w, method, &params.to_string());
            match stand {
                Stands::Sees => {
                    let asked = w.server(name).expect(w, method);
                    asked.result(w, answer_of(method));
                    call.result(w);
                }
                Stands::LeavesOut => is_unknown(w, method, name, &call, stands),
                Stands::MayNot => {
                    let challenge = c.status(w);
                    assert_eq!(challenge, Some(403), "{row}: {method} {params}");
                    call.error(w);
                }
            }
        }
        for (name, _) in stands {
            w.server(name).expect_nothing(w);
        }
    }
    assert!(!scopes.is_empty() || stands.iter().all(|(_, stand)| *stand == Stands::MayNot));
}

fn stands_of(
    tags: [(&'static str, &'static [&'static str]); 3],
    wanted: Admits,
    shown: Admits,
) -> Vec<(&'static str, Stands)> {
    let stands = tags.map(|(name, own)| {
        let has = |tag: &str| own.contains(&tag);
        match (shown(&has), wanted(&has)) {
            (false, _) => (name, Stands::MayNot),
            (true, false) => (name, Stands::LeavesOut),
            (true, true) => (name, Stands::Sees),
        }
    });
    stands.to_vec()
}

/// All rows for one set of tags: with tokens, or without.
fn every_row(tags: [(&'static str, &'static [&'static str]); 3], auth: bool) {
    let mut w = match auth {
        true => with_servers(guarded(), tags).open(),
        false => with_servers(World::http(), tags).start(),
    };
    for era in ERAS {
        for (query, wanted) in QUERIES {
            for (scopes, shown) in SCOPES.iter().take(if auth { SCOPES.len() } else { 1 }) {
                let row = format!("{era:?} ?{query} {scopes:?}");
                let stands = stands_of(tags, wanted, *shown);
                let c = asking(&mut w, era, query, auth.then_some(*scopes));
                lists_are_of(&mut w, c, era, &stands, &row);
                uses_stand_so(&mut w, c, scopes, &stands, &row);
                if era == Era::Legacy {
                    c.leaves(&mut w);
                }
            }
        }
    }
}

#[test]
fn the_table_with_tokens() {
    let _used = must_hit(Mark::LeftOutIsUsed);
    every_row(TAGS[0], true);
}

#[test]
fn the_table_with_tokens_and_other_tags() {
    every_row(TAGS[1], true);
}

#[test]
fn the_table_without_tokens() {
    TAGS.into_iter().for_each(|tags| every_row(tags, false));
}

#[test]
fn what_the_token_hides_is_403_whatever_the_filter_says() {
    let mut w = with_servers(guarded(), TAGS[0]).open();
    for era in ERAS {
        for query in ["tags=api", "tags=slow", "tags=none", ""] {
            let c = asking(&mut w, era, query, Some("tag:slow"));
            let call = c.call(&mut w, "work_1mcp_t", "{}");
            is_forbidden(&mut w, c, &call, "tag:slow tag:web");
        }
    }
}

#[test]
fn two_filters_side_by_side_with_equal_ids_never_meet() {
    let mut w = with_servers(World::http(), TAGS[0]).start();
    for era in ERAS {
        let a = asking(&mut w, era, "tags=api", None);
        let b = asking(&mut w, era, "tags=slow", None);
        for _ in 0..2 {
            assert_eq!(a.list(&mut w, "tools/list"), ["work_1mcp_t"]);
            assert_eq!(b.list(&mut w, "tools/list"), ["home_1mcp_t"]);
        }
        let params = |name: &str| {
            json!({"name": name, "arguments": {}, "_meta": {"progressToken": "same"}}).to_string()
        };
        let of_a = a.request_as(&mut w, "77", "tools/call", &params("work_1mcp_t"));
        let of_b = b.request_as(&mut w, "77", "tools/call", &params("home_1mcp_t"));
        let unknown = a.request_as(&mut w, "78", "tools/call", &params("home_1mcp_t"));
        assert_eq!(unknown.error(&mut w).0, -32602);
        let home = w.server("home").expect(&mut w, "tools/call");
        let work = w.server("work").expect(&mut w, "tools/call");
        home.result(&mut w, r#"{"content":["b"]}"#);
        work.result(&mut w, r#"{"content":["a"]}"#);
        assert_eq!(of_a.result(&mut w)["content"], json!(["a"]));
        assert_eq!(of_b.result(&mut w)["content"], json!(["b"]));
        for server in ["work", "home"] {
            w.server(server).expect_nothing(&mut w);
        }
    }
}

#[test]
fn a_server_that_was_never_seen_before_delays_nobody_who_leaves_it_out() {
    let mute = house("work").manual("initialize");
    for era in ERAS {
        let mut w = World::http()
            .server_with("work", r#""tags":["work"]"#, mute.clone())
            .server_with("home", r#""tags":["home"]"#, house("home"))
            .start();
        let c = asking(&mut w, era, "tags=home", None);
        assert_eq!(c.list(&mut w, "tools/list"), ["home_1mcp_t"]);
        let (code, message) = c.call(&mut w, "work_1mcp_x", "{}").error(&mut w);
        assert_eq!(code, -32602, "{message}");
        assert!(message.ends_with("leaves server work out"), "{message}");
    }
}
