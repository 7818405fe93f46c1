//! Every page with everything that may be on it: well-formed, without anything in it that its
//! policy refuses, and with what strangers say as text only.

use std::collections::BTreeSet;

use super::*;
use crate::instance::survey::State;
use crate::language::WebRequest;
use crate::principal::Scopes;
use crate::settings::Settings;

/// What strangers may say, each with something that must not get through.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus='alert(1)",
    "</title></dd></main><h1>",
    "&lt;b&gt;&#0;&amp",
    "a\u{202e}txt.exe\u{2066}\u{200b}",
    "\0\u{1b}[2J\u{7f}\u{85}\r\n",
    "{csrf}{hidden}",
];

const CSRF: &str = "the-token";

/// All pages with this text wherever a text of somebody else can be, and names for them.
fn pages(text: &str) -> Vec<(String, Answer)> {
    let mut all = Vec::new();
    let mut page = |name: &str, answer: Answer| all.push((name.to_owned(), answer));
    for state in [
        LoginState::First,
        LoginState::Wrong,
        LoginState::Stale,
        LoginState::Wait(90),
        LoginState::NoPassword,
    ] {
        let view = LoginView {
            csrf: CSRF,
            next: text,
            state,
        };
        page(&format!("login {state:?}"), login(&view));
    }
    let tags = Scopes::Tags([text.into(), "work".into()].into());
    for (kind, redirect, scopes) in [
        (
            ClientKind::Registered,
            encoded("https://a.b/?q=", text),
            &tags,
        ),
        (ClientKind::Document(text), text.to_owned(), &Scopes::All),
        (
            ClientKind::Added,
            encoded("http://127.0.0.1:1/", text),
            &tags,
        ),
        (ClientKind::Added, format!("cursor://{text}"), &tags),
    ] {
        let view = ConsentView {
            client: text,
            kind,
            redirect_uri: &redirect,
            scopes,
            action: "/authorize",
            hidden: &[("state", text), (text, "x")],
            csrf: CSRF,
        };
        page(&format!("consent {kind:?}"), consent(&view));
    }
    for authorize in [true, false] {
        let view = ConnectView {
            server: text,
            url: Some(text),
            issuer: Some(text),
            says: text,
            authorize,
            csrf: CSRF,
        };
        page(&format!("connect {authorize}"), connect(&view));
    }
    page("problem", problem(400, text, text));
    for (logged_in, may_act) in [(true, true), (false, true), (false, false)] {
        let view = full_dashboard(text, logged_in, may_act);
        page(
            &format!("dashboard {logged_in} {may_act}"),
            dashboard(&view),
        );
    }
    let settings = Settings {
        version: text.to_owned(),
        external_url: Some(text.to_owned()),
        ..Settings::default()
    };
    let headers = Headers::of(&[("Accept", "text/html")]);
    page("start", start(&settings, &headers));
    all
}

fn encoded(before: &str, text: &str) -> String {
    let mut out = before.to_owned();
    crate::base::form::encode(&mut out, text);
    out
}

const STATES: [State; 10] = [
    State::Ready,
    State::Starting,
    State::Waiting,
    State::Restarting { in_ms: 61_000 },
    State::Awaiting,
    State::Failed,
    State::Fault,
    State::Stopping,
    State::Disabled,
    State::Unselected,
];

fn full_dashboard(text: &str, logged_in: bool, may_act: bool) -> DashboardView {
    let some = || Some(text.to_owned());
    let full = |state| ServerCard {
        url: some(),
        why: some(),
        last_error: Some(format!("{text}!")),
        tools: Some(1),
        prompts: Some(2),
        resources: Some(3),
        restarts: 4,
        uptime_ms: Some(5),
        authorize: state == State::Awaiting,
        issuer: some(),
        ..ServerCard::new(text, state)
    };
    let bare = |state| ServerCard::new(text, state);
    DashboardView {
        version: text.to_owned(),
        servers: STATES
            .into_iter()
            .flat_map(|state| [full(state), bare(state)])
            .collect(),
        logged_in,
        may_act,
        csrf: CSRF.to_owned(),
        ..DashboardView::default()
    }
}

