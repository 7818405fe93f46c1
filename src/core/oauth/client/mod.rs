//! The keys to other people's servers (protocol O1-O13): finds out who gives them, asks the owner
//! to authorize us there, keeps them fresh. One account for each server of the configuration that
//! is reached over HTTP; knows nothing of its sessions.
//!
//! ```text
//! 401 -> search (discovery) -> Awaiting -> click -> search (registration) -> flow -> callback
//!                                             tokens -> keep (lock, store) -> Token -> refresh ..
//! ```
//!
//! The state of one server is an `account`; what is being done about it is in `search`, `keep`,
//! `refresh` and `visit`; what is asked of others in `errand`.

mod account;
mod challenge;
mod discovery;
mod documents;
mod errand;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ground;
mod keep;
mod place;
mod refresh;
mod registration;
mod search;
mod stepup;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod visit;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use crate::base::url::Url;
use crate::config::Oauth;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Level};
use crate::language::{Challenge, Token};
use crate::limits::{METADATA_BYTES_MAX, SERVERS_MAX};
use crate::now::Tick;
use crate::oauth::Wish;
use crate::oauth::client::account::{Account, Need, Renewal};
use crate::oauth::client::errand::Errand;
use crate::oauth::client::flow::Flows;
use crate::oauth::client::keep::Work;
use crate::oauth::client::place::{Listener, Place};
use crate::oauth::client::store::Record;
use crate::settings::Settings;

/// A server that may want a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Its name in the configuration.
    pub name: Rc<str>,
    /// Where it is. The same name at another URL is another server.
    pub url: Rc<Url>,
    /// `oauth` of its entry.
    pub entry: Oauth,
}

/// What the keyring tells.
#[derive(Debug)]
pub enum KeyringNews {
    /// Something is wanted.
    Wish(Wish),
    /// There is a token for this server now, or a newer one.
    Token {
        /// Its name.
        server: Rc<str>,
        /// Where it may be sent.
        url: Rc<Url>,
        /// The token.
        token: Token,
    },
    /// Nothing goes on at this server before its owner has authorized us; tokens of before are of
    /// no use, unless `step_up`: then it serves on, and only more is wanted.
    Awaiting {
        /// Its name.
        server: Rc<str>,
        /// Our page where he does that.
        page: Rc<str>,
        /// Why, in words.
        why: String,
        /// A token is there, but its scopes are too few for something.
        step_up: bool,
    },
    /// Nobody is asked for more scopes: what was refused for want of them stays refused.
    NoMore {
        /// Its name.
        server: Rc<str>,
    },
    /// Authorization is impossible for now: one sentence. The session is tried again with backoff.
    Failed {
        /// Its name.
        server: Rc<str>,
        /// Why.
        why: String,
    },
    /// The port for browsers is closed: who came to it is to go.
    Closed,
}

/// How a server stands, for the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether there is something to authorize.
    pub authorize: bool,
    /// Who gives the tokens: the host of the issuer.
    pub issuer: Option<String>,
    /// In words.
    pub says: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Keyring {
    place: Place,
    accounts: BTreeMap<u32, Account>,
    /// Exchanges with others.
    errands: BTreeMap<u32, Errand>,
    /// Locks on records, wanted or held.
    works: BTreeMap<u32, Work>,
    flows: Flows,
    /// Records as they are on disk, of servers that are configured or not.
    records: BTreeMap<String, Raw>,
    news: VecDeque<KeyringNews>,
    /// The last number that was given to anything.
    counter: u32,
}

/// The bytes of a record, which nobody prints.
struct Raw(Vec<u8>);

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Records that are remembered: more than there can be servers, for those of old ones stay on disk.
const RECORDS_MAX: usize = 4 * SERVERS_MAX;

