//! Servers that want tokens, from the first 401 to the owner's browser and back (protocol O1-O13,
//! X4), with everything that is in the hub.

use std::collections::BTreeMap;

use onemcp::base::form::Form;
use onemcp::base::mark::{Mark, must_hit};
use onemcp::input::Input;
use onemcp::instance::survey::{ServerSurvey, State};
use serde_json::Value;

use crate::client::Client;
use crate::remote::{ISSUER, SiteState, far};
use crate::server::{anything, tool, tools};
use crate::server_modern::stateless;
use crate::world::{Builder, World, remote_entry};

const PAGE: &str = "http://127.0.0.1:3050/oauth/connect/r";
const DONE: &str = r#"{"resultType":"complete","content":[],"k":7}"#;
const URLS: &str = r#"{"elicitation":{"url":{}}}"#;

fn legacy() -> SiteState {
    far(anything().with("tools", [tool("t"), tool("u")])).guarded()
}

fn modern() -> SiteState {
    far(stateless().with("tools", [tool("t"), tool("u")])).guarded()
}

fn with(site: SiteState) -> Builder {
    World::http()
        .remote("r", site)
        .site(ISSUER, far(anything()).https())
        .server("s", tools(["v"]))
}

fn survey(w: &mut World, name: &str) -> ServerSurvey {
    let servers = w.survey().servers;
    let found = servers.into_iter().find(|server| server.name == name);
    found.unwrap()
}

fn state(w: &mut World, name: &str) -> State {
    survey(w, name).state
}

/// A request of the owner's browser on this machine.
fn browse(w: &mut World, line: &str, cookie: &str, body: &str) -> String {
    let link = w.connect();
    let mut text = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:3050\r\n");
    if !cookie.is_empty() {
        text += &format!("Cookie: {cookie}\r\n");
    }
    if !body.is_empty() {
        text += &format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    w.bytes(link, format!("{text}\r\n{body}").as_bytes());
    w.rest();
    let answer = std::mem::take(&mut w.peer(link).received);
    w.input(Input::Broken { link });
    String::from_utf8(answer).unwrap()
}

fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let mut lines = answer.lines();
    let found = lines.find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    });
    found.unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// The owner opens the page of a server, clicks, agrees there, and comes back.
