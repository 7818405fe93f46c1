//! The authorization server (protocol S1-S11): registers clients, asks the owner, gives tokens.
//!
//! | path | file |
//! |---|---|
//! | `/.well-known/..` | `metadata` |
//! | `/authorize` | `authorize`, with `redirect`, `documents` (clients that are URLs), `codes` |
//! | `/token` | `exchange`, with `credentials`, `tokens` |
//! | `/register` | `register`, with `throttle`, `waiting` |
//! | `/revoke` | `revoke` |
//!
//! What outlives the process is the [`record`], which others change as well (the `auth` commands,
//! other instances): every change goes through `changes`. Never reads a file, never knows a
//! password (that is `owner`), never checks a token of a call (that is `door`).

mod audience;
mod authorize;
mod changes;
mod codes;
mod credentials;
mod documents;
mod errors;
mod exchange;
mod metadata;
pub mod record;
pub mod redirect;
mod register;
mod revoke;
#[cfg(test)]
mod tests;
mod throttle;
mod tokens;
mod waiting;

#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::oauth) use documents::fuzz as fuzz_document;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::oauth) use register::fuzz as fuzz_register;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::cx::{Alarm, Cx};
use crate::effect::Level;
use crate::language::WebRequest;
use crate::limits::{RECORD_LOOK_MS, RECORD_RETRY_MS};
use crate::links::LinkKey;
use crate::now::UnixSeconds;
use crate::oauth::door::Keys;
use crate::oauth::owner::Visitor;
use crate::oauth::server::changes::Changes;
use crate::oauth::server::codes::Codes;
use crate::oauth::server::documents::Documents;
use crate::oauth::server::record::Record;
use crate::oauth::server::throttle::Throttle;
use crate::oauth::server::waiting::Waiting;
use crate::oauth::{Step, Wish};
use crate::principal::{GrantId, Scopes};
use crate::settings::Settings;
use crate::web::answer::Answer;
use crate::web::origin::own;

/// The name of its record in the directory of secrets.
pub const RECORD: &str = "server.json";

/// What the server tells.
#[derive(Debug)]
pub enum ServerNews {
    /// Something is wanted.
    Wish(Wish),
    /// Keys or revoked grants have changed.
    Keys(Keys),
    /// The owner's password is this one now.
    Password(Option<record::Password>),
}

/// See the module.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    /// Issuer and audience of all tokens.
    issuer: Rc<str>,
    /// Tags of the configured servers, in lower case.
    tags: Vec<String>,
    /// As it is on disk, as far as we know.
    record: Record,
    codes: Codes,
    documents: Documents,
    throttle: Throttle,
    waiting: Waiting,
    changes: Changes,
    /// Grants that are revoked, whatever the record says, and until when their tokens are good.
    doomed: BTreeMap<GrantId, UnixSeconds>,
    /// What was told last.
    told_keys: Option<Keys>,
    told_password: Option<record::Password>,
    news: VecDeque<ServerNews>,
}

