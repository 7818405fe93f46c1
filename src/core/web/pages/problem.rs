//! Errors, as people and as programs want them.

use crate::base::html::{Hole, Html, Template};
use crate::http1::server::Headers;
use crate::web::answer::Answer;
use crate::web::pages::consent::destination;
use crate::web::pages::policy::Policy;
use crate::web::pages::{Layout, NARROW, page, short, wants_html};

const PROBLEM: Template = Template::new(include_str!("problem.html"));

const BACK: Template = Template::new("<p><a href=\"{to}\">{name}</a></p>\n");

/// A page that says what is wrong (`title`) and what to do about it (`text`).
#[must_use]
pub fn problem(status: u16, title: &str, text: &str) -> Answer {
    filled(status, title, text, None)
}

/// A page about an application that the owner has not let in yet and that asked for what cannot be
/// (`why`). It leads back there (`to`), but sends nobody: strangers chose that address.
#[must_use]
pub fn astray(why: &str, to: &str) -> Answer {
    let text = format!(
        "Something is wrong with what the application asked for: {why}. Start again from the \
         application; if that does not help, tell whoever made it."
    );
    let name = format!("Tell the application, at {}", destination(to));
    let link = BACK.fill(&[("to", Hole::Value(to)), ("name", (&name).into())]);
    filled(400, "The application made a mistake", &text, Some(link))
}

fn filled(status: u16, title: &str, text: &str, more: Option<Html>) -> Answer {
    let body = PROBLEM.fill(&[
        ("title", (&short(title)).into()),
        ("text", (&short(text)).into()),
        ("more", more.into()),
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
