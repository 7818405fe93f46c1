//! One whole answer outside MCP, ready for [`crate::http1::server::Server::respond`].

use crate::language::Page;
use crate::settings::HealthLevel;
use crate::web::errors;
use crate::web::health::{self, HealthView};

/// Status, fields and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Fields, without those that frame the body.
    pub headers: &'static [(&'static str, &'static str)],
    /// Body.
    pub body: Vec<u8>,
}

const JSON: &[(&str, &str)] = &[
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

/// No script, no style, no frame, no form: the page is text and links.
const HTML: &[(&str, &str)] = &[
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

impl Answer {
    /// JSON that is never cached.
    #[must_use]
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: JSON,
            body,
        }
    }

    /// A page for people.
    #[must_use]
    pub fn html(body: String) -> Self {
        Self {
            status: 200,
            headers: HTML,
            body: body.into_bytes(),
        }
    }

    /// `{"error": "...", "hint": "..."}`.
    #[must_use]
    pub fn error(status: u16, error: &str, hint: &str) -> Self {
        Self::json(status, errors::body(error, hint))
    }
}

/// Answers a page.
#[must_use]
pub fn page(page: &Page, level: HealthLevel, view: &HealthView) -> Answer {
    match page {
        Page::Health => health::health(view, level),
        Page::Live => health::live(),
        Page::Ready => health::ready(view, level),
        Page::Servers(None) => health::servers(view, level),
        Page::Servers(Some(name)) => health::server(view, level, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_every_page_is_answered() {
        let view = HealthView::default();
        for (asked, status) in [
            (Page::Health, 200),
            (Page::Live, 200),
            (Page::Ready, 200),
            (Page::Servers(None), 200),
            (Page::Servers(Some("x".to_owned())), 404),
        ] {
            let answer = page(&asked, HealthLevel::Minimal, &view);
            assert_eq!(answer.status, status, "{asked:?}");
            assert!(
                answer
                    .headers
                    .contains(&("Content-Type", "application/json"))
            );
            assert!(answer.headers.contains(&("Cache-Control", "no-store")));
        }
    }
}