fn authorize(w: &mut World, name: &str) {
    let path = format!("/oauth/connect/{name}");
    let page = browse(w, &format!("GET {path}"), "", "");
    let cookie = field(&page, "set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = rest.split('"').next().unwrap();
    let form = Form::default().with("csrf", csrf).text();
    let sent = browse(w, &format!("POST {path}"), &cookie, &form);
    let to = field(&sent, "location").to_owned();
    let query = to.strip_prefix(&format!("https://{ISSUER}/authorize?"));
    let back = w
        .net
        .issuer
        .agree(query.unwrap_or_else(|| panic!("{sent}")));
    let back = back
        .strip_prefix("http://127.0.0.1:3050")
        .unwrap()
        .to_owned();
    let done = browse(w, &format!("GET {back}"), &cookie, "");
    assert!(
        done.starts_with("HTTP/1.1 303") || done.starts_with("HTTP/1.1 200"),
        "{done}"
    );
    w.advance(10);
}

fn ready(site: SiteState) -> World {
    let mut w = with(site).start();
    authorize(&mut w, "r");
    assert_eq!(state(&mut w, "r"), State::Ready);
    w
}

/// A call that the server answers.
fn served(w: &mut World, client: Client, name: &str) {
    let call = client.call(w, &format!("r_1mcp_{name}"), "{}");
    w.site("r").expect(w, "tools/call").result(w, DONE);
    assert_eq!(call.result(w)["k"], 7);
}

/// Nothing that was logged or told has a secret in it.
fn assert_discreet(w: &mut World) {
    let told = format!("{:?} {:?}", w.survey(), w.log);
    for secret in ["access-token", "refresh-token", "code-"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

#[test]
fn o13_from_401_to_ready_by_way_of_the_owners_browser() {
    for site in [legacy(), modern(), legacy().old_sse()] {
        let mut w = with(site).start();
        let r = survey(&mut w, "r");
        assert_eq!(r.state, State::Awaiting);
        assert_eq!(r.authorize_url.as_deref(), Some(PAGE));
        assert!(w.logged(&["Warn server=r awaits authorization", PAGE]));
        // It delays nobody: neither lists nor other servers.
        let a = w.client("{}");
        assert_eq!(a.list(&mut w, "tools/list"), ["s_1mcp_v"]);
        let (code, text) = a.call(&mut w, "r_1mcp_t", "{}").error(&mut w);
        assert_eq!(code, -32603);
        assert!(text.contains(PAGE), "{text}");
        authorize(&mut w, "r");
        assert_eq!(state(&mut w, "r"), State::Ready);
        let listed = ["r_1mcp_t", "r_1mcp_u", "s_1mcp_v"];
        assert_eq!(a.list(&mut w, "tools/list"), listed);
        served(&mut w, a, "t");
        assert_discreet(&mut w);
    }
}

#[test]
fn o11_a_token_that_ends_under_a_call_is_renewed_and_the_call_goes_on() {
    for site in [legacy(), modern()] {
        let _reached = must_hit(Mark::CallAuthorized);
        let mut w = ready(site);
        let a = w.client("{}");
        served(&mut w, a, "t");
        let before = w.site("r").last(&w, "tools/call");
        w.net.issuer.live.clear();
        let calls = [
            a.call(&mut w, "r_1mcp_t", "{}"),
            a.call(&mut w, "r_1mcp_u", "{}"),
        ];
        for call in calls {
            w.site("r")
                .expect(&mut w, "tools/call")
                .result(&mut w, DONE);
            assert_eq!(call.result(&mut w)["k"], 7);
        }
        let after = w.site("r").last(&w, "tools/call");
        assert_ne!(after.field("authorization"), before.field("authorization"));
        assert_eq!(
            after.field("mcp-session-id"),
            before.field("mcp-session-id")
        );
        assert_eq!(w.net.issuer.live.len(), 1, "renewed once");
        assert_discreet(&mut w);
    }
}

#[test]
fn o11_a_permission_that_was_taken_back_is_asked_for_again() {
    let mut w = ready(legacy());
    let a = w.client("{}");
    w.net.issuer.live.clear();
    w.net.issuer.refresh.clear();
    let (code, text) = a.call(&mut w, "r_1mcp_t", "{}").error(&mut w);
    assert_eq!(code, -32603);
    assert!(text.contains(PAGE), "{text}");
    assert_eq!(state(&mut w, "r"), State::Awaiting);
    authorize(&mut w, "r");
    served(&mut w, a, "t");
}

#[test]
fn o11_more_scope_for_one_tool_and_the_others_go_on() {
    let mut w = ready(legacy());
    let site = w.site("r");
    site.state(&mut w).guard.as_mut().unwrap().more = Some(("u", "write"));
    let a = w.client("{}");
    let (_, text) = a.call(&mut w, "r_1mcp_u", "{}").error(&mut w);
    assert!(text.contains(PAGE), "{text}");
    assert_eq!(state(&mut w, "r"), State::Ready);
    served(&mut w, a, "t");
    authorize(&mut w, "r");
    served(&mut w, a, "u");
}

/// The same configuration in a new process.
fn restarted(w: &World, builder: Builder) -> World {
    let records: BTreeMap<String, Vec<u8>> = w.vault.records.clone();
    let issuer = w.net.issuer.clone();
    let mut w = builder.seed(9).begin_with(|w| {
        w.net.issuer = issuer;
        for (name, bytes) in records.clone() {
            let bytes = Some(bytes);
            w.input(Input::Record { name, bytes });
        }
        w.vault.records = records;
    });
    w.advance(300);
    w
}

#[test]
fn contract_5_tokens_outlive_a_restart_and_stay_with_their_url() {
    let w = ready(legacy());
    let mut again = restarted(&w, with(legacy()));
    assert_eq!(state(&mut again, "r"), State::Ready);
    // The same name at another URL is a stranger.
    let moved = SiteState {
        path: "/other".to_owned(),
        ..legacy()
    };
    let mut again = restarted(&w, with(moved));
    assert_eq!(state(&mut again, "r"), State::Awaiting);
    let site = again.site("r");
    let requests = &again.net.sites[site.0].requests;
    assert!(
        requests
            .iter()
            .all(|one| one.field("authorization").is_none())
    );
    assert_discreet(&mut again);
}

#[test]
fn x4_a_changed_url_and_another_name_get_no_token() {
    let mut w = ready(legacy());
    let url = "https://r.test/mcp";
    w.configure(&[remote_entry("r", url, ""), remote_entry("q", url, "")]);
    w.advance(300);
    assert_eq!(state(&mut w, "r"), State::Ready);
    assert_eq!(state(&mut w, "q"), State::Awaiting, "each has its own");
    authorize(&mut w, "q");
    assert_eq!(state(&mut w, "q"), State::Ready);
    let site = w.site("r");
    let before = site.state(&mut w).requests.len();
    w.configure(&[remote_entry("r", "https://r.test/mcp?other", "")]);
    w.advance(300);
    assert_eq!(state(&mut w, "r"), State::Awaiting);
    let requests = site.state(&mut w).requests.split_off(before);
    let others = requests.iter().filter(|one| one.target.contains("other"));
    let mut others = others.peekable();
    assert!(others.peek().is_some());
    assert!(others.all(|one| one.field("authorization").is_none()));
}

#[test]
fn o13_a_client_of_2025_11_25_that_opens_urls_is_handed_our_page() {
    let _reached = must_hit(Mark::PageHanded);
    let mut w = with(legacy()).start();
    let a = w.client(URLS);
    let answer = a.call(&mut w, "r_1mcp_t", "{}").answer(&mut w);
    assert_eq!(answer["error"]["code"], -32042, "{answer}");
    let asked = &answer["error"]["data"]["elicitations"][0];
    assert_eq!(asked["mode"], "url");
    assert_eq!(asked["url"], PAGE);
    assert!(asked["elicitationId"].is_string() && asked["message"].is_string());
    // One of before has no word for it.
    let b = Client::http(&mut w);
    b.initialize(&mut w, "2025-06-18", URLS);
    b.initialized(&mut w);
    assert_eq!(b.call(&mut w, "r_1mcp_t", "{}").error(&mut w).0, -32603);
}

#[test]
fn o13_a_client_without_a_session_is_asked_and_its_retry_makes_the_call() {
    let mut w = with(legacy()).start();
    let a = Client::modern(&mut w, URLS);
    let asked = |answer: &Value| {
        assert_eq!(answer["resultType"], "input_required", "{answer}");
        let (key, request) = answer["inputRequests"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        assert_eq!(request["method"], "elicitation/create");
        assert_eq!(request["params"]["mode"], "url");
        assert_eq!(request["params"]["url"], PAGE);
        (key.clone(), answer["requestState"].clone())
    };
    let retry = |w: &mut World, (key, state): (String, Value), action: &str| {
        let params = format!(
            "{{\"name\":\"r_1mcp_t\",\"arguments\":{{}},\"requestState\":{state},\
             \"inputResponses\":{{\"{key}\":{{\"action\":\"{action}\"}}}}}}"
        );
        a.request(w, "tools/call", &params)
    };
    let first = a.call(&mut w, "r_1mcp_t", "{}").result(&mut w);
    let declined = retry(&mut w, asked(&first), "decline");
    let (code, text) = declined.error(&mut w);
    assert_eq!(code, -32603);
    assert!(text.contains(PAGE), "{text}");
    authorize(&mut w, "r");
    let call = retry(&mut w, asked(&first), "accept");
    w.site("r")
        .expect(&mut w, "tools/call")
        .result(&mut w, DONE);
    assert_eq!(call.result(&mut w)["k"], 7);
}

#[test]
fn contract_5_in_stdio_mode_a_port_is_opened_for_the_owner() {
    let mut w = World::stdio()
        .remote("r", legacy())
        .site(ISSUER, far(anything()).https())
        .start();
    let a = w.stdin();
    a.initialize(&mut w, "2025-11-25", "{}");
    a.initialized(&mut w);
    w.advance(300);
    assert!(w.vault.listens);
    let page = survey(&mut w, "r").authorize_url.unwrap();
    let port = crate::vault::LOCAL_PORT;
    let begin = format!("http://127.0.0.1:{port}/oauth/connect/r?ticket=");
    assert!(page.starts_with(&begin), "{page}");
}