impl Keyring {
    /// No server.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            place: Place::of(settings),
            ..Self::default()
        }
    }

    /// These are the servers now. To be called before their sessions start.
    pub fn configure(&mut self, cx: &mut Cx<'_>, servers: Vec<Protected>) {
        let mut servers = servers;
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        for (id, account) in &mut self.accounts {
            let is_it =
                |new: &Protected| new.name == account.server.name && new.url == account.server.url;
            match servers.iter().position(is_it) {
                Some(at) => {
                    let new = servers.swap_remove(at);
                    if new != account.server {
                        account.server = new;
                        account.tries.forget();
                        account.found = None;
                        changed.push(*id);
                    }
                }
                None => gone.push(*id),
            }
        }
        for id in gone {
            self.forget(cx, id);
        }
        for id in changed {
            self.reread(cx, id);
        }
        for server in servers {
            let id = self.number();
            let account = Account::new(server);
            let file = account.of.file();
            self.accounts.insert(id, account);
            let bytes = self.records.get(&file).map(|raw| raw.0.clone());
            self.read(cx, id, bytes.as_deref());
        }
        self.settle(cx);
    }

    /// `Input::Record` of a name that begins with `remote-`.
    pub fn record(&mut self, cx: &mut Cx<'_>, name: &str, bytes: Option<&[u8]>) {
        if !name.starts_with(store::PREFIX) {
            return;
        }
        let fits = |bytes: &&[u8]| bytes.len() <= METADATA_BYTES_MAX;
        match bytes.filter(fits) {
            Some(bytes) if self.records.len() < RECORDS_MAX || self.records.contains_key(name) => {
                self.records.insert(name.to_owned(), Raw(bytes.to_vec()));
            }
            Some(_) => {}
            None => drop(self.records.remove(name)),
        }
        let is_its = |(_, account): &(&u32, &Account)| account.of.file() == name;
        if let Some(id) = self.accounts.iter().find(is_its).map(|(id, _)| *id) {
            self.read(cx, id, bytes);
        }
        self.settle(cx);
    }

    /// The entry of a server has changed: keys of a client that it does not name are not its own.
    fn reread(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let has_others = |record: &Record| !account.fits(record);
        if account.kept.as_ref().is_some_and(has_others) {
            account.kept = None;
            account.current = None;
            account.unsaved = None;
        }
        if account.kept.is_none() {
            let bytes = self.records.get(&account.of.file());
            let bytes = bytes.map(|raw| raw.0.clone());
            self.read(cx, id, bytes.as_deref());
        }
    }

    /// What is on disk for an account.
    fn read(&mut self, cx: &mut Cx<'_>, id: u32, bytes: Option<&[u8]>) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let read = bytes.map(|bytes| Record::read(&account.of, bytes));
        let record = match read {
            None => None,
            Some(Ok(record)) => Some(record).filter(|record| account.fits(record)),
            Some(Err(why)) => {
                let (name, file) = (account.name().clone(), account.of.file());
                cx.log(Level::Warn, || {
                    format!("server={name} the record {file} of its keys is not used: {why}")
                });
                None
            }
        };
        match record {
            Some(record) => self.learn(cx, id, record),
            // It never came there.
            None if account.unsaved.is_some() => {}
            None => account.kept = None,
        }
    }

    /// A server wants a token, or another one.
    pub fn challenged(&mut self, cx: &mut Cx<'_>, server: &str, challenge: Challenge) {
        let Challenge {
            status,
            fields,
            token,
            operation,
            accepted,
        } = challenge;
        let Some(id) = self.find_account(server) else {
            return;
        };
        let bearer = challenge::bearer(&fields);
        if status == 403 {
            self.step_up(cx, id, bearer, token, &operation);
        } else {
            self.refused(cx, id, bearer, token, accepted);
        }
        self.settle(cx);
    }

    /// `Input::ListeningLocal`.
    pub fn listening(&mut self, cx: &mut Cx<'_>, port: Result<u16, String>) {
        let ids: Vec<u32> = self.accounts.keys().copied().collect();
        match port {
            Ok(port) => {
                self.place.opened(port, cx.entropy);
                ids.into_iter().for_each(|id| self.announce(cx, id));
            }
            Err(why) => {
                if let Place::Local(listener) = &mut self.place {
                    *listener = Listener::Closed;
                }
                for id in ids {
                    let needs = self.accounts.get(&id).map(|account| &account.need);
                    if matches!(needs, Some(Need::Login | Need::More)) {
                        self.trouble(cx, id, &why);
                    }
                }
            }
        }
        self.settle(cx);
    }

    /// `Alarm::Keyring`.
    pub fn alarm(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        self.flows.expire(now);
        self.expire_errands(cx);
        self.expire_works(cx);
        self.save_again(cx);
        let is_due = |(_, account): &(&u32, &Account)| match account.renewal {
            Renewal::At(at) => at <= now,
            Renewal::Idle | Renewal::Busy => false,
        };
        let due: Vec<u32> = self
            .accounts
            .iter()
            .filter(is_due)
            .map(|(id, _)| *id)
            .collect();
        due.into_iter().for_each(|id| self.renew(cx, id));
        self.settle(cx);
    }

    /// How a server stands; `None`: it wanted no token so far.
    #[must_use]
    pub fn standing(&self, server: &str) -> Option<Standing> {
        self.accounts.get(&self.find_account(server)?)?.standing()
    }

    /// The next thing to know or do.
    pub fn told(&mut self) -> Option<KeyringNews> {
        self.news.pop_front()
    }

    // --- what the files beside this one share ---------------------------------------------------

    fn find_account(&self, server: &str) -> Option<u32> {
        let mut accounts = self.accounts.iter();
        let found = accounts.find(|(_, account)| &**account.name() == server);
        found.map(|(id, _)| *id)
    }

    /// A number that nothing else has.
    fn number(&mut self) -> u32 {
        self.counter = self.counter.wrapping_add(1).max(1);
        self.counter
    }

    fn wish(&mut self, wish: Wish) {
        self.news.push_back(KeyringNews::Wish(wish));
    }

    /// To be called at the end of each verb: the alarm, and the port that nobody needs any more.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let is_needed = |account: &Account| {
            matches!(account.need, Need::Login | Need::More) || !account.waiting.is_empty()
        };
        if let Place::Local(listener @ Listener::Open { .. }) = &mut self.place
            && self.flows.is_empty()
            && !self.accounts.values().any(is_needed)
            && !self.errands.values().any(Errand::has_browser)
            && !self.works.values().any(Work::has_browser)
        {
            *listener = Listener::Closed;
            cx.effects.push(Effect::UnlistenLocal);
            self.news.push_back(KeyringNews::Closed);
        }
        let renewals = self
            .accounts
            .values()
            .filter_map(|account| match account.renewal {
                Renewal::At(at) => Some(at),
                Renewal::Idle | Renewal::Busy => None,
            });
        let unsaved = self.accounts.values().filter_map(|one| one.unsaved);
        let next: Option<Tick> = renewals
            .chain(unsaved.map(|unsaved| unsaved.again))
            .chain(self.flows.next())
            .chain(self.errands.values().map(|errand| errand.until))
            .chain(self.works.values().filter_map(Work::until))
            .min();
        match next {
            Some(at) => cx.timers.set(Alarm::Keyring, at),
            None => cx.timers.clear(Alarm::Keyring),
        }
    }
}
