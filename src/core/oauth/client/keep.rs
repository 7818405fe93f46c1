//! Locks on records, wanted or held, and what is written under them. What was begun for an account
//! ends in good order also when the account is gone: a refresh token that has been exchanged must
//! be written down.

use crate::base::secret::Secret;
use crate::cx::Cx;
use crate::effect::{Effect, Level, RecordTicket};
use crate::limits::KEYRING_LOCK_MS_MAX;
use crate::links::LinkKey;
use crate::now::Tick;
use crate::oauth::Wish;
use crate::oauth::client::account::{Account, By, Current, Need, Renewal, Unsaved, Worth, host};
use crate::oauth::client::documents::{self, Refused};
use crate::oauth::client::errand::Outcome;
use crate::oauth::client::flow::Flow;
use crate::oauth::client::place::Place;
use crate::oauth::client::search::failed;
use crate::oauth::client::store::{Of, Record};
use crate::oauth::client::{Keyring, Raw, tokens};
use crate::web::answer::Answer;
use crate::web::pages::{problem, see_other};

/// One lock.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) account: u32,
    /// The name of the server.
    pub(super) server: String,
    pub(super) of: Of,
    pub(super) stage: Stage,
    /// When waiting for the lock ends.
    pub(super) until: Tick,
}

/// What it is for, and how far that is.
#[derive(Debug)]
pub(super) enum Stage {
    /// New tokens from the owner's authorization are to be written; a browser waits.
    KeepLocking(Box<Record>, LinkKey),
    /// They are being written.
    KeepStoring(Box<Record>, LinkKey),
    /// A token is to be renewed: this one, if any is in use.
    RenewLocking(Option<Secret>),
    /// The issuer is asked, as this record says.
    RenewAsking {
        record: Box<Record>,
        /// The lock is held; else there is no disk to write to.
        is_locked: bool,
    },
    /// The renewed tokens are being written.
    RenewStoring(Box<Record>),
    /// That there are none any more is being written.
    Wiping(Box<Record>),
    /// What the disk did not take is to be written once more.
    SaveLocking,
    /// It is being written.
    SaveStoring(Box<Record>),
}

impl Stage {
    /// What is being written.
    fn stored(&self) -> Option<&Record> {
        match self {
            Self::KeepStoring(record, _)
            | Self::RenewStoring(record)
            | Self::Wiping(record)
            | Self::SaveStoring(record) => Some(record),
            Self::KeepLocking(..)
            | Self::RenewLocking(_)
            | Self::RenewAsking { .. }
            | Self::SaveLocking => None,
        }
    }
}

impl Work {
    /// Whether a browser waits for it.
    pub(super) const fn has_browser(&self) -> bool {
        matches!(self.stage, Stage::KeepLocking(..) | Stage::KeepStoring(..))
    }

    /// When waiting for the lock ends.
    pub(super) const fn until(&self) -> Option<Tick> {
        match self.stage {
            Stage::KeepLocking(..) | Stage::RenewLocking(_) | Stage::SaveLocking => {
                Some(self.until)
            }
            _ => None,
        }
    }
}

impl Keyring {
    /// Orders a lock.
    pub(super) fn lock(&mut self, cx: &mut Cx<'_>, id: u32, stage: Stage) {
        let number = self.number();
        let Some(account) = self.accounts.get(&id) else {
            return;
        };
        let work = Work {
            account: id,
            server: account.name().to_string(),
            of: account.of.clone(),
            stage,
            until: cx.now.tick.after(KEYRING_LOCK_MS_MAX),
        };
        cx.effects.push(Effect::LockRecord {
            ticket: RecordTicket::Keyring(number),
            name: work.of.file(),
        });
        self.works.insert(number, work);
    }

    /// `Input::RecordLocked`.
    pub fn locked(&mut self, cx: &mut Cx<'_>, number: u32, found: Result<Option<Vec<u8>>, String>) {
        match self.works.remove(&number) {
            // Nobody waits for it any more.
            None => release(cx, number),
            Some(work) => self.go_on(cx, number, work, found),
        }
        self.settle(cx);
    }

    fn go_on(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        mut work: Work,
        found: Result<Option<Vec<u8>>, String>,
    ) {
        match work.stage {
            Stage::KeepLocking(record, link) => {
                if let Err(why) = found {
                    self.unkept(cx, work.account, &work.server, &why);
                    self.authorized(cx, work.account, *record, link);
                    return;
                }
                work.stage = Stage::KeepStoring(record, link);
                self.store(cx, number, work);
            }
            Stage::RenewLocking(presented) => {
                work.stage = Stage::RenewLocking(None);
                self.renew_locked(cx, number, work, presented.as_ref(), found);
            }
            Stage::SaveLocking => self.save(cx, number, work, found),
            // It was granted before; this cannot be.
            stage => {
                work.stage = stage;
                self.works.insert(number, work);
            }
        }
    }

