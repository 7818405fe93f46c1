//! One whole answer outside MCP, ready for [`crate::http1::server::Server::respond`].

use std::borrow::Cow;

use crate::language::Page;
use crate::settings::HealthLevel;
use crate::web::errors;
use crate::web::health::{self, HealthView};

/// One field of an answer.
pub type Field = (&'static str, Cow<'static, str>);

/// Status, fields and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Fields, without those that frame the body.
    pub headers: Vec<Field>,
    /// Body.
    pub body: Vec<u8>,
}

const JSON: &[(&str, &str)] = &[
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

impl Answer {
    /// JSON that is never cached.
    #[must_use]
    pub fn json(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: fields(JSON),
            body,
        }
    }

    /// The same with one field more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let is = |(own, _): &&Field| own.eq_ignore_ascii_case(name);
        self.headers.iter().find(is).map(|(_, value)| &**value)
    }

    /// `{"error": "...", "hint": "..."}`.
    #[must_use]
    pub fn error(status: u16, error: &str, hint: &str) -> Self {
        Self::json(status, errors::body(error, hint))
    }
}

fn fields(all: &[(&'static str, &'static str)]) -> Vec<Field> {
    let owned = |(name, value): &(&'static str, &'static str)| (*name, Cow::Borrowed(*value));
    all.iter().map(owned).collect()
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
            assert_eq!(answer.field("content-type"), Some("application/json"));
            assert_eq!(answer.field("Cache-Control"), Some("no-store"));
        }
    }
}
