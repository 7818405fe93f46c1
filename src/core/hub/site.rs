//! Requests of the pages and of OAuth: each goes to the machine whose path it is, and what those
//! machines want goes where it belongs.

use crate::client;
use crate::config::{Config, Transport};
use crate::cx::Cx;
use crate::effect::{Effects, RecordTicket};
use crate::fetch::Errand;
use crate::hub::Hub;
use crate::language::WebRequest;
use crate::links::LinkKey;
use crate::now::Now;
use crate::oauth::client::{KeyringNews, Protected};
#[cfg(any(test, feature = "fuzzing"))]
use crate::oauth::door::Keys;
use crate::oauth::server::{RECORD, ServerNews};
use crate::oauth::{Step, Wish};
use crate::route::Desk;
use crate::web::answer::Answer;
use crate::web::pages;

impl Hub {
    /// Answers a request, or lets the machine that it is for answer it later.
    pub(super) fn web(&mut self, now: Now, out: &mut Effects, link: LinkKey, request: &WebRequest) {
        let mut cx = cx!(self, now, out);
        if let Some(asset) = pages::asset(&request.head) {
            self.clients.page(&mut cx, link, &asset);
            return;
        }
        if request.head.path() == "/metrics" {
            return self.metrics(now, out, link, request);
        }
        let visitor = self.logins.visitor(&mut cx, request);
        let step = match request.head.path() {
            "/oauth" | "/oauth/" => Step::Answer(self.dashboard(now, request, &visitor)),
            "/oauth/retry" => Step::Answer(self.retry(now, out, request, &visitor)),
            "/oauth/login" | "/oauth/logout" => {
                self.logins.request(&mut cx, link, request, &visitor)
            }
            path if path.starts_with("/oauth/") => {
                self.keyring.request(&mut cx, link, request, &visitor)
            }
            path if path.starts_with("/.well-known/")
                || matches!(path, "/authorize" | "/token" | "/register" | "/revoke") =>
            {
                self.logins.decides(request, &visitor);
                self.auth.request(&mut cx, link, request, &visitor)
            }
            _ => Step::Answer(Answer::error(
                404,
                "no such path",
                "/ lists those there are",
            )),
        };
        if let Step::Answer(answer) = step {
            let mut cx = cx!(self, now, out);
            self.clients.page(&mut cx, link, &answer);
        }
    }

    /// `Input::Config`: that a server may want a token is known before anything is asked of it.
    pub(super) fn configure(&mut self, now: Now, out: &mut Effects, config: Config) {
        let mut cx = cx!(self, now, out);
        if self.settings.instance.url.is_some() {
            self.clients.prepare_sessions(&mut cx);
        }
        let tags = config.servers.iter().flat_map(|server| &server.tags);
        self.auth.configured(&mut cx, tags.map(String::as_str));
        let protected = protected(&config);
        self.keyring.configure(&mut cx, protected.clone());
        self.clients.set_presets(&config.presets);
        self.hall.configure(desk!(self, cx), config);
        let servers = protected.iter().map(|one| (&*one.name, &*one.url));
        self.backends.keep_tokens(servers);
        let before = std::mem::replace(&mut self.protected, protected);
        for now in &self.protected {
            let mut before = before.iter();
            let same = before.find(|one| (&one.name, &one.url) == (&now.name, &now.url));
            if same.is_some_and(|one| one.entry != now.entry) {
                // What was impossible with the old `oauth` may be possible with the new one.
                self.backends.retry(&mut cx, &now.name);
            }
        }
    }

    /// `Input::Record`.
    pub(super) fn record(&mut self, now: Now, out: &mut Effects, name: &str, bytes: Option<&[u8]>) {
        let mut cx = cx!(self, now, out);
        if name == client::RECORD {
            self.clients.sessions_record(&mut cx, bytes);
        } else if name == RECORD {
            self.auth.record(&mut cx, bytes);
        } else {
            self.keyring.record(&mut cx, name, bytes);
        }
    }

