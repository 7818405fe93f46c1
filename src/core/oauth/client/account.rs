//! What is known of one protected server: its keys, who gives them, and what is wanted next. Owns
//! the state and answers questions about it; what is done about it is in the files beside it.

use std::rc::Rc;

use crate::base::secret::Secret;
use crate::base::url::Url;
use crate::limits::{
    KEYRING_SAVE_AGAIN_MS, REFRESH_AGAIN_MS_MIN, REFRESH_HASTE_MAX, REFRESH_RETRY_MS_MIN,
};
use crate::links::LinkKey;
use crate::now::{Now, Tick, UnixSeconds};
use crate::oauth::client::challenge::Bearer;
use crate::oauth::client::discovery::{Discovery, Found};
use crate::oauth::client::ground::Ground;
use crate::oauth::client::registration::{Client, Source};
use crate::oauth::client::stepup::{self, Offers, Tries};
use crate::oauth::client::store::{Of, Record, Tokens};
use crate::oauth::client::{Protected, Standing};

/// See the module.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) server: Protected,
    pub(super) of: Of,
    pub(super) ground: Ground,
    /// What is on disk, or would be if it could be written.
    pub(super) kept: Option<Record>,
    /// The disk did not take it.
    pub(super) unsaved: Option<Unsaved>,
    /// The token in use.
    pub(super) current: Option<Current>,
    /// An access token that the server refused.
    pub(super) refused: Option<Secret>,
    /// A client id that its issuer does not know any more.
    pub(super) spoiled: Option<String>,
    pub(super) need: Need,
    /// What the server said when it refused us last.
    pub(super) bearer: Option<Bearer>,
    /// Scopes that are wanted on top (O11).
    pub(super) more: Vec<String>,
    pub(super) tries: Tries,
    /// Who gives the keys, and when that was found out.
    pub(super) found: Option<(Tick, Found)>,
    /// It did not help: the next click finds it out again.
    pub(super) doubted: bool,
    /// What an issuer has given us and is not on disk yet.
    pub(super) fresh: Option<(String, Client)>,
    pub(super) search: Search,
    /// Browsers that wait to be sent on.
    pub(super) waiting: Vec<Waiting>,
    pub(super) renewal: Renewal,
    /// When the token was renewed last.
    pub(super) renewed: Option<Tick>,
    /// Renewals in a row, each soon after the one before.
    pub(super) haste: u32,
    /// Renewals that failed in a row.
    pub(super) strikes: u32,
    /// How the last authorization failed.
    pub(super) remark: Option<String>,
}

/// A token in use.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) number: u32,
    pub(super) tokens: Tokens,
}

/// What is known and not on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsaved {
    /// Since when.
    pub(super) since: UnixSeconds,
    /// When it is tried again to write it.
    pub(super) again: Tick,
}

impl Unsaved {
    pub(super) fn of(now: Now) -> Self {
        Self {
            since: now.wall,
            again: now.tick.after(KEYRING_SAVE_AGAIN_MS),
        }
    }
}

/// Who brought tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The owner: he has authorized us.
    Owner,
    /// The issuer, for those of before.
    Renewal,
    /// Another instance, perhaps long ago.
    Another,
}

/// Whether a token that was refused is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    Now,
    /// At this moment: it ends, or is forgotten, again and again.
    Later(Tick),
    /// It cannot be, or it would not help.
    No,
}

/// What is wanted of the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing, so far.
    Nothing,
    /// That he authorizes us.
    Login,
    /// That he authorizes us for more; until then it goes on with less.
    More,
    /// It cannot be had: one sentence.
    Trouble(String),
}

/// What is being found out.
#[derive(Debug)]
pub(super) enum Search {
    Idle,
    /// Who gives the keys.
    Finding(Discovery),
    /// As whom we are known there.
    Registering {
        redirect: String,
        /// By this issuer, whatever is found out meanwhile.
        found: Box<Found>,
    },
}

/// A browser whose click on Authorize is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) link: LinkKey,
    pub(super) browser: [u8; 32],
}

/// When the token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// When the server refuses it.
    Idle,
    /// At this moment.
    At(Tick),
    /// Now.
    Busy,
}

impl Account {
    pub(super) fn new(server: Protected) -> Self {
        Self {
            of: Of::new(&server),
            ground: Ground::of(&server.url),
            server,
            kept: None,
            unsaved: None,
            current: None,
            refused: None,
            spoiled: None,
            need: Need::Nothing,
            bearer: None,
            more: Vec::new(),
            tries: Tries::default(),
            found: None,
            doubted: false,
            fresh: None,
            search: Search::Idle,
            waiting: Vec::new(),
            renewal: Renewal::Idle,
            renewed: None,
            haste: 0,
            strikes: 0,
            remark: None,
        }
    }

    pub(super) fn name(&self) -> &Rc<str> {
        &self.server.name
    }

    /// Whether a record was made by the client that the entry names now.
    pub(super) fn fits(&self, record: &Record) -> bool {
        let client = &record.client;
        match self.server.entry.client_id.as_deref() {
            Some(id) if client.source == Source::Given => client.id == id,
            Some(id) => Url::parse(id).is_ok() && client.source != Source::Given,
            None => client.source != Source::Given,
        }
    }

