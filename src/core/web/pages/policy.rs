//! What a page may do in a browser (CSP 3), and the other fields that every page has.

use crate::base::html::Html;
use crate::web::answer::Answer;

/// How much a page needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Text and links.
    Text,
    /// A form that comes back to us.
    Form,
    /// A form whose answer sends the browser somewhere else. Browsers apply `form-action` to that
    /// as well, so there is none; the form is ours, and strangers' texts in it are escaped.
    Leaving,
    /// Forms, and the script that looks again now and then.
    Live,
}

impl Policy {
    const fn text(self) -> &'static str {
        match self {
            Self::Text => {
                "default-src 'none'; style-src 'self'; base-uri 'none'; \
                 frame-ancestors 'none'; form-action 'none'"
            }
            Self::Form => {
                "default-src 'none'; style-src 'self'; base-uri 'none'; \
                 frame-ancestors 'none'; form-action 'self'"
            }
            Self::Leaving => {
                "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
            }
            Self::Live => {
                "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                 base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
            }
        }
    }

    /// A page as an answer.
    pub(super) fn answer(self, status: u16, page: Html) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: page.into_string().into_bytes(),
        }
        .with("Content-Type", "text/html; charset=utf-8")
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff")
        .with("X-Frame-Options", "DENY")
        .with("Cross-Origin-Resource-Policy", "same-origin")
        // With `no-referrer` browsers send `Origin: null` with our own forms.
        .with("Referrer-Policy", "same-origin")
        .with("Content-Security-Policy", self.text())
    }
}