    /// Writes the record of a work, whose lock is held.
    pub(super) fn store(&mut self, cx: &mut Cx<'_>, number: u32, work: Work) {
        let Some(record) = work.stage.stored() else {
            release(cx, number);
            return;
        };
        let bytes = record.write(&work.of, &work.server);
        cx.effects.push(Effect::StoreRecord {
            ticket: RecordTicket::Keyring(number),
            bytes,
        });
        self.works.insert(number, work);
    }

    /// `Input::RecordStored`.
    pub fn stored(&mut self, cx: &mut Cx<'_>, number: u32, done: Result<(), String>) {
        let Some(work) = self.works.remove(&number) else {
            return;
        };
        let id = work.account;
        if let Err(why) = done {
            self.unkept(cx, id, &work.server, &why);
        } else if let Some(record) = work.stage.stored() {
            let bytes = record.write(&work.of, &work.server);
            self.records.insert(work.of.file(), Raw(bytes));
            if let Some(account) = self.accounts.get_mut(&id)
                && account.unsaved.take().is_some()
            {
                let name = account.name().clone();
                cx.log(Level::Info, || {
                    format!("server={name} its keys are kept again")
                });
            }
        }
        match work.stage {
            Stage::KeepStoring(record, link) => self.authorized(cx, id, *record, link),
            Stage::RenewStoring(record) => self.renewed(cx, id, *record),
            Stage::Wiping(record) => self.wiped(cx, id, *record),
            Stage::KeepLocking(..)
            | Stage::RenewLocking(_)
            | Stage::RenewAsking { .. }
            | Stage::SaveLocking
            | Stage::SaveStoring(_) => {}
        }
        self.settle(cx);
    }

    /// Another instance holds a lock for too long, or hangs.
    pub(super) fn expire_works(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        let is_late = |(_, work): &(&u32, &Work)| work.until().is_some_and(|until| until <= now);
        let late: Vec<u32> = self
            .works
            .iter()
            .filter(is_late)
            .map(|(one, _)| *one)
            .collect();
        for number in late {
            release(cx, number);
            if let Some(work) = self.works.remove(&number) {
                let seconds = KEYRING_LOCK_MS_MAX / 1000;
                let file = work.of.file();
                let why = format!("another process has held {file} for more than {seconds} s");
                self.go_on(cx, number, work, Err(why));
            }
        }
    }

    /// The disk does not take it: it is kept in memory until we end.
    fn unkept(&mut self, cx: &mut Cx<'_>, id: u32, server: &str, why: &str) {
        let account = self.accounts.get_mut(&id);
        let again = account.as_ref().is_some_and(|one| one.unsaved.is_some());
        let level = if again { Level::Debug } else { Level::Error };
        cx.log(level, || {
            format!("server={server} its keys are lost when 1mcp ends: {why}")
        });
        if let Some(account) = account {
            account.unsaved = Some(Unsaved::of(cx.now));
        }
    }

    /// Tries again to write what the disk did not take.
    pub(super) fn save_again(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let mut due = Vec::new();
        for (id, account) in &mut self.accounts {
            if let Some(unsaved) = &mut account.unsaved
                && unsaved.again <= now.tick
            {
                unsaved.again = Unsaved::of(now).again;
                due.push(*id);
            }
        }
        for id in due {
            self.lock(cx, id, Stage::SaveLocking);
        }
    }

    /// The lock for that is granted, or never will be: then the next try is as good.
    fn save(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        mut work: Work,
        found: Result<Option<Vec<u8>>, String>,
    ) {
        let Ok(found) = found else { return };
        let Some(account) = self.accounts.get_mut(&work.account) else {
            return release(cx, number);
        };
        let disk = found.and_then(|bytes| Record::read(&account.of, &bytes).ok());
        let is_behind = disk.as_ref().is_none_or(|disk| account.is_ahead_of(disk));
        let ours = account.kept.clone().filter(|_| account.unsaved.is_some());
        match ours.filter(|_| is_behind) {
            Some(record) => {
                work.stage = Stage::SaveStoring(Box::new(record));
                self.store(cx, number, work);
            }
            None => release(cx, number),
        }
    }

    /// The tokens for a code have come, or not.
    pub(super) fn tokens_came(
        &mut self,
        cx: &mut Cx<'_>,
        flow: Flow,
        link: LinkKey,
        outcome: Outcome,
    ) {
        let id = flow.account;
        let Some(account) = self.accounts.get_mut(&id) else {
            let answer = gone();
            self.wish(Wish::Answer { link, answer });
            return;
        };
        let granted = match outcome {
            Outcome::Nothing(why) => Err(why),
            Outcome::Answer(status, bytes) => match documents::granted(status, &bytes) {
                Ok(granted) => Ok(granted),
                Err(Refused::Unreadable(why)) => Err(why.to_owned()),
                Err(Refused::Said { code, text }) => {
                    if code == "invalid_client" {
                        account.spoil(&flow.client.id);
                    }
                    Err(format!("it gave no token: {code} {text}"))
                }
            },
        };
        let issuer = host(&flow.found.issuer);
        match granted {
            Err(why) => {
                let why = format!("{issuer}: {}", why.trim());
                account.remark = Some(why.clone());
                account.doubted = true;
                let answer = failed(&why);
                self.wish(Wish::Answer { link, answer });
            }
            Ok(granted) => {
                let record = Record {
                    issuer: flow.found.issuer,
                    resource: flow.found.resource,
                    token_endpoint: flow.found.token.to_string(),
                    client: flow.client,
                    asked: flow.scopes,
                    tokens: Some(tokens::kept(granted, None, cx.now.wall)),
                };
                self.lock(cx, id, Stage::KeepLocking(Box::new(record), link));
            }
        }
    }

