//! The directory of secrets, the hashing thread, the loopback port, and the tokens that clients of
//! a locked gateway show.
//!
//! In a locked world every client over HTTP has a grant of its own, and every request carries its
//! token; so a session, a parked call or a state that moves from one client to another moves from
//! one principal to another, and has to be refused.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use onemcp::effect::{Effect, RecordTicket};
use onemcp::entropy::Entropy;
use onemcp::input::Input;
use onemcp::now::UnixSeconds;
use onemcp::oauth::server::RECORD;
use onemcp::oauth::server::record::Record;
use onemcp::oauth::token::{Claims, SigningKey};
use onemcp::principal::{GrantId, Scopes};

use crate::faults::Fault;
use crate::world::World;

/// Nobody lives that long, however the clock jumps.
const NEVER: UnixSeconds = UnixSeconds(u32::MAX as u64 * 2);
/// Our origin, by which tokens are told apart from those of others.
const ISSUER: &str = "http://127.0.0.1:3050";

/// What a helper thread of the shell is about to answer.
#[derive(Debug)]
enum Answer {
    Locked(RecordTicket),
    Stored(RecordTicket, Vec<u8>),
    Stretched(u64),
    Listening,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    records: BTreeMap<String, Vec<u8>>,
    /// What tokens are signed with, if the front door is locked.
    key: Option<SigningKey>,
    /// Locks that are granted.
    held: BTreeMap<RecordTicket, String>,
    /// Locks that wait for others of the same name, in order.
    waiting: VecDeque<(RecordTicket, String)>,
    answers: Vec<(u64, Answer)>,
}

impl Vault {
    /// When a thread is done.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.answers.iter().map(|(due, _)| *due).min()
    }

    fn is_held(&self, name: &str) -> bool {
        self.held.values().any(|held| held == name)
    }
}

impl World {
    /// Locks the front door: a key, and a token for whoever comes.
    pub(crate) fn lock_door(&mut self) {
        let mut entropy = Entropy::new(&[3; 32]);
        let mut record = Record::default();
        record.draw_keys(self.now.wall, &mut entropy);
        self.vault.key = record.signing_key();
        self.vault.records.insert(RECORD.to_owned(), record.write());
        let bytes = Some(record.write());
        let name = RECORD.to_owned();
        self.handle(Input::Record { name, bytes });
    }

    /// Gives the next client a token, if it needs one.
    pub(crate) fn give_token(&mut self) {
        if let Some(key) = &self.vault.key {
            let token = token(key, self.model.tokens.len());
            self.model.tokens.push(token);
        }
    }

    /// Does an order about secrets.
    pub(crate) fn keep(&mut self, effect: Effect) {
        match effect {
            Effect::LockRecord { ticket, name } => {
                self.vault.waiting.push_back((ticket, name));
                self.grant_locks();
            }
            Effect::StoreRecord { ticket, bytes } => self.promise(Answer::Stored(ticket, bytes)),
            Effect::ReleaseRecord { ticket } => {
                self.vault.held.remove(&ticket);
                self.vault.waiting.retain(|(one, _)| *one != ticket);
                self.grant_locks();
            }
            Effect::Stretch { ticket, .. } => self.promise(Answer::Stretched(ticket)),
            Effect::ListenLocal { .. } => self.promise(Answer::Listening),
            Effect::UnlistenLocal => {}
            other => unreachable!("{other:?} is no order about secrets"),
        }
    }

    fn grant_locks(&mut self) {
        loop {
            let free = |(_, name): &(RecordTicket, String)| !self.vault.is_held(name);
            let at = self.vault.waiting.iter().position(free);
            let Some((ticket, name)) = at.and_then(|at| self.vault.waiting.remove(at)) else {
                return;
            };
            self.vault.held.insert(ticket, name);
            self.promise(Answer::Locked(ticket));
        }
    }

    fn promise(&mut self, answer: Answer) {
        let due = self.now.tick.0 + self.rng.time(200);
        self.vault.answers.push((due, answer));
    }

    /// A thread is done.
    pub(crate) fn vault_acts(&mut self) {
        let now = self.now.tick.0;
        let due = |(due, _): &(u64, Answer)| *due <= now;
        let Some(at) = self.vault.answers.iter().position(due) else {
            return;
        };
        let fails = self.hit(Fault::VaultFails);
        match self.vault.answers.remove(at).1 {
            Answer::Locked(ticket) => {
                let Some(name) = self.vault.held.get(&ticket).cloned() else {
                    // It was let go of meanwhile.
                    return;
                };
                let found = if fails {
                    self.vault.held.remove(&ticket);
                    Err(format!("{name}: locked by somebody else"))
                } else {
                    Ok(self.vault.records.get(&name).cloned())
                };
                self.handle(Input::RecordLocked { ticket, found });
            }
            Answer::Stored(ticket, bytes) => {
                let Some(name) = self.vault.held.remove(&ticket) else {
                    return self.model.violation(format!("{ticket:?} is not locked"));
                };
                let done = if fails {
                    Err(format!("{name}: no space left"))
                } else {
                    self.vault.records.insert(name, bytes);
                    Ok(())
                };
                self.handle(Input::RecordStored { ticket, done });
            }
            Answer::Stretched(ticket) => {
                let key = [9; 32];
                self.handle(Input::Stretched { ticket, key });
            }
            Answer::Listening => {
                let port = if fails {
                    Err("no port is free".to_owned())
                } else {
                    Ok(40_404)
                };
                self.handle(Input::ListeningLocal { port });
            }
        }
        self.grant_locks();
    }

    /// Whether a thread is done.
    pub(crate) fn vault_due(&self) -> bool {
        let due = self.vault.next_due();
        due.is_some_and(|due| due <= self.now.tick.0)
    }
}

fn token(key: &SigningKey, n: usize) -> String {
    let mut grant = [7; 16];
    grant[..8].copy_from_slice(&n.to_le_bytes());
    let claims = Claims {
        issuer: ISSUER.into(),
        audience: ISSUER.into(),
        grant: GrantId(grant),
        client: Rc::from("sim"),
        scopes: Scopes::All,
        issued: UnixSeconds(0),
        not_before: UnixSeconds(0),
        expires: NEVER,
        id: grant,
    };
    key.sign(&claims).reveal().to_owned()
}
