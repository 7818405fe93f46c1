//! Errors, as people and as programs want them.

use crate::base::html::{Html, Template};
use crate::http1::server::Headers;
use crate::web::answer::Answer;
use crate::web::pages::policy::Policy;
use crate::web::pages::{Layout, NARROW, page, short, wants_html};

const PROBLEM: Template = Template::new(include_str!("problem.html"));

/// A page that says what is wrong (`title`) and what to do about it (`text`).
#[must_use]
pub fn problem(status: u16, title: &str, text: &str) -> Answer {
    let body = PROBLEM.fill(&[
        ("title", (&short(title)).into()),
        ("text", (&short(text)).into()),
    ]);
    let layout = Layout {
        title,
        width: NARROW,
        policy: Policy::Text,
    };
    page(status, layout, Html::default(), body)
}

/// The same for whoever asks: a page for browsers, JSON for programs.
#[must_use]
pub fn refusal(headers: &Headers, status: u16, title: &str, text: &str) -> Answer {
    if wants_html(headers) {
        problem(status, title, text)
    } else {
        Answer::error(status, title, text)
    }
}
