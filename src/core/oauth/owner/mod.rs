//! The owner at the keyboard: browsers that visit our pages (`browser`), where they come from
//! (`place`), the login and how fast it may be tried (`throttle`), and the tokens in forms that
//! keep strangers' pages from sending them.
//!
//! Whoever has not logged in costs no memory. A password is never kept longer than its turn lasts.

mod browser;
mod next;
mod place;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
mod throttle;
mod trial;

use std::collections::VecDeque;

use crate::base::digest::same;
use crate::base::form::Form;
use crate::cx::Cx;
use crate::effect::Level;
use crate::http1::server::Method;
use crate::language::WebRequest;
use crate::limits::{COOKIES_MAX, KNOWN_SECONDS, LOGIN_QUEUE_SECONDS, PASSWORD_BYTES_MAX};
use crate::links::LinkKey;
use crate::oauth::owner::browser::{Carrier, Id, Owners, Seals};
use crate::oauth::owner::throttle::{Origin, Throttle};
use crate::oauth::owner::trial::{Trial, Trials};
use crate::oauth::server::record::Password;
use crate::oauth::{Step, Wish};
use crate::settings::Settings;
use crate::web::answer::Answer;
use crate::web::pages::{self, LoginState, LoginView};

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

/// All browsers that we know, and the logins that are being tried.
pub struct Logins {
    settings: Settings,
    /// Drawn with the first visit.
    seals: Option<Seals>,
    owners: Owners,
    /// The owner's password; `None`: nobody can log in.
    password: Option<Password>,
    /// By what browsers are known that have logged in before.
    lasting: Option<Seals>,
    throttle: Throttle,
    trials: Trials,
    wishes: VecDeque<Wish>,
}

