//! The page on which the owner authorizes us at somebody else's server.

use crate::base::form;
use crate::base::html::{Hole, Html, Template};
use crate::web::answer::Answer;
use crate::web::pages::policy::Policy;
use crate::web::pages::{Layout, NARROW, fact, page, short};

const CONNECT: Template = Template::new(include_str!("connect.html"));
const FORM: Template = Template::new(include_str!("connect_form.html"));

/// What the page knows.
#[derive(Clone, Debug)]
pub struct ConnectView<'a> {
    /// The name of the server in the configuration.
    pub server: &'a str,
    /// Where it is, fit to be shown.
    pub url: Option<&'a str>,
    /// Who gives the tokens: the host of the issuer, once it is known.
    pub issuer: Option<&'a str>,
    /// How it stands, in words.
    pub says: &'a str,
    /// Whether there is something to authorize: then the page has the button. Its form is posted to
    /// `/oauth/connect/NAME` and has the field `csrf`.
    pub authorize: bool,
    /// The hidden field `csrf`.
    pub csrf: &'a str,
}

/// The page.
#[must_use]
pub fn connect(view: &ConnectView<'_>) -> Answer {
    let form = view.authorize.then(|| {
        FORM.fill(&[
            ("action", Hole::Value(&path(view.server))),
            ("csrf", Hole::Value(view.csrf)),
        ])
    });
    let address = view.url.map(|url| fact("Address", &short(url)));
    let issuer = view.issuer.map(|host| fact("Account at", &short(host)));
    let title = if view.authorize {
        "Authorize a server"
    } else {
        "Authorization"
    };
    let body = CONNECT.fill(&[
        ("title", title.into()),
        ("server", (&short(view.server)).into()),
        ("facts", Html::all(address.into_iter().chain(issuer)).into()),
        ("says", (&short(view.says)).into()),
        ("form", form.into()),
    ]);
    let layout = Layout {
        title,
        width: NARROW,
        policy: Policy::Leaving,
    };
    page(200, layout, Html::default(), body)
}

/// Where a server is authorized.
pub(super) fn path(server: &str) -> String {
    let mut path = "/oauth/connect/".to_owned();
    form::encode(&mut path, server);
    path
}