fn text_of(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// One element's beginning: its name and its attributes.
type Tag = (String, Vec<(String, String)>);

const VOID: [&str; 4] = ["input", "link", "meta", "br"];

/// Reads a page strictly: every element is closed in order, every attribute quoted, every `<`, `>`
/// and `&` in text escaped. Returns the elements and the text between them.
fn read(page: &str) -> (Vec<Tag>, String) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let (mut open, mut tags, mut text) = (Vec::<String>::new(), Vec::new(), String::new());
    while let Some((before, behind)) = rest.split_once('<') {
        assert!(!before.contains('>'), "an open end: {before}");
        check_references(before);
        text.push_str(before);
        let (inside, after) = behind.split_once('>').expect("an element ends");
        rest = after;
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in order");
            continue;
        }
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "<{name}>");
        let tag = (name.to_owned(), read_attributes(attributes));
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        tags.push(tag);
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    (tags, text)
}

fn read_attributes(text: &str) -> Vec<(String, String)> {
    let mut rest = text.trim_start();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let plain = |b: u8| b.is_ascii_lowercase() || b == b'-';
        assert!(!name.is_empty() && name.bytes().all(plain), "{text}");
        let (value, behind) = match behind.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').expect("a closed quote"),
            None => ("", behind),
        };
        assert!(behind.is_empty() || behind.starts_with(' '), "{text}");
        check_references(value);
        let twice = found.iter().any(|(own, _)| own == name);
        assert!(!twice, "{name} twice in {text}");
        found.push((name.to_owned(), value.to_owned()));
        rest = behind.trim_start();
    }
    found
}

fn check_references(text: &str) {
    for behind in text.split('&').skip(1) {
        let name = behind.split(';').next().unwrap();
        let known = ["amp", "lt", "gt", "quot", "#39", "#13", "#10"];
        assert!(behind.contains(';') && known.contains(&name), "&{behind}");
    }
}

fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    let found = tag.1.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn every_page_is_well_formed_whatever_strangers_say() {
    let plain: Vec<usize> = pages("plain")
        .iter()
        .map(|(_, page)| read(&text_of(page)).0.len())
        .collect();
    for hostile in HOSTILE {
        for ((name, page), elements) in pages(hostile).iter().zip(&plain) {
            let page = text_of(page);
            let (tags, text) = read(&page);
            assert_eq!(tags.len(), *elements, "{name}: an element of a stranger");
            let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            assert!(!text.contains(bad), "{name}");
            assert!(
                !text.contains(['\u{202e}', '\u{2066}', '\u{200b}']),
                "{name}"
            );
        }
    }
}

