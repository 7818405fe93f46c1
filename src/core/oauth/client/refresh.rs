//! Renews tokens: ahead of their end, and once when a server refuses one. Under the lock of the
//! record, which is read again there: of several instances the first renews, and the others find
//! what it has written. A new refresh token is on disk before anything is done with the new tokens,
//! since the old one is of no use any more.

use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::cx::Cx;
use crate::effect::Level;
use crate::limits::{
    REFRESH_AGAIN_MS_MIN, REFRESH_AHEAD_SECONDS, REFRESH_JITTER_MS, REFRESH_RETRY_MS_MAX,
    REFRESH_RETRY_MS_MIN,
};
use crate::now::UnixSeconds;
use crate::oauth::client::account::{By, Current, Need, Renewal};
use crate::oauth::client::documents::{self, Refused};
use crate::oauth::client::errand::{Outcome, What};
use crate::oauth::client::ground::Ground;
use crate::oauth::client::keep::{Stage, Work, release};
use crate::oauth::client::store::Record;
use crate::oauth::client::{Keyring, KeyringNews, tokens};

impl Current {
    /// Its end has come.
    pub(super) fn has_ended(&self, now: UnixSeconds) -> bool {
        self.tokens.until.is_some_and(|until| until <= now)
    }
}

/// Whether an issuer that says no may say yes next time.
fn is_passing(status: u16, code: &str) -> bool {
    status == 429
        || status >= 500
        || matches!(
            code,
            "temporarily_unavailable" | "server_error" | "slow_down"
        )
}

impl Keyring {
    /// Begins to renew the token of an account.
    pub(super) fn renew(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        if account.renewal == Renewal::Busy {
            return;
        }
        account.renewal = Renewal::Busy;
        let presented = account.tokens().map(|tokens| tokens.access.clone());
        self.lock(cx, id, Stage::RenewLocking(presented));
    }

