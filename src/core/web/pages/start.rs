//! The start page: what this is and its URLs. HTML for browsers, JSON for programs.

use crate::base::html::{Html, Template};
use crate::http1::server::Headers;
use crate::json::write::push_string;
use crate::settings::Settings;
use crate::web::answer::Answer;
use crate::web::pages::policy::Policy;
use crate::web::pages::{Layout, NARROW, page, wants_html};

const START: Template = Template::new(include_str!("start.html"));

/// Answers `/`.
#[must_use]
pub fn start(settings: &Settings, headers: &Headers) -> Answer {
    let origin = origin(settings, headers);
    if wants_html(headers) {
        let version = &settings.version;
        let body = START.fill(&[("version", version.into()), ("origin", (&origin).into())]);
        let layout = Layout {
            title: "Many MCP servers behind one endpoint",
            width: NARROW,
            policy: Policy::Text,
        };
        return page(200, layout, Html::default(), body);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(external: Option<&str>, headers: &[(&str, &str)]) -> (Answer, String) {
        let settings = Settings {
            version: "1<2".to_owned(),
            external_url: external.map(str::to_owned),
            ..Settings::default()
        };
        let answer = start(&settings, &Headers::of(headers));
        let text = String::from_utf8(answer.body.clone()).unwrap();
        (answer, text)
    }

    #[test]
    fn contract_5_never_html_where_a_program_asked() {
        for accept in ["*/*", "application/json", "", "text/htmlx", "application/*"] {
            let (answer, text) = page(None, &[("Host", "localhost:1"), ("Accept", accept)]);
            assert_eq!(answer.field("Content-Type"), Some("application/json"));
            assert_eq!(
                text,
                "{\"name\":\"1mcp\",\"version\":\"1<2\",\"mcp\":\"http://localhost:1/mcp\",\
                 \"sse\":\"http://localhost:1/sse\",\"health\":\"http://localhost:1/health\"}\n"
            );
        }
    }

    #[test]
    fn contract_5_browsers_get_a_page_whose_holes_are_escaped() {
        let accept = ("Accept", "application/xhtml+xml, TEXT/html;q=0.9");
        let (answer, text) = page(Some("https://a.b/"), &[("Host", "c"), accept]);
        assert!(text.contains("1&lt;2") && text.contains(">https://a.b/mcp</p>"));
        assert!(!text.contains('{') && !text.contains("<script"));
        let policy = answer.field("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none';"));
        let (_, text) = page(None, &[accept]);
        assert!(text.contains(">/mcp</p>"));
    }
}
