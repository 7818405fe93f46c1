//! The login of the owner.

use crate::base::html::{Hole, Html, Template};
use crate::web::answer::Answer;
use crate::web::pages::policy::Policy;
use crate::web::pages::{Layout, NARROW, page};

const LOGIN: Template = Template::new(include_str!("login.html"));
const FORM: Template = Template::new(include_str!("login_form.html"));
const ALERT: Template =
    Template::new("<p class=\"alert bad\" id=\"alert\" role=\"alert\">{text}</p>\n");

/// What the page knows.
#[derive(Clone, Debug)]
pub struct LoginView<'a> {
    /// The hidden field.
    pub csrf: &'a str,
    /// Where the browser goes afterwards: a path of ours.
    pub next: &'a str,
    /// What happened before.
    pub state: LoginState,
}

/// How the last try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// There was none.
    First,
    /// The password was wrong.
    Wrong,
    /// The page was too old, or the form came from elsewhere.
    Stale,
    /// Too many tries; the next one counts after this many seconds.
    Wait(u64),
    /// The owner has no password yet.
    NoPassword,
}

impl LoginState {
    const fn status(self) -> u16 {
        match self {
            Self::First => 200,
            Self::Wrong | Self::Stale | Self::NoPassword => 403,
            Self::Wait(_) => 429,
        }
    }

    fn alert(self) -> Option<String> {
        match self {
            Self::First => None,
            Self::Wrong => Some("That is not the password. Try again.".to_owned()),
            Self::Stale => Some("This page was out of date. Enter the password again.".to_owned()),
            Self::Wait(seconds) => Some(format!(
                "Too many tries. The next one counts in {}.",
                wait(seconds)
            )),
            Self::NoPassword => Some(
                "No owner password is set yet. On the machine where 1mcp runs, type: \
                 1mcp auth set-password"
                    .to_owned(),
            ),
        }
    }
}

fn wait(seconds: u64) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..=119 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// The page with the form.
#[must_use]
pub fn login(view: &LoginView<'_>) -> Answer {
    let why = if view.next.starts_with("/authorize") {
        "An application wants to use this gateway. Log in as its owner to decide about that."
    } else {
        "Only the owner of this gateway goes on from here."
    };
    let alert = view.state.alert();
    let describe = alert.as_ref().map(|_| {
        let attributes = Template::new(" aria-describedby=\"alert\" aria-invalid=\"true\"");
        attributes.fill(&[])
    });
    let form = (view.state != LoginState::NoPassword).then(|| {
        FORM.fill(&[
            ("csrf", Hole::Value(view.csrf)),
            ("next", Hole::Value(view.next)),
            ("describe", describe.into()),
        ])
    });
    let body = LOGIN.fill(&[
        ("why", why.into()),
        (
            "alert",
            alert
                .map(|text| ALERT.fill(&[("text", (&text).into())]))
                .into(),
        ),
        ("form", form.into()),
    ]);
    let layout = Layout {
        title: "Log in",
        width: NARROW,
        // The client that asked may be answered at once: by a redirect behind this form.
        policy: if view.next.starts_with("/authorize") {
            Policy::Leaving
        } else {
            Policy::Form
        },
    };
    let answer = page(view.state.status(), layout, Html::default(), body);
    match view.state {
        LoginState::Wait(seconds) => answer.with("Retry-After", seconds.max(1).to_string()),
        _ => answer,
    }
}