    /// The lock is granted, or never will be.
    pub(super) fn renew_locked(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        work: Work,
        presented: Option<&Secret>,
        found: Result<Option<Vec<u8>>, String>,
    ) {
        let id = work.account;
        let is_locked = found.is_ok();
        let drop_lock = |cx: &mut Cx<'_>| {
            if is_locked {
                release(cx, number);
            }
        };
        let Some(account) = self.accounts.get_mut(&id) else {
            return drop_lock(cx);
        };
        let disk = match found {
            Ok(bytes) => bytes.and_then(|bytes| Record::read(&account.of, &bytes).ok()),
            Err(why) if account.unsaved.is_none() => return self.strike(cx, id, &why),
            Err(_) => None,
        };
        let record = account.newest(disk.filter(|record| account.fits(record)));
        let tokens = record.as_ref().and_then(|record| record.tokens.as_ref());
        let refresh = tokens.and_then(|tokens| tokens.refresh.clone());
        if let (Some(record), Some(tokens)) = (&record, tokens)
            && presented != Some(&tokens.access)
            && account.is_good(tokens, cx.now.wall)
        {
            let record = record.clone();
            let name = account.name().clone();
            cx.log(Level::Debug, || {
                format!("server={name} another instance has renewed its token")
            });
            if !account.is_ahead_of(&record) {
                account.unsaved = None;
            }
            drop_lock(cx);
            return self.adopt(cx, id, record, By::Renewal);
        }
        let (Some(record), Some(refresh)) = (record, refresh) else {
            drop_lock(cx);
            return self.no_key(cx, id);
        };
        let Ok(url) = account
            .ground
            .url("the token endpoint", &record.token_endpoint)
        else {
            drop_lock(cx);
            return self.no_key(cx, id);
        };
        self.ask_next(cx, number, work, (record, refresh, url), is_locked);
    }

    fn ask_next(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        work: Work,
        (record, refresh, url): (Record, Secret, std::rc::Rc<Url>),
        is_locked: bool,
    ) {
        let id = work.account;
        let ground = self.accounts.get(&id).map(|account| &account.ground);
        let reach = ground.map_or_else(crate::fetch::Reach::default, |ground: &Ground| {
            ground.reach(&url)
        });
        let form = tokens::renewal(&refresh);
        let order = tokens::ask(url, reach, &record.client, &record.resource, form);
        let record = Box::new(record);
        let stage = Stage::RenewAsking { record, is_locked };
        self.works.insert(number, Work { stage, ..work });
        self.ask(cx, id, What::Renewal { work: number }, order);
    }

    /// The issuer has answered, or not.
    pub(super) fn renewal_came(&mut self, cx: &mut Cx<'_>, number: u32, outcome: Outcome) {
        let Some(work) = self.works.remove(&number) else {
            return;
        };
        let id = work.account;
        let Stage::RenewAsking {
            mut record,
            is_locked,
        } = work.stage
        else {
            return;
        };
        let came = match outcome {
            Outcome::Nothing(why) => Err((why, None)),
            Outcome::Answer(status, bytes) => {
                documents::granted(status, &bytes).map_err(|no| match no {
                    Refused::Unreadable(why) => (why.to_owned(), None),
                    Refused::Said { code, text } => {
                        let why = format!("it gave no token: {code} {text}");
                        (why, Some(code).filter(|code| !is_passing(status, code)))
                    }
                })
            }
        };
        let stage = match came {
            Ok(granted) => {
                let before = record.tokens.take();
                let before = before.as_ref().and_then(|tokens| tokens.refresh.as_ref());
                record.tokens = Some(tokens::kept(granted, before, cx.now.wall));
                if !is_locked {
                    return self.renewed(cx, id, *record);
                }
                Stage::RenewStoring(record)
            }
            Err((why, code)) => match code.as_deref() {
                // Many say it in words of their own, and with 200.
                Some(code) => {
                    record.tokens = None;
                    if matches!(code, "invalid_client" | "unauthorized_client")
                        && let Some(account) = self.accounts.get_mut(&id)
                    {
                        account.spoil(&record.client.id);
                    }
                    if !is_locked {
                        return self.wiped(cx, id, *record);
                    }
                    Stage::Wiping(record)
                }
                None => {
                    if is_locked {
                        release(cx, number);
                    }
                    return self.strike(cx, id, why.trim());
                }
            },
        };
        let work = Work {
            account: id,
            server: work.server,
            of: work.of,
            stage,
            until: work.until,
        };
        self.store(cx, number, work);
    }

    /// The new tokens are on disk.
    pub(super) fn renewed(&mut self, cx: &mut Cx<'_>, id: u32, record: Record) {
        if let Some(account) = self.accounts.get(&id) {
            let name = account.name().clone();
            cx.log(Level::Debug, || format!("server={name} token renewed"));
        }
        self.adopt(cx, id, record, By::Renewal);
    }

    /// The issuer takes the refresh token no more: the owner is asked.
    pub(super) fn wiped(&mut self, cx: &mut Cx<'_>, id: u32, record: Record) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.kept = Some(record);
            account.current = None;
        }
        self.no_key(cx, id);
    }

    /// There is nothing to renew it with.
    fn no_key(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        account.renewal = Renewal::Idle;
        let is_good = |current: &Current| account.is_good(&current.tokens, cx.now.wall);
        if account.current.as_ref().is_some_and(is_good) {
            return;
        }
        account.current = None;
        self.search(cx, id);
    }

    /// It did not work this time.
    fn strike(&mut self, cx: &mut Cx<'_>, id: u32, why: &str) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        account.strikes = account.strikes.saturating_add(1);
        let doubled = REFRESH_RETRY_MS_MIN << account.strikes.min(16).saturating_sub(1);
        let pause_ms = doubled.min(REFRESH_RETRY_MS_MAX);
        let jitter = cx.entropy.below(pause_ms / 4 + 1);
        account.renewal = Renewal::At(cx.now.tick.after(pause_ms + jitter));
        account.remark = Some(why.to_owned());
        let server = account.name().clone();
        let why = format!("its token cannot be renewed now: {why}");
        cx.log(Level::Warn, || format!("server={server} {why}"));
        let is_good = |current: &Current| account.is_good(&current.tokens, cx.now.wall);
        if !account.current.as_ref().is_some_and(is_good) {
            account.current = None;
            account.need = Need::Trouble(why.clone());
            self.news.push_back(KeyringNews::Failed { server, why });
        }
    }

    /// When the token in use is renewed.
    pub(super) fn schedule(&mut self, cx: &mut Cx<'_>, id: u32) {
        let Some(account) = self.accounts.get_mut(&id) else {
            return;
        };
        let Some(current) = &account.current else {
            return;
        };
        let tokens = &current.tokens;
        let (Some(_), Some(until)) = (&tokens.refresh, tokens.until) else {
            return;
        };
        let life = until.0.saturating_sub(tokens.since.0);
        let left = until.0.saturating_sub(cx.now.wall.0);
        let ahead = REFRESH_AHEAD_SECONDS.min(life / 5);
        let wait_ms = left.saturating_sub(ahead).saturating_mul(1000);
        let spread_ms = REFRESH_JITTER_MS.min(life.saturating_mul(100));
        let wait_ms = wait_ms.saturating_sub(cx.entropy.below(spread_ms + 1));
        // Somebody may give tokens that end at once.
        let least_ms = account.renewed.map_or(0, |renewed| {
            REFRESH_AGAIN_MS_MIN.saturating_sub(cx.now.tick.since(renewed))
        });
        let wait_ms = wait_ms.max(least_ms).max(REFRESH_RETRY_MS_MIN);
        account.renewal = Renewal::At(cx.now.tick.after(wait_ms));
    }
}
