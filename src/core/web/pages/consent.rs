//! The consent page (protocol S5): who wants in, where the browser goes afterwards, what for.

use crate::base::html::{Hole, Html, Template};
use crate::base::origin::Scheme;
use crate::base::url::Url;
use crate::limits::{PAGE_NAME_CHARS_MAX, PAGE_URL_CHARS_MAX};
use crate::principal::Scopes;
use crate::web::answer::Answer;
use crate::web::pages::policy::Policy;
use crate::web::pages::{Layout, NARROW, cut, fact, page, short};

const CONSENT: Template = Template::new(include_str!("consent.html"));
const WARNING: Template = Template::new("<p class=\"alert warn\">{text}</p>\n");
const SCOPE: Template = Template::new("<li>{text}</li>\n");
const HIDDEN: Template =
    Template::new("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n");

/// What the page knows. Everything of the client is what strangers say.
#[derive(Clone, Debug)]
pub struct ConsentView<'a> {
    /// What the client calls itself.
    pub client: &'a str,
    /// How it is known.
    pub kind: ClientKind<'a>,
    /// Where the browser is sent with the answer.
    pub redirect_uri: &'a str,
    /// What it asks for.
    pub scopes: &'a Scopes,
    /// Where the form goes: a path of ours.
    pub action: &'a str,
    /// Hidden fields, which come back unchanged. Beside them come `csrf`, and `decision`, which is
    /// `allow` or `deny`.
    pub hidden: &'a [(&'a str, &'a str)],
    /// The hidden field `csrf`.
    pub csrf: &'a str,
}

/// How a client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind<'a> {
    /// It registered itself.
    Registered,
    /// By the document at this URL.
    Document(&'a str),
    /// The owner added it.
    Added,
}

/// Where a browser is sent.
struct Destination {
    /// Host or scheme.
    shown: String,
    warning: Option<String>,
}

impl Destination {
    fn of(redirect_uri: &str) -> Self {
        match Url::parse(redirect_uri) {
            Ok(url) if url.origin().host.is_loopback() => Self {
                shown: format!("this computer ({})", url.origin().host_and_port()),
                warning: Some(
                    "It runs on the computer that you are using now. Any program there could \
                     pretend to be it: go on only if you have just started it yourself."
                        .to_owned(),
                ),
            },
            Ok(url) => Self {
                shown: url.origin().authority(),
                warning: (url.origin().scheme == Scheme::Http).then(|| {
                    "The way there is not encrypted: others can read the key on it.".to_owned()
                }),
            },
            Err(_) => {
                let scheme = redirect_uri.split(':').next().unwrap_or_default();
                let scheme = short(scheme).to_lowercase();
                if matches!(scheme.as_str(), "http" | "https") {
                    return Self {
                        shown: "an address that cannot be read".to_owned(),
                        warning: Some("Do not go on unless you know it well.".to_owned()),
                    };
                }
                Self {
                    shown: format!("an application on this device ({scheme}:)"),
                    warning: Some(format!(
                        "Links that begin with {scheme}: are opened by whichever application \
                         claims them: go on only if you have just started it yourself."
                    )),
                }
            }
        }
    }
}

/// Where a browser would be sent, for people.
pub(super) fn destination(redirect_uri: &str) -> String {
    Destination::of(redirect_uri).shown
}

/// The page that asks the owner.
#[must_use]
pub fn consent(view: &ConsentView<'_>) -> Answer {
    let to = Destination::of(view.redirect_uri);
    let (kind, identity) = match view.kind {
        ClientKind::Registered => (
            "It registered itself here. Nobody has checked who is behind it.",
            None,
        ),
        ClientKind::Document(url) => (
            "It is known by a document on the web.",
            Some(fact("Document", &cut(url, PAGE_URL_CHARS_MAX))),
        ),
        ClientKind::Added => ("You added it yourself, with 1mcp auth client add.", None),
    };
    let warning = to
        .warning
        .map(|text| WARNING.fill(&[("text", (&text).into())]));
    let hidden = view.hidden.iter().map(|(name, value)| {
        let (name, value) = (Hole::Value(name), Hole::Value(value));
        HIDDEN.fill(&[("name", name), ("value", value)])
    });
    let name = cut(view.client, PAGE_NAME_CHARS_MAX);
    let body = CONSENT.fill(&[
        (
            "client",
            if name.trim().is_empty() {
                "(an application without a name)".into()
            } else {
                (&name).into()
            },
        ),
        ("kind", kind.into()),
        ("to", (&to.shown).into()),
        (
            "redirect",
            (&cut(view.redirect_uri, PAGE_URL_CHARS_MAX)).into(),
        ),
        ("identity", identity.into()),
        ("warning", warning.into()),
        ("scopes", means(view.scopes).into()),
        ("action", Hole::Value(view.action)),
        ("csrf", Hole::Value(view.csrf)),
        ("hidden", Html::all(hidden).into()),
    ]);
    let layout = Layout {
        title: "Let an application in?",
        width: NARROW,
        policy: Policy::Leaving,
    };
    page(200, layout, Html::default(), body)
}

/// Scopes in plain words.
fn means(scopes: &Scopes) -> Html {
    let lines = match scopes {
        Scopes::All => vec![
            "see and use all servers of this gateway, with everything that they can do".to_owned(),
        ],
        Scopes::Tags(tags) if tags.is_empty() => vec!["log in, but see no server".to_owned()],
        Scopes::Tags(tags) => {
            let one = |tag: &str| {
                format!(
                    "see and use the servers with the tag \u{201c}{}\u{201d}",
                    short(tag)
                )
            };
            tags.iter().map(|tag| one(tag)).collect()
        }
    };
    Html::all(
        lines
            .iter()
            .map(|text| SCOPE.fill(&[("text", text.into())])),
    )
}