#[test]
fn no_page_has_style_script_or_a_stranger_s_link_in_it() {
    for hostile in HOSTILE
        .into_iter()
        .chain(["javascript:alert(1)", "//evil.com"])
    {
        for (name, page) in pages(hostile) {
            let (tags, _) = read(&text_of(&page));
            for tag in &tags {
                assert!(
                    tag.0 != "style" && tag.0 != "img" && tag.0 != "iframe",
                    "{name}"
                );
                assert!(
                    tag.0 != "script" || attribute(tag, "src").is_some(),
                    "{name}"
                );
                for (attribute, value) in &tag.1 {
                    assert!(
                        attribute != "style" && !attribute.starts_with("on"),
                        "{name}"
                    );
                    if matches!(attribute.as_str(), "href" | "src" | "action") {
                        let own = value.starts_with('/') && !value.starts_with("//");
                        assert!(own || value == "#main", "{name}: {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn s5_every_form_has_the_token_and_comes_back_to_us() {
    for (name, page) in pages("plain") {
        let page = text_of(&page);
        let forms = page.split("<form ").skip(1);
        for form in forms {
            let form = form.split("</form>").next().unwrap();
            assert!(form.starts_with("method=\"post\" action=\"/"), "{name}");
            let field = format!("<input type=\"hidden\" name=\"csrf\" value=\"{CSRF}\">");
            assert_eq!(form.matches(&field).count(), 1, "{name}");
        }
    }
}

#[test]
fn pages_can_be_used_with_a_keyboard_and_a_screen_reader() {
    for (name, page) in pages("plain") {
        let text = text_of(&page);
        let (tags, _) = read(&text);
        let count = |element: &str| tags.iter().filter(|tag| tag.0 == element).count();
        assert_eq!(
            (count("main"), count("header"), count("h1")),
            (1, 1, 1),
            "{name}"
        );
        let html = tags.iter().find(|tag| tag.0 == "html").unwrap();
        assert_eq!(attribute(html, "lang"), Some("en"));
        assert!(
            text.contains("name=\"viewport\" content=\"width=device-width"),
            "{name}"
        );
        assert!(text.contains("<a class=\"skip\" href=\"#main\">"), "{name}");
        let ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        let unique: BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name}: {ids:?}");
        let labels: Vec<&str> = tags
            .iter()
            .filter_map(|tag| attribute(tag, "for"))
            .collect();
        for input in tags.iter().filter(|tag| tag.0 == "input") {
            let unseen =
                attribute(input, "type") == Some("hidden") || attribute(input, "hidden").is_some();
            let labelled = attribute(input, "id").is_some_and(|id| labels.contains(&id));
            assert!(unseen || labelled, "{name}: {input:?}");
        }
    }
    let page = text_of(&dashboard(&full_dashboard("plain", true, true)));
    assert!(page.contains("id=\"summary\" class=\"summary\" role=\"status\""));
    assert!(
        page.contains("<a id=\"refresh\" href=\"/oauth\">Refresh</a>"),
        "without a script"
    );
    let wrong = LoginView {
        csrf: CSRF,
        next: "/",
        state: LoginState::Wrong,
    };
    let page = text_of(&login(&wrong));
    assert!(
        page.contains("id=\"alert\" role=\"alert\"") && page.contains("aria-describedby=\"alert\"")
    );
}

#[test]
fn s5_headers_of_every_page() {
    for (name, page) in pages("plain") {
        for (field, value) in [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
        ] {
            assert_eq!(page.field(field), Some(value), "{name}");
        }
        let policy = page.field("Content-Security-Policy").unwrap();
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(
                policy.split("; ").any(|own| own == part),
                "{name}: {policy}"
            );
        }
        let live = name.starts_with("dashboard");
        assert_eq!(policy.contains("script-src 'self'"), live, "{name}");
        assert_eq!(policy.contains("connect-src 'self'"), live, "{name}");
        // Browsers check `form-action` on the redirect behind a form as well.
        let leaves = name.starts_with("consent") || name.starts_with("connect");
        assert_eq!(policy.contains("form-action"), !leaves, "{name}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{name}"
        );
    }
}

#[test]
fn s5_the_consent_page_tells_who_where_and_what_for() {
    let shown = |kind, redirect_uri: &str, scopes: &str| {
        let scopes = Scopes::parse(scopes).unwrap();
        let view = ConsentView {
            client: "Some App",
            kind,
            redirect_uri,
            scopes: &scopes,
            action: "/authorize",
            hidden: &[("request", "a\"b\r\n")],
            csrf: CSRF,
        };
        text_of(&consent(&view))
    };
    let page = shown(
        ClientKind::Registered,
        "https://a.example:8443/cb?x=1",
        "mcp",
    );
    for part in [
        "<bdi>Some App</bdi>",
        "<b>a.example:8443</b>",
        "https://a.example:8443/cb?x=1",
        "Nobody has checked who is behind it",
        "all servers of this gateway",
        "name=\"decision\" value=\"deny\"",
        "name=\"decision\" value=\"allow\"",
        "name=\"request\" value=\"a&quot;b&#13;&#10;\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("class=\"alert"));
    for host in ["127.0.0.1:33418", "localhost:1", "[::1]:80"] {
        let page = shown(
            ClientKind::Added,
            &format!("http://{host}/cb"),
            "tag:a tag:b",
        );
        assert!(page.contains("this computer (") && page.contains("class=\"alert warn\""));
        assert!(page.contains("tag \u{201c}a\u{201d}") && page.contains("tag \u{201c}b\u{201d}"));
    }
    let page = shown(
        ClientKind::Document("https://d.e/c.json"),
        "cursor://x/y",
        "",
    );
    assert!(page.contains("(cursor:)") && page.contains("class=\"alert warn\""));
    assert!(page.contains("https://d.e/c.json") && page.contains("see no server"));
    let page = shown(ClientKind::Added, "http://a.b/cb", "mcp");
    assert!(page.contains("not encrypted"));
    // Who is before the @ is no host.
    let page = shown(ClientKind::Added, "https://claude.ai@evil.com/cb", "mcp");
    assert!(!page.contains("<b>claude.ai"), "{page}");
}

#[test]
fn contract_5_buttons_are_for_those_who_may() {
    let page = |logged_in, may_act| text_of(&dashboard(&full_dashboard("s", logged_in, may_act)));
    let owner = page(true, true);
    assert_eq!(
        owner.matches("action=\"/oauth/retry\"").count(),
        4,
        "restarting and failed"
    );
    assert_eq!(owner.matches("href=\"/oauth/connect/s\"").count(), 1);
    assert!(owner.contains("action=\"/oauth/logout\"") && !owner.contains("/oauth/login"));
    let local = page(false, true);
    assert!(local.contains("/oauth/retry") && local.contains("/oauth/login"));
    let stranger = page(false, false);
    assert!(!stranger.contains("<form") && !stranger.contains("/oauth/connect"));
    assert!(stranger.contains("href=\"/oauth/login?next=/oauth\""));
    let many = DashboardView {
        servers: vec![ServerCard::new("s", State::Ready); crate::limits::PAGE_SERVERS_MAX + 2],
        ..DashboardView::default()
    };
    let page = text_of(&dashboard(&many));
    assert_eq!(
        page.matches("<li ").count(),
        crate::limits::PAGE_SERVERS_MAX
    );
    assert!(page.contains("2 more are in the list of"));
}

#[test]
fn contract_5_errors_are_html_for_browsers_only() {
    for (accept, kind) in [
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
    ] {
        let answer = refusal(&Headers::of(&[("Accept", accept)]), 404, "a<b", "c");
        assert_eq!(
            (answer.status, answer.field("Content-Type")),
            (404, Some(kind))
        );
    }
}

#[test]
fn s5_the_client_may_be_told_at_once_after_a_login_that_it_asked_for() {
    for (next, leaves) in [("/authorize?a=b", true), ("/oauth", false), ("/", false)] {
        let page = login(&LoginView {
            csrf: "c",
            next,
            state: LoginState::First,
        });
        // Browsers check `form-action` on every redirect behind a form.
        let policy = page.field("Content-Security-Policy").unwrap();
        assert_eq!(policy.contains("form-action"), !leaves, "{next}");
    }
}

#[test]
fn assets_are_kept_by_their_version_only() {
    let ask = |target: &str| asset(&head(target));
    let page = text_of(&dashboard(&DashboardView::default()));
    for (path, kind) in [
        ("/style.css", "text/css; charset=utf-8"),
        ("/live.js", "text/javascript; charset=utf-8"),
    ] {
        let start = page.find(path).unwrap();
        let url = page[start..].split('"').next().unwrap();
        let named = ask(url).unwrap();
        assert_eq!(named.field("Content-Type"), Some(kind));
        assert!(named.field("Cache-Control").unwrap().contains("immutable"));
        for other in [path.to_owned(), format!("{path}?v=0")] {
            let other = ask(&other).unwrap();
            assert_eq!(
                (other.field("Cache-Control"), &other.body),
                (Some("no-cache"), &named.body)
            );
        }
    }
    let icon = ask("/favicon.ico").unwrap();
    assert_eq!(icon.field("Content-Type"), Some("image/svg+xml"));
    assert!(ask("/style.css/").is_none() && ask("/").is_none());
}

fn head(target: &str) -> crate::http1::server::Request {
    use crate::base::frame::Frame;
    use crate::http1::server::{Server, Step};
    let mut server = Server::new(0);
    server.receive(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    match server.next(&mut Frame::default()) {
        Step::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn x10_forms_have_a_length() {
    let request = |length: usize| WebRequest {
        head: crate::http1::server::Request::of(
            crate::http1::server::Method::Post,
            false,
            Headers::of(&[("content-type", "application/x-www-form-urlencoded")]),
        ),
        body: vec![b'a'; length],
        peer: [127, 0, 0, 1].into(),
        client: [127, 0, 0, 1].into(),
    };
    let max = crate::limits::FORM_BYTES_MAX;
    assert!(posted(&request(max)).is_ok());
    assert_eq!(posted(&request(max + 1)).unwrap_err().status, 413);
}