impl Logins {
    /// Nobody has logged in.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let carrier = if place::is_secure(settings) {
            Carrier::Tls
        } else {
            Carrier::Plain
        };
        Self {
            settings: settings.clone(),
            seals: None,
            owners: Owners::new(carrier),
            password: None,
            lasting: None,
            throttle: Throttle::default(),
            trials: Trials::default(),
            wishes: VecDeque::new(),
        }
    }

    /// Whose browser this is.
    pub fn visitor(&mut self, cx: &mut Cx<'_>, request: &WebRequest) -> Visitor {
        let headers = &request.head.headers;
        let name = place::cookie_name(&self.settings, headers);
        let seals = self.seals.get_or_insert_with(|| Seals::new(cx.entropy));
        let (mut id, mut who) = (None, Who::Stranger);
        // Whoever has to log in for this once more is nobody's owner here.
        let decides = matches!(request.head.path(), "/authorize" | "/oauth/login");
        for cookie in place::cookies(headers, &name).take(COOKIES_MAX) {
            let Some(one) = seals.read(cookie) else {
                continue;
            };
            let digest = seals.digest(one);
            let owner = self.owners.uses(cx.now.tick, &digest)
                && (!decides || self.owners.may_decide(cx.now.tick, &digest));
            if owner || id.is_none() {
                id = Some(one);
            }
            if owner {
                who = Who::Owner;
                break;
            }
        }
        if who == Who::Stranger && place::is_local(&self.settings, request) {
            who = Who::Local;
        }
        let known = id.is_some();
        let id = id.unwrap_or_else(|| Seals::fresh(cx.entropy));
        Visitor {
            who,
            browser: seals.digest(id),
            csrf: seals.csrf(id),
            cookie: (!known).then(|| set_cookie(&self.settings, &name, &seals.cookie(id))),
            own_page: place::from_own_page(&self.settings, headers),
        }
    }

    /// A request of `/authorize`: if the owner says yes or no there, it may have been the only time
    /// that he may.
    pub fn decides(&mut self, request: &WebRequest, visitor: &Visitor) {
        let posted = request.head.method == Method::Post && visitor.who == Who::Owner;
        if posted && pages::posted(request).is_ok_and(|form| visitor.checks(&form)) {
            self.owners.decides(&visitor.browser);
        }
    }

    /// `/oauth/login`, `/oauth/logout`.
    pub fn request(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Step {
        let posted = request.head.method == Method::Post;
        match (request.head.path(), posted) {
            ("/oauth/login", false) => Step::Answer(self.page(request, visitor)),
            ("/oauth/login", true) => match self.log_in(cx, link, request, visitor) {
                Ok(()) => Step::Later,
                Err(answer) => Step::Answer(answer),
            },
            ("/oauth/logout", true) => Step::Answer(self.log_out(cx, request, visitor)),
            _ => {
                let hint = "the button for that is on /oauth";
                let refused = pages::refusal(&request.head.headers, 405, "use the button", hint);
                Step::Answer(refused.with("Allow", "POST"))
            }
        }
    }

    /// The form.
    fn page(&self, request: &WebRequest, visitor: &Visitor) -> Answer {
        let query = request.head.query().unwrap_or_default();
        let query = Form::parse(query.as_bytes()).unwrap_or_default();
        let next = next::safe(query.get("next"));
        if visitor.who == Who::Owner {
            return pages::see_other(next);
        }
        let state = match self.password {
            Some(_) => LoginState::First,
            None => LoginState::NoPassword,
        };
        visitor.dress(shown(&visitor.csrf, next, state))
    }

    /// A password came. `Ok`: it waits to be stretched.
    fn log_in(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Result<(), Answer> {
        let form = pages::posted(request)?;
        let next = next::safe(form.get("next"));
        let refused = |state| Err(visitor.dress(shown(&visitor.csrf, next, state)));
        if self.password.is_none() {
            return refused(LoginState::NoPassword);
        }
        if !visitor.checks(&form) {
            return refused(LoginState::Stale);
        }
        let headers = &request.head.headers;
        let cookie_names = [
            place::cookie_name(&self.settings, headers),
            place::known_name(&self.settings, headers),
        ];
        let origin = self.origin(request, &cookie_names[1]);
        if self.trials.is_full(&origin) {
            return refused(LoginState::Wait(LOGIN_QUEUE_SECONDS));
        }
        let password = form.get("password").unwrap_or_default();
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return refused(LoginState::Wrong);
        }
        let local = visitor.who == Who::Local;
        let due = match self.throttle.begin(cx.now.tick, &origin, local) {
            Ok(due) => due,
            Err(held) => {
                if held.first {
                    let address = request.client;
                    cx.log(Level::Warn, || format!("login: {address} tries too often"));
                }
                return refused(LoginState::Wait(held.seconds));
            }
        };
        self.trials.push(Trial {
            link,
            origin,
            address: request.client,
            due,
            password: password.into(),
            browser: visitor.browser,
            csrf: visitor.csrf.clone(),
            cookie_names,
            next: next.to_owned(),
        });
        self.trials.begin(cx, self.password.as_ref());
        Ok(())
    }

    /// Whose tries these are: of a browser that has logged in before, or of an address. Nobody else
    /// behind that address can use up what the browser may try.
    fn origin(&self, request: &WebRequest, known_name: &str) -> Origin {
        let mut cookies = place::cookies(&request.head.headers, known_name).take(COOKIES_MAX);
        let lasting = self.lasting.as_ref();
        let known = lasting.and_then(|seals| cookies.find_map(|cookie| seals.read(cookie)));
        known.map_or_else(|| Origin::of(request.client), Origin::Known)
    }

    /// `Alarm::Login`.
    pub fn alarm(&mut self, cx: &mut Cx<'_>) {
        self.trials.begin(cx, self.password.as_ref());
    }

    /// `Input::Stretched`.
    pub fn stretched(&mut self, cx: &mut Cx<'_>, ticket: u64, key: [u8; 32]) {
        let Some((trial, used)) = self.trials.done(ticket) else {
            return;
        };
        if self.password.as_ref() != Some(&used) {
            // The password was changed meanwhile: the try is one of the new one.
            self.trials.again(trial);
        } else if same(&key, &used.key) {
            self.let_in(cx, &trial);
        } else {
            cx.log(Level::Warn, || {
                format!("login: a wrong password from {}", trial.address)
            });
            self.answer(&trial, shown(&trial.csrf, &trial.next, LoginState::Wrong));
        }
        self.give_up();
        self.trials.begin(cx, self.password.as_ref());
    }

    /// Without a password nothing can be tried.
    fn give_up(&mut self) {
        if self.password.is_none() {
            while let Some(trial) = self.trials.give_up() {
                self.answer(
                    &trial,
                    shown(&trial.csrf, &trial.next, LoginState::NoPassword),
                );
            }
        }
    }

    /// The owner has logged in: his browser is another one from now on, so that nobody who knew
    /// its id before is logged in with him.
    fn let_in(&mut self, cx: &mut Cx<'_>, trial: &Trial) {
        self.throttle.right(&trial.origin);
        self.owners.leave(&trial.browser);
        let seals = self.seals.get_or_insert_with(|| Seals::new(cx.entropy));
        let id: Id = Seals::fresh(cx.entropy);
        self.owners.enter(cx.now.tick, seals.digest(id));
        let [name, known_name] = &trial.cookie_names;
        let cookie = set_cookie(&self.settings, name, &seals.cookie(id));
        let known = match trial.origin {
            Origin::Known(known) => known,
            Origin::Address(_) => Seals::fresh(cx.entropy),
        };
        cx.log(Level::Info, || {
            format!("login: the owner has logged in from {}", trial.address)
        });
        let mut answer = pages::see_other(&trial.next).with("Set-Cookie", cookie);
        if let Some(lasting) = &self.lasting {
            let value = lasting.cookie(known);
            answer = answer.with("Set-Cookie", set_known(&self.settings, known_name, &value));
        }
        self.answer(trial, answer);
    }

    fn answer(&mut self, trial: &Trial, answer: Answer) {
        let link = trial.link;
        self.wishes.push_back(Wish::Answer { link, answer });
    }

    fn log_out(&mut self, cx: &mut Cx<'_>, request: &WebRequest, visitor: &Visitor) -> Answer {
        match pages::posted(request) {
            Err(answer) => return answer,
            Ok(form) if !visitor.checks(&form) => {
                let hint = "go back, load the page again and repeat it";
                let headers = &request.head.headers;
                return pages::refusal(headers, 403, "this page was out of date", hint);
            }
            Ok(_) => {}
        }
        self.owners.leave(&visitor.browser);
        let seals = self.seals.get_or_insert_with(|| Seals::new(cx.entropy));
        let name = place::cookie_name(&self.settings, &request.head.headers);
        let fresh = seals.cookie(Seals::fresh(cx.entropy));
        let cookie = set_cookie(&self.settings, &name, &fresh);
        pages::see_other("/").with("Set-Cookie", cookie)
    }

    /// The owner's password changed on disk (`server.json`), or is known now.
    pub fn password(&mut self, stored: Option<Password>) {
        if self.password != stored {
            // Whoever changed it may have done so because somebody else knew the old one.
            self.owners.clear();
            self.lasting = stored.as_ref().map(Seals::lasting);
            self.password = stored;
        }
    }

    /// The next thing that is wanted.
    pub fn told(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }
}

fn shown(csrf: &str, next: &str, state: LoginState) -> Answer {
    pages::login(&LoginView { csrf, next, state })
}

/// What a browser keeps that has logged in. Only the login page looks at it, so that only is where
/// it is sent, as far as `__Host-` allows.
fn set_known(settings: &Settings, name: &str, value: &str) -> String {
    let scope = if place::is_secure(settings) {
        "Path=/; Secure"
    } else {
        "Path=/oauth/login"
    };
    format!("{name}={value}; {scope}; HttpOnly; SameSite=Lax; Max-Age={KNOWN_SECONDS}")
}

fn set_cookie(settings: &Settings, name: &str, value: &str) -> String {
    let secure = if place::is_secure(settings) {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}")
}