    /// The owner has authorized us.
    fn authorized(&mut self, cx: &mut Cx<'_>, id: u32, record: Record, link: LinkKey) {
        let issuer = host(&record.issuer);
        let answer = match self.accounts.get_mut(&id) {
            None => gone(),
            Some(account) => {
                let name = account.name().clone();
                cx.log(Level::Info, || {
                    format!("server={name} authorized by {issuer}")
                });
                account.more.clear();
                self.adopt(cx, id, record, By::Owner);
                match self.place {
                    Place::Site { .. } => see_other("/oauth"),
                    Place::Local(_) => problem(
                        200,
                        "Authorized",
                        &format!("1mcp may now use {name}. You can close this page."),
                    ),
                }
            }
        };
        self.wish(Wish::Answer { link, answer });
    }

    /// Tokens come into use.
    pub(super) fn adopt(&mut self, cx: &mut Cx<'_>, id: u32, record: Record, by: By) {
        let number = self.number();
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        account.current = record
            .tokens
            .clone()
            .map(|tokens| Current { number, tokens });
        match by {
            By::Owner => account.renewed = None,
            By::Renewal => account.count_renewal(cx.now.tick),
            // Two that learn from each other must not begin anew each time.
            By::Another => {}
        }
        account.kept = Some(record);
        let asked = account.kept.as_ref().map(|record| record.asked.as_slice());
        let asked = asked.unwrap_or_default();
        // Renewing gives no more scopes, but an authorization in another instance may have.
        let wants_more = account.more.iter().any(|scope| !asked.contains(scope));
        account.need = if wants_more && account.need == Need::More {
            Need::More
        } else {
            account.more.clear();
            Need::Nothing
        };
        account.refused = None;
        account.remark = None;
        account.fresh = None;
        account.strikes = 0;
        account.renewal = Renewal::Idle;
        self.schedule(cx, id);
        self.tell_token(id);
    }

    /// A record is on disk that somebody else wrote, or that was there at the start.
    pub(super) fn learn(&mut self, cx: &mut Cx<'_>, id: u32, record: Record) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        if account.is_ahead_of(&record) {
            return;
        }
        account.unsaved = None;
        let Some(tokens) = record.tokens.as_ref() else {
            account.kept = Some(record);
            return;
        };
        let is_known = account.access().as_ref() == Some(&tokens.access);
        let is_older = |current: &Current| {
            current.tokens.since > tokens.since && !current.has_ended(cx.now.wall)
        };
        if is_known || account.current.as_ref().is_some_and(is_older) {
            account.kept = Some(record);
        } else if account.is_good(tokens, cx.now.wall) {
            self.adopt(cx, id, record, By::Another);
        } else {
            account.kept = Some(record);
            if account.current.is_none()
                && account.renewal == Renewal::Idle
                && account.worth(cx.now, false) == Worth::Now
            {
                self.renew(cx, id);
            }
        }
    }

    /// A server is not configured any more.
    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.remove(&id) else {
            return;
        };
        self.flows.forget(id);
        let waiting = account.waiting.iter().map(|waiting| waiting.link);
        let mut links: Vec<LinkKey> = waiting.chain(self.drop_errands(id)).collect();
        let is_waiting = |(_, work): &(&u32, &Work)| work.account == id && work.until().is_some();
        let works: Vec<u32> = self
            .works
            .iter()
            .filter(is_waiting)
            .map(|(one, _)| *one)
            .collect();
        for number in works {
            release(cx, number);
            if let Some(work) = self.works.remove(&number)
                && let Stage::KeepLocking(_, link) = work.stage
            {
                links.push(link);
            }
        }
        for link in links {
            let answer = gone();
            self.wish(Wish::Answer { link, answer });
        }
    }
}

impl Account {
    /// The access token in use.
    pub(super) fn access(&self) -> Option<Secret> {
        self.current
            .as_ref()
            .map(|current| current.tokens.access.clone())
    }

    /// An issuer does not know this client any more.
    pub(super) fn spoil(&mut self, client: &str) {
        self.spoiled = Some(client.to_owned());
        self.fresh = None;
    }
}

/// Lets go of a lock, or of the wish for one.
pub(super) fn release(cx: &mut Cx<'_>, number: u32) {
    cx.effects.push(Effect::ReleaseRecord {
        ticket: RecordTicket::Keyring(number),
    });
}

fn gone() -> Answer {
    problem(
        404,
        "No such server",
        "It was removed from the configuration meanwhile.",
    )
}
