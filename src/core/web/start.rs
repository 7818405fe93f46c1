//! The start page: what this is and its URLs. HTML for browsers, JSON for programs.

use crate::http1::server::Headers;
use crate::json::write::push_string;
use crate::settings::Settings;
use crate::web::answer::Answer;

const TEMPLATE: &str = include_str!("start.html");

/// Answers `/`.
#[must_use]
pub fn start(settings: &Settings, headers: &Headers) -> Answer {
    let origin = origin(settings, headers);
    let browser = headers
        .list("accept")
        .filter_map(|element| element.split(';').next())
        .any(|kind| kind.trim_ascii().eq_ignore_ascii_case("text/html"));
    if browser {
        let page = TEMPLATE
            .replace("{version}", &escape(&settings.version))
            .replace("{origin}", &escape(&origin));
        return Answer::html(page);
    }
    let mut body = b"{\"name\":\"1mcp\",\"version\":".to_vec();
    push_string(&mut body, &settings.version);
    for (name, path) in [("mcp", "/mcp"), ("sse", "/sse"), ("health", "/health")] {
        body.push(b',');
        push_string(&mut body, name);
        body.push(b':');
        push_string(&mut body, &format!("{origin}{path}"));
    }
    body.extend_from_slice(b"}\n");
    Answer::json(200, body)
}

/// What our URLs begin with, as the reader can use them: the external URL, else the host that was
/// asked for (which [`crate::web::guard`] has accepted).
fn origin(settings: &Settings, headers: &Headers) -> String {
    match (&settings.external_url, headers.get("host")) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => String::new(),
    }
}

/// Text as HTML text or a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
