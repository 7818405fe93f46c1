//! The pages for people: login, consent, connect, dashboard, start page, errors. Functions from
//! plain views to answers; the templates lie beside them. One stylesheet, one small script that
//! nothing depends on, both files of their own, so that the policy of every page can refuse
//! whatever stands in the page itself.
//!
//! Never decides who may see what.

mod assets;
mod connect;
mod consent;
mod dashboard;
mod dashboard_json;
mod login;
mod policy;
mod posted;
mod problem;
mod start;
#[cfg(test)]
mod tests;
mod words;

pub use assets::asset;
pub use connect::{ConnectView, connect};
pub use consent::{ClientKind, ConsentView, consent};
pub use dashboard::{DashboardView, ServerCard, dashboard};
pub use dashboard_json::dashboard_json;
pub use login::{LoginState, LoginView, login};
pub use posted::{posted, see_other};
pub use problem::{astray, problem, refusal};
pub use start::start;

use crate::base::html::{Hole, Html, Template};
use crate::http1::server::Headers;
use crate::limits::PAGE_TEXT_CHARS_MAX;
use crate::web::answer::Answer;
use crate::web::pages::policy::Policy;

const LAYOUT: Template = Template::new(include_str!("layout.html"));

/// Whether a browser asks, which wants a page; programs get JSON.
#[must_use]
pub fn wants_html(headers: &Headers) -> bool {
    let kinds = headers.list("accept");
    let mut kinds = kinds.filter_map(|element| element.split(';').next());
    kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case("text/html"))
}

/// What surrounds the contents of every page.
#[derive(Clone, Copy, Debug)]
struct Layout<'a> {
    title: &'a str,
    /// The class that says how wide it is.
    width: &'static str,
    policy: Policy,
}

/// One narrow column, for pages with one purpose.
const NARROW: &str = "narrow";
/// As wide as is good to look at.
const WIDE: &str = "wide";

/// A whole page.
fn page(status: u16, layout: Layout<'_>, nav: Html, body: Html) -> Answer {
    let script = (layout.policy == Policy::Live).then(assets::script);
    let whole = LAYOUT.fill(&[
        ("title", layout.title.into()),
        ("style", Hole::Html(assets::style())),
        ("script", script.into()),
        ("width", layout.width.into()),
        ("nav", nav.into()),
        ("body", body.into()),
    ]);
    layout.policy.answer(status, whole)
}

/// The beginning of a text that may be long.
fn short(text: &str) -> String {
    cut(text, PAGE_TEXT_CHARS_MAX)
}

fn cut(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        out.push('\u{2026}');
    }
    out
}

/// One line of a list of facts.
fn fact(name: &str, value: &str) -> Html {
    const FACT: Template = Template::new("<div><dt>{name}</dt><dd><bdi>{value}</bdi></dd></div>\n");
    FACT.fill(&[("name", name.into()), ("value", value.into())])
}
