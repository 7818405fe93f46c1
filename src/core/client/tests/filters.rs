//! What URLs ask to see: which requests count, in which order they are refused, what is kept.

use std::rc::Rc;

use super::kit::*;
use super::modern;
use crate::base::mark::{Mark, must_hit};
use crate::filter::{Expr, Preset, Presets};
use crate::language::{ClientEvent, ClientKey};
use crate::limits::FILTERS_KNOWN_MAX;
use crate::mcp::version::Version;

fn at(query: &str, text: &str) -> String {
    text.replacen("/mcp ", &format!("/mcp?{query} "), 1)
        .replacen("/sse ", &format!("/sse?{query} "), 1)
}

impl Kit {
    /// Which of the tags a and b a client sees.
    pub(super) fn sees(&self, client: ClientKey) -> String {
        let sight = self.clients.sight(client);
        let seen = ["a", "b"]
            .into_iter()
            .filter(|tag| sight.admits(&[(*tag).to_owned()]));
        seen.collect()
    }
}

#[test]
fn the_url_of_each_request_on_mcp_counts() {
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    assert_eq!(kit.sees(session.client), "ab");
    for (query, seen) in [
        ("tags=a", "a"),
        ("filter=!a", "b"),
        ("x=1", "ab"),
        ("tags=c", ""),
    ] {
        let (_, told, _) = kit.ask_http(&at(query, &session.post(&[], &request("1"))));
        assert_eq!(kit.sees(session.client), seen, "{query}");
        let (client, at, _) = told[0].request();
        kit.answer(client, at, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    }
    // Notifications too, and without any it is everything again.
    kit.ask_http(&at("tags=a", &session.post(&[], INITIALIZED)));
    assert_eq!(kit.sees(session.client), "a");
    kit.ask_http(&session.post(&[], INITIALIZED));
    assert_eq!(kit.sees(session.client), "ab");
    // The GET stream as well: no message tells that.
    for (query, turned) in [("tags=b", true), ("tags=b", false), ("x", true)] {
        let (link, told, answer) = kit.ask_http(&at(query, &session.http("GET", &[], "")));
        assert_eq!(answer.status, 200);
        let is_turned = |told: &Told| match told.event {
            ClientEvent::Turned { client } => client == session.client,
            _ => false,
        };
        assert_eq!(told.first().is_some_and(is_turned), turned, "{query}");
        kit.broken(link);
    }
    assert_eq!(kit.sees(session.client), "ab");
    // A session is opened with what its first request asks for.
    let (_, told, _) = kit.ask_http(&at("tags=a", &post(&[], &initialize("2025-11-25"))));
    assert_eq!(kit.sees(told[0].request().0), "a");
}

#[test]
fn clients_without_a_session_ask_with_each_request() {
    let mut kit = Kit::default();
    for (query, seen) in [("tags=a", "a"), ("tag-filter=-a", "b"), ("", "ab")] {
        let (_, told, _) = kit.ask_http(&at(query, &modern::list("1")));
        assert_eq!(kit.sees(told[0].request().0), seen, "{query}");
    }
}

#[test]
fn on_sse_the_url_of_the_stream_counts_and_no_other() {
    let mut kit = Kit::default();
    let (link, _, answer) = kit.ask_http("GET /sse?tags=a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.status, 200);
    let endpoint = answer
        .body
        .lines()
        .find_map(|line| line.strip_prefix("data: "));
    let endpoint = endpoint.unwrap().to_owned();
    let message = |more: &str| {
        let head = format!("POST {endpoint}{more} HTTP/1.1\r\nHost: localhost\r\n");
        let body = initialize("2024-11-05");
        format!(
            "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for more in ["", "&tags=b", "&filter=("] {
        let (_, told, answer) = kit.ask_http(&message(more));
        assert_eq!(answer.status, 202, "{more}");
        let (client, at, _) = told[0].request();
        assert_eq!(kit.sees(client), "a", "{more}");
        kit.answer(client, at, r#"{"jsonrpc":"2.0","id":0,"result":{}}"#);
    }
    kit.take(link);
}

#[test]
fn what_cannot_be_read_is_400_and_names_parameter_and_position() {
    let _refused = must_hit(Mark::FilterRefused);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    for request in [
        session.post(&[], &request("1")),
        session.http("GET", &[], ""),
        session.http("DELETE", &[], ""),
        post(&[], &initialize("2025-11-25")),
        modern::list("1"),
        "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        // By its head alone.
        post(&[], "").replacen("Content-Length: 0", "Content-Length: 1000000", 1),
    ] {
        for (query, text) in [
            ("filter=a%20b", "?filter of the URL, position 3: "),
            ("tags=", "?tags of the URL, position 1: "),
            ("tags=a&preset=x", "?tags and ?preset stand both in the URL"),
            (
                "preset=x",
                r#"?preset of the URL: there is no preset \"x\""#,
            ),
        ] {
            let (_, told, answer) = kit.ask_http(&at(query, &request));
            assert!(told.is_empty(), "{request}");
            assert_eq!((answer.status, answer.code()), (400, -32600), "{request}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.body.contains(text), "{}", answer.body);
        }
    }
    assert_eq!(kit.clients.count().sessions, 1);
    // Who may not ask hears of that first, and other paths have other queries.
    let (_, _, answer) = kit.ask_http("GET /mcp?filter=( HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    assert_eq!(answer.status, 403);
    let (_, _, answer) = kit.ask_http("GET /?filter=( HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.status, 200);
    let (_, _, answer) = kit.ask_http("PUT /mcp?filter=( HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.status, 405);
}

#[test]
fn the_last_queries_are_kept_and_no_more() {
    let _full = must_hit(Mark::FiltersKnownFull);
    let mut kit = Kit::default();
    let session = kit.session(Version::V2025_11_25);
    let ask = |kit: &mut Kit, number: usize| {
        let query = format!("filter=t{number},a");
        kit.ask_http(&at(&query, &session.post(&[], INITIALIZED)));
        assert_eq!(kit.sees(session.client), "a");
        kit.clients.sight(session.client)
    };
    let first = ask(&mut kit, 0);
    for number in 1..=FILTERS_KNOWN_MAX {
        ask(&mut kit, number);
    }
    assert_eq!(ask(&mut kit, 0), first);
}

#[test]
fn a_preset_is_what_it_says_at_the_moment() {
    let _gone = must_hit(Mark::PresetGone);
    let presets = |all: &[(&str, &str)]| {
        let mut presets = Presets::default();
        for (name, text) in all {
            let expr = Rc::new(Expr::parse(text).unwrap());
            let description = None;
            presets.insert(name, Preset { description, expr });
        }
        Rc::new(presets)
    };
    let mut kit = Kit::default();
    kit.clients.set_presets(&presets(&[("p", "a"), ("q", "b")]));
    let session = kit.session(Version::V2025_11_25);
    let ask = |kit: &mut Kit| {
        let (.., answer) = kit.ask_http(&at("preset=p", &session.post(&[], INITIALIZED)));
        (answer.status, kit.sees(session.client))
    };
    assert_eq!(ask(&mut kit), (202, "a".to_owned()));
    kit.clients.set_presets(&presets(&[("p", "b")]));
    assert_eq!(kit.sees(session.client), "b");
    assert_eq!(ask(&mut kit), (202, "b".to_owned()));
    // It is deleted: nothing is seen, by whoever had asked for it.
    kit.clients.set_presets(&presets(&[("q", "a")]));
    assert_eq!(kit.sees(session.client), "");
    assert_eq!(ask(&mut kit), (202, String::new()));
    let (.., answer) = kit.ask_http(&at("preset=p", &post(&[], &initialize("2025-11-25"))));
    assert_eq!(answer.status, 400);
    let (.., answer) = kit.ask_http(&at("preset=none", &session.post(&[], INITIALIZED)));
    assert_eq!(answer.status, 400);
    // And comes back.
    kit.clients.set_presets(&presets(&[("p", "a,b")]));
    assert_eq!(kit.sees(session.client), "ab");
}
