//! The owner at the keyboard: browsers that visit our pages, their cookies, the login, and the
//! tokens in forms that keep strangers' pages from sending them.

use ring::hmac;

use crate::base::form::Form;
use crate::cx::Cx;
use crate::language::WebRequest;
use crate::links::LinkKey;
use crate::oauth::{Step, Wish};
use crate::settings::Settings;
use crate::web::answer::Answer;

/// Who sits at a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody.
    Stranger,
    /// Somebody at this machine, without a login: peer and Host are loopback, nothing is forwarded,
    /// and there is no external URL. Enough to authorize us elsewhere, never to let clients in.
    Local,
    /// The owner has logged in with this browser.
    Owner,
}

/// One request's browser.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who it is.
    pub who: Who,
    /// Which browser: a digest of its cookie. What one browser began no other may finish.
    pub browser: [u8; 32],
    /// The hidden field `csrf` of every form for this browser.
    pub csrf: String,
    /// The cookie to be set with the answer, if the browser has none of ours yet.
    pub cookie: Option<String>,
    /// The request does not come from a page of another origin, as far as the browser tells
    /// (`Sec-Fetch-Site`, `Origin`).
    pub own_page: bool,
}

impl Visitor {
    /// Whether a form was sent by a page of ours in this very browser: its field `csrf` is right
    /// and no other site made the browser send it. To be asked before a form changes anything.
    #[must_use]
    pub fn checks(&self, form: &Form) -> bool {
        let sent = form.once("csrf").ok().flatten().unwrap_or_default();
        self.own_page && !self.csrf.is_empty() && same(sent.as_bytes(), self.csrf.as_bytes())
    }

    /// Adds to a page what the browser has to remember, unless the answer says that already. Every
    /// page with a form needs it.
    #[must_use]
    pub fn dress(&self, answer: Answer) -> Answer {
        match &self.cookie {
            Some(cookie) if answer.field("Set-Cookie").is_none() => {
                answer.with("Set-Cookie", cookie.clone())
            }
            Some(_) | None => answer,
        }
    }
}

/// Whether two secrets are equal, in a time that tells nothing of where they differ.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    // Equal texts have equal hashes, and `verify` compares those in constant time.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"same");
    let tag = hmac::sign(&key, a);
    hmac::verify(&key, b, tag.as_ref()).is_ok()
}

/// All browsers that we know.
#[derive(Debug, Default)]
pub struct Logins {}

impl Logins {
    /// Nobody has logged in.
    #[must_use]
    pub fn new(_settings: &Settings) -> Self {
        Self::default()
    }

    /// Whose browser this is.
    pub fn visitor(&mut self, _cx: &mut Cx<'_>, _request: &WebRequest) -> Visitor {
        Visitor {
            who: Who::Stranger,
            browser: [0; 32],
            csrf: String::new(),
            cookie: None,
            own_page: true,
        }
    }

    /// `/oauth/login`, `/oauth/logout`.
    pub fn request(
        &mut self,
        _cx: &mut Cx<'_>,
        _link: LinkKey,
        _request: &WebRequest,
        _visitor: &Visitor,
    ) -> Step {
        Step::Answer(Answer::error(404, "no such page", "the start page is /"))
    }

    /// The owner's password changed on disk (`server.json`), or is known now.
    pub fn password(&mut self, _stored: Option<crate::oauth::server::record::Password>) {}

    /// `Input::Stretched`.
    pub fn stretched(&mut self, _cx: &mut Cx<'_>, _ticket: u64, _key: [u8; 32]) {}

    /// The next thing that is wanted.
    pub fn told(&mut self) -> Option<Wish> {
        None
    }
}