    /// Whether an access token may be used: it was not refused, and has not ended.
    pub(super) fn is_good(&self, tokens: &Tokens, now: UnixSeconds) -> bool {
        self.refused.as_ref() != Some(&tokens.access)
            && tokens.until.is_none_or(|until| until > now)
    }

    /// The tokens that are known, in use or not.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        let kept = || self.kept.as_ref()?.tokens.as_ref();
        self.current.as_ref().map(|one| &one.tokens).or_else(kept)
    }

    /// Whether it may be worth it to renew the token. One that was never accepted since the last
    /// renewal is not helped by another, whatever its issuer says of its end: some give tokens of
    /// no life at all, and clocks go wrong. `accepted`: it was.
    pub(super) fn worth(&self, now: Now, accepted: bool) -> Worth {
        if self.tokens().is_none_or(|tokens| tokens.refresh.is_none()) {
            return Worth::No;
        }
        let Some(renewed) = self.renewed else {
            return Worth::Now;
        };
        if now.tick.since(renewed) >= REFRESH_AGAIN_MS_MIN {
            return Worth::Now;
        }
        if !accepted {
            return Worth::No;
        }
        let Some(hasty) = self.haste.checked_sub(REFRESH_HASTE_MAX) else {
            return Worth::Now;
        };
        let pause_ms = (REFRESH_RETRY_MS_MIN << hasty.min(16)).min(REFRESH_AGAIN_MS_MIN);
        match renewed.after(pause_ms) {
            at if at <= now.tick => Worth::Now,
            at => Worth::Later(at),
        }
    }

    /// It was renewed.
    pub(super) fn count_renewal(&mut self, now: Tick) {
        let is_soon = |last: Tick| now.since(last) < REFRESH_AGAIN_MS_MIN;
        self.haste = match self.renewed {
            Some(last) if is_soon(last) => self.haste.saturating_add(1),
            _ => 0,
        };
        self.renewed = Some(now);
    }

    /// Whether what is in memory is newer than this record of the disk, since the disk did not
    /// take it: the refresh token there was used, and sending it again would cost the newer one.
    pub(super) fn is_ahead_of(&self, disk: &Record) -> bool {
        let (Some(unsaved), Some(kept)) = (self.unsaved, &self.kept) else {
            return false;
        };
        let since = kept.tokens.as_ref().map_or(unsaved.since, |one| one.since);
        disk.tokens.as_ref().is_none_or(|one| one.since <= since)
    }

    /// What to go on with, of what is on disk and what could not be written there.
    pub(super) fn newest(&self, disk: Option<Record>) -> Option<Record> {
        disk.filter(|disk| !self.is_ahead_of(disk))
            .or_else(|| self.kept.clone().filter(|_| self.unsaved.is_some()))
    }

    /// What is to be asked for (O6, O11).
    pub(super) fn scopes(&self, found: &Found) -> Vec<String> {
        let mut besides: Vec<String> = Vec::new();
        if !self.more.is_empty()
            && let Some(kept) = &self.kept
        {
            besides.extend(kept.asked.iter().cloned());
            let granted = kept
                .tokens
                .as_ref()
                .and_then(|tokens| tokens.scope.as_deref());
            let granted = granted.unwrap_or_default().split_ascii_whitespace();
            besides.extend(granted.map(str::to_owned));
        }
        besides.extend(self.more.iter().cloned());
        let challenge = self
            .bearer
            .as_ref()
            .and_then(|bearer| bearer.scope.as_deref());
        stepup::choose(&Offers {
            operator: &self.server.entry.scopes,
            challenge,
            listed: found.scopes.as_deref(),
            issuer: &found.issuer_scopes,
            besides: &besides,
        })
    }

    /// For the dashboard.
    pub(super) fn standing(&self) -> Option<Standing> {
        let found = self.found.as_ref().map(|(_, found)| found.issuer.as_str());
        let kept = self.kept.as_ref().map(|record| record.issuer.as_str());
        let issuer = found.or(kept).map(host);
        let failed = |says: &str| match &self.remark {
            Some(remark) => format!("{says}; the last try failed: {remark}"),
            None => says.to_owned(),
        };
        let (authorize, says) = match (&self.need, &self.search) {
            (Need::Nothing, Search::Finding(_)) => {
                (false, "finding out who gives the keys to it".to_owned())
            }
            (Need::Nothing, _) if self.current.is_some() => match self.strikes {
                0 => (false, "authorized".to_owned()),
                _ => (
                    false,
                    failed("authorized, but the token cannot be renewed now"),
                ),
            },
            (Need::Nothing, _) if self.renewal == Renewal::Busy => {
                (false, "renewing its token".to_owned())
            }
            (Need::Nothing, _) => return None,
            (Need::Login, _) => (true, failed("waits for you to authorize 1mcp there")),
            (Need::More, _) => {
                let says = format!(
                    "works, but wants more for something: {}",
                    self.more.join(" ")
                );
                (true, failed(&says))
            }
            // What it has may be worth nothing, whatever its issuer says.
            (Need::Trouble(why), _) => (issuer.is_some(), why.clone()),
        };
        Some(Standing {
            authorize,
            issuer,
            says,
        })
    }
}

/// The host of an issuer, fit to be shown.
pub(super) fn host(issuer: &str) -> String {
    Url::parse(issuer).map_or_else(
        |_| crate::oauth::client::documents::plain(issuer),
        |url| url.origin().authority(),
    )
}