impl Server {
    /// A server that knows nobody. Without `--enable-auth` it answers nothing, but still tells the
    /// owner's password.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            issuer: own(settings).into(),
            tags: Vec::new(),
            record: Record::default(),
            codes: Codes::default(),
            documents: Documents::default(),
            throttle: Throttle::default(),
            waiting: Waiting::default(),
            changes: Changes::default(),
            doomed: BTreeMap::new(),
            told_keys: None,
            told_password: None,
            news: VecDeque::new(),
        }
    }

    /// There is a configuration whose servers have these tags. What there is of a record was told
    /// before the first one, so now is the time to make what is missing.
    pub fn configured<'a>(&mut self, cx: &mut Cx<'_>, tags: impl Iterator<Item = &'a str>) {
        let mut tags: Vec<String> = tags.map(str::to_lowercase).collect();
        tags.retain(|tag| !tag.contains(' ') && Scopes::parse(&format!("tag:{tag}")).is_ok());
        tags.sort_unstable();
        tags.dedup();
        self.tags = tags;
        if self.settings.auth && self.record.wants_key(cx.now.wall) {
            self.tidy(cx);
        }
        self.set_alarm(cx);
    }

    /// `/.well-known/..`, `/authorize`, `/token`, `/register`, `/revoke`.
    pub fn request(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &WebRequest,
        visitor: &Visitor,
    ) -> Step {
        match request.head.path() {
            path if path.starts_with("/.well-known/") => {
                Step::Answer(metadata::answer(&self.settings, &self.tags, request))
            }
            _ if !self.settings.auth => {
                let hint = "it comes with --enable-auth";
                Step::Answer(Answer::error(404, "no such path", hint))
            }
            "/authorize" => self.authorize(cx, link, request, visitor),
            "/token" => self.token(cx, link, request),
            "/register" => self.register(cx, link, request),
            "/revoke" => self.revoke(cx, link, request),
            _ => Step::Answer(Answer::error(
                404,
                "no such path",
                "/ lists those there are",
            )),
        }
    }

    /// `Input::Record` of [`RECORD`].
    pub fn record(&mut self, cx: &mut Cx<'_>, bytes: Option<&[u8]>) {
        // What we are writing was made from what stood there when we locked it.
        if self.changes.is_storing() {
            return;
        }
        match Record::read(bytes) {
            Ok(record) => self.record = record,
            Err(why) => cx.log(Level::Error, || format!("auth: {RECORD}: {why}")),
        }
        self.announce();
        if self.settings.auth && (bytes.is_none() || !self.doomed.is_empty()) {
            self.tidy(cx);
        }
        self.set_alarm(cx);
    }

    /// `Alarm::AuthServer`.
    pub fn alarm(&mut self, cx: &mut Cx<'_>) {
        self.codes.forget(cx.now.tick);
        self.documents_alarm(cx);
        let now = cx.now.wall;
        let over = self.record.next_expiry().is_some_and(|at| at <= now);
        let due = over || self.record.wants_key(now) || !self.doomed.is_empty();
        if self.settings.auth && due {
            self.tidy(cx);
        }
        self.set_alarm(cx);
    }

    /// The next thing to know or do.
    pub fn told(&mut self) -> Option<ServerNews> {
        self.news.pop_front()
    }

    fn wish(&mut self, wish: Wish) {
        self.news.push_back(ServerNews::Wish(wish));
    }

    fn answer(&mut self, link: LinkKey, answer: Answer) {
        self.wish(Wish::Answer { link, answer });
    }

    /// Tells what is different in the record.
    fn announce(&mut self) {
        let mut keys = self.record.keys(Rc::clone(&self.issuer));
        keys.revoked.extend(&self.doomed);
        let differs = match &self.told_keys {
            Some(told) => *told != keys,
            // Without any key nobody can have a token; the door says that it is not ready yet.
            None => !keys.keys.is_empty(),
        };
        if self.settings.auth && differs {
            self.told_keys = Some(keys.clone());
            self.news.push_back(ServerNews::Keys(keys));
        }
        if self.told_password != self.record.owner {
            self.told_password.clone_from(&self.record.owner);
            let news = ServerNews::Password(self.record.owner.clone());
            self.news.push_back(news);
        }
    }

    fn set_alarm(&self, cx: &mut Cx<'_>) {
        if !self.settings.auth {
            return;
        }
        let now = cx.now;
        let record = match self.record.next_expiry() {
            _ if self.record.wants_key(now.wall) || !self.doomed.is_empty() => RECORD_RETRY_MS,
            Some(at) => {
                let seconds = at.0.saturating_sub(now.wall.0);
                seconds
                    .saturating_mul(1_000)
                    .clamp(RECORD_RETRY_MS, RECORD_LOOK_MS)
            }
            None => RECORD_LOOK_MS,
        };
        let others = [self.codes.deadline(), self.documents.deadline()];
        let at = others.into_iter().flatten().min();
        let at = at.map_or(now.tick.after(record), |at| at.min(now.tick.after(record)));
        cx.timers.set(Alarm::AuthServer, at);
    }
}
