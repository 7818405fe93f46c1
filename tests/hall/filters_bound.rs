//! `--tags`, `--filter` and `--preset`: which servers run at all (contract 4).

use std::rc::Rc;

use onemcp::filter::Expr;
use onemcp::settings::Settings;

use crate::filters::asking;
use crate::server::tools;
use crate::token::ERAS;
use crate::world::{World, entry, presets};

const SERVERS: [(&str, &str); 4] = [
    ("work", r#""tags":["Web","api"]"#),
    ("home", r#""tags":["web"]"#),
    ("api", r#""tags":["db"]"#),
    ("bare", ""),
];

fn world(bound: impl FnOnce(&mut Settings)) -> World {
    let builder = World::http()
        .presets(&[("calm", "web, db")])
        .settings(bound);
    let with = |builder: crate::world::Builder, (name, members): &(&str, &str)| {
        builder.server_with(name, members, tools(["t"]))
    };
    SERVERS.iter().fold(builder, with).start()
}

fn running(w: &World) -> Vec<&'static str> {
    let names = SERVERS.iter().map(|(name, _)| *name);
    names.filter(|name| !w.running(name).is_empty()).collect()
}

fn expr(text: &str) -> Option<Rc<Expr>> {
    Some(Rc::new(Expr::parse(text).unwrap()))
}

#[test]
fn all_bounds_that_are_given_must_let_a_server_through() {
    let tags = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let preset = |name: &str| Some(name.to_owned());
    for (named, filter, by_preset, runs) in [
        (tags(&[]), None, None, vec!["work", "home", "api", "bare"]),
        // By tag or by name.
        (tags(&["API"]), None, None, vec!["work", "api"]),
        (tags(&["bare", "db"]), None, None, vec!["api", "bare"]),
        // By tag only.
        (tags(&[]), expr("api"), None, vec!["work"]),
        (tags(&[]), expr("!web"), None, vec!["api", "bare"]),
        (tags(&[]), None, preset("calm"), vec!["work", "home", "api"]),
        (tags(&["api"]), expr("!web"), None, vec!["api"]),
        (tags(&["api"]), expr("web"), preset("calm"), vec!["work"]),
        (tags(&["none"]), None, None, vec![]),
    ] {
        let mut w = world(|settings| {
            settings.tags = named;
            settings.filter = filter;
            settings.preset = by_preset;
        });
        assert_eq!(running(&w), runs);
        for era in ERAS {
            let shown: Vec<String> = runs.iter().map(|name| format!("{name}_1mcp_t")).collect();
            let c = asking(&mut w, era, "", None);
            assert_eq!(c.list(&mut w, "tools/list"), shown);
        }
    }
}

#[test]
fn no_query_goes_beyond_a_bound_and_queries_match_tags_only() {
    let mut w = world(|settings| settings.filter = expr("web"));
    for era in ERAS {
        for (query, shown) in [
            ("tags=db,web", vec!["work_1mcp_t", "home_1mcp_t"]),
            ("tags=api", vec!["work_1mcp_t"]),
            ("tags=home", vec![]),
            ("filter=!web", vec![]),
            ("preset=calm", vec!["work_1mcp_t", "home_1mcp_t"]),
        ] {
            let c = asking(&mut w, era, query, None);
            assert_eq!(c.list(&mut w, "tools/list"), shown, "{query}");
        }
        // What does not run does not exist, and no filter is the reason.
        let c = asking(&mut w, era, "tags=web", None);
        let (code, message) = c.call(&mut w, "api_1mcp_t", "{}").error(&mut w);
        assert_eq!(code, -32602);
        assert!(!message.contains("filter"), "{message}");
    }
}

#[test]
fn the_preset_of_the_command_line_is_followed() {
    let mut w = world(|settings| settings.preset = Some("calm".to_owned()));
    let a = w.client("{}");
    w.advance(1_000);
    a.clear(&mut w);
    let entries = || SERVERS.map(|(name, members)| entry(name, members));
    w.presets = presets(&[("calm", "api, db")]);
    w.configure(&entries());
    w.advance(1_000);
    assert_eq!(running(&w), ["work", "api"]);
    assert_eq!(a.heard(&mut w), ["notifications/tools/list_changed"]);
    assert!(!w.logged(&["no preset"]));
    w.presets = presets(&[("other", "api")]);
    w.configure(&entries());
    w.advance(1_000);
    assert_eq!(running(&w), [""; 0]);
    assert!(w.logged(&["Warn", "there is no preset \"calm\""]));
    assert_eq!(a.list(&mut w, "tools/list"), [""; 0]);
    w.presets = presets(&[("calm", "bare")]);
    w.configure(&[entry("bare", r#""tags":["bare"]"#)]);
    w.advance(1_000);
    assert_eq!(running(&w), ["bare"]);
}
