//! Sessions on `/mcp` that outlive this process: their names are sealed records ([`sealed`]), and
//! what cannot stand in a name is in the [`record`] that all processes of a configuration share.
//!
//! A session that is not here was opened by this run, and then it has ended; or by another one, an
//! earlier one or another copy beside us, and then it is opened again here, unless it was ended or
//! its time is over. Never holds a session: those are in `Clients`.
//!
//! [`sealed`]: crate::client::sealed

mod numbers;
mod record;
mod restore;
mod rounds;

use crate::client::resume::record::{Record, Unreadable};
use crate::client::resume::rounds::Round;
use crate::client::sealed::{self, Birth, BootId, Key};
use crate::cx::Cx;
use crate::effect::Level;
use crate::entropy::Entropy;
use crate::links::LinkKey;
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::version::Version;
use crate::now::{Tick, UnixSeconds};
use crate::principal::GrantId;
use crate::settings::Settings;

/// The name of the record, as orders to the shell have it.
pub const RECORD: &str = "sessions/sessions.json";

/// See the module.
#[derive(Debug)]
pub(super) struct Resume {
    /// How long a session lasts unused.
    ttl_ms: u64,
    /// Who we are; drawn when it is needed.
    boot: Option<BootId>,
    /// How many sessions were opened.
    opened: u64,
    /// As on disk, as far as we know, and what we would add.
    record: Record,
    /// Keys that this process has drawn or used.
    own: Vec<Key>,
    round: Round,
    /// Rounds until now.
    count: u32,
    /// Another round is to follow this one.
    again: bool,
    /// Ended sessions whose clients wait for the disk.
    waiting: Vec<LinkKey>,
    /// Until when they do.
    patience: Option<Tick>,
    /// When the record is to say again that we are alive.
    alive_at: Option<Tick>,
    /// The disk refused: it is left alone until then.
    rests_until: Option<Tick>,
    /// For how long it was left alone last; longer each time.
    rest_ms: u64,
    /// Something is not on the disk that was to be written.
    unsaved: bool,
    /// That it did was told.
    complained: bool,
    /// We are on our way out.
    leaving: bool,
}

impl Resume {
    /// Nothing is known yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            ttl_ms: settings.session_idle_ms,
            boot: None,
            opened: 0,
            record: Record::default(),
            own: Vec::new(),
            round: Round::Idle,
            count: 0,
            again: false,
            waiting: Vec::new(),
            patience: None,
            alive_at: None,
            rests_until: None,
            rest_ms: 0,
            unsaved: false,
            complained: false,
            leaving: false,
        }
    }

    /// The name of a new session, and what it says.
    pub(super) fn name(
        &mut self,
        cx: &mut Cx<'_>,
        version: Version,
        capabilities: ClientCapabilities,
        grant: Option<GrantId>,
    ) -> (String, Birth) {
        let birth = Birth {
            boot: self.boot(cx.entropy),
            number: self.opened,
            created: cx.now.wall,
            version,
            capabilities,
            grant,
        };
        self.opened = self.opened.saturating_add(1);
        let key = self.key(cx.entropy);
        let text = sealed::seal(&birth, &key, cx.entropy);
        // 32 bytes are a key, so there is always a sealed name.
        (text.unwrap_or_else(|| cx.entropy.token()), birth)
    }

    /// The session of this name, if it is not of those that are here and may go on here: one of
    /// another run, or one of ours that another copy has in use.
    pub(super) fn find(
        &self,
        presented: &str,
        grant: Option<GrantId>,
        now: UnixSeconds,
    ) -> Option<Birth> {
        let keys = self.record.keys.iter().chain(&self.own);
        let birth = sealed::open(presented, keys)?;
        let ttl_s = self.ttl_ms.div_ceil(1_000);
        let allowed = if self.boot == Some(birth.boot) {
            self.record.is_kept(&birth, now, ttl_s)
        } else {
            self.record.allows(&birth, now, ttl_s)
        };
        (birth.grant == grant && allowed).then_some(birth)
    }

    /// Which run this is.
    fn boot(&mut self, entropy: &mut Entropy) -> BootId {
        *self.boot.get_or_insert_with(|| {
            let block = entropy.block();
            BootId(block.first_chunk().copied().unwrap_or_default())
        })
    }

    /// The key that seals: the first of the record, so that all processes use the same.
    fn key(&mut self, entropy: &mut Entropy) -> Key {
        let known = self.record.keys.first().or(self.own.first());
        let key = known.cloned().unwrap_or_else(|| Key(entropy.block()));
        if !self.own.contains(&key) {
            self.own.push(key.clone());
        }
        key
    }

    /// What a file says. One that says nothing is as good as none, but is told of.
    fn read(&mut self, cx: &mut Cx<'_>, bytes: Option<&[u8]>) -> Result<Record, String> {
        match Record::read(bytes) {
            Ok(record) => Ok(record),
            Err(Unreadable::Newer(version)) => Err(format!(
                "{RECORD} was written by another version of 1mcp (version {version} of the file)"
            )),
            Err(Unreadable::Broken(why)) => {
                cx.log(Level::Warn, || {
                    format!("{RECORD}: {why}; it is written anew, what only it knew of has ended")
                });
                Ok(Record::default())
            }
        }
    }

    /// How often the record says that we are alive: sessions that last for minutes only must not be
    /// good for hours after a crash.
    fn alive_ms(&self) -> u64 {
        let often = crate::limits::SESSION_ALIVE_MS;
        (self.ttl_ms / 4).clamp(60_000.min(often), often)
    }
}