    /// Lets in who has a token of these keys, as if they stood in our record.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn let_in(&mut self, now: Now, keys: Keys, out: &mut Effects) {
        let mut cx = cx!(self, now, out);
        self.clients.set_keys(&mut cx, keys);
    }

    /// `Input::RecordLocked`.
    pub(super) fn locked(
        &mut self,
        now: Now,
        out: &mut Effects,
        ticket: RecordTicket,
        found: Result<Option<Vec<u8>>, String>,
    ) {
        let mut cx = cx!(self, now, out);
        match ticket {
            RecordTicket::Server(number) => self.auth.locked(&mut cx, number, found),
            RecordTicket::Keyring(number) => self.keyring.locked(&mut cx, number, found),
            RecordTicket::Sessions(number) => self.clients.sessions_locked(&mut cx, number, found),
        }
    }

    /// `Input::RecordStored`.
    pub(super) fn stored(
        &mut self,
        now: Now,
        out: &mut Effects,
        ticket: RecordTicket,
        done: Result<(), String>,
    ) {
        let mut cx = cx!(self, now, out);
        match ticket {
            RecordTicket::Server(number) => self.auth.stored(&mut cx, number, done),
            RecordTicket::Keyring(number) => self.keyring.stored(&mut cx, number, done),
            RecordTicket::Sessions(number) => self.clients.sessions_stored(&mut cx, number, done),
        }
    }

    /// Does one thing that a machine of OAuth wants; `false` if none wants anything.
    pub(super) fn hear_site(&mut self, now: Now, out: &mut Effects) -> bool {
        let mut cx = cx!(self, now, out);
        if let Some((errand, news)) = self.backends.next_errand() {
            match errand {
                Errand::Server(number) => self.auth.news(&mut cx, number, news),
                Errand::Keyring(number) => self.keyring.news(&mut cx, number, news),
            }
        } else if let Some(wish) = self.logins.told() {
            self.grant_wish(now, out, wish, Errand::Server);
        } else if let Some(news) = self.auth.told() {
            match news {
                ServerNews::Wish(wish) => self.grant_wish(now, out, wish, Errand::Server),
                ServerNews::Keys(keys) => self.clients.set_keys(&mut cx, keys),
                ServerNews::Password(password) => self.logins.password(password),
            }
        } else if let Some(news) = self.keyring.told() {
            match news {
                KeyringNews::Wish(wish) => self.grant_wish(now, out, wish, Errand::Keyring),
                KeyringNews::Token { server, url, token } => {
                    self.backends.set_token(&mut cx, &server, &url, token);
                }
                KeyringNews::Awaiting {
                    server,
                    page,
                    why,
                    step_up,
                } => self
                    .backends
                    .awaiting(&mut cx, &server, &page, &why, step_up),
                KeyringNews::NoMore { server } => self.backends.no_more(&mut cx, &server),
                KeyringNews::Failed { server, why } => {
                    self.backends.no_token(&mut cx, &server, &why);
                }
                KeyringNews::Closed => self.clients.port_closed(&mut cx),
            }
        } else {
            return false;
        }
        true
    }

    fn grant_wish(
        &mut self,
        now: Now,
        out: &mut Effects,
        wish: Wish,
        errand: impl Fn(u32) -> Errand,
    ) {
        let mut cx = cx!(self, now, out);
        match wish {
            Wish::Answer { link, answer } => self.clients.page(&mut cx, link, &answer),
            Wish::Ask { number, order } => self.backends.errand(&mut cx, errand(number), *order),
            Wish::GiveUp { number } => self.backends.give_up_errand(&mut cx, errand(number)),
        }
    }
}

/// The servers that may want a token: those over HTTP whose entry has none of its own.
fn protected(config: &Config) -> Vec<Protected> {
    let servers = config.servers.iter().filter(|server| !server.disabled);
    let protected = servers.filter_map(|server| {
        let Transport::Remote(remote) = &server.transport else {
            return None;
        };
        let url = remote.url.clone().filter(|_| !remote.authorizes())?;
        Some(Protected {
            name: server.name.clone(),
            url,
            entry: remote.oauth.clone(),
        })
    });
    protected.collect()
}
