//! The directory of secrets, the hashing thread and the loopback port of the scripted shell: every
//! lock is granted at once, every write succeeds.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use onemcp::effect::{Effect, RecordTicket};
use onemcp::input::Input;
use ring::pbkdf2;

use crate::world::World;

#[derive(Default)]
pub(crate) struct Vault {
    pub(crate) records: BTreeMap<String, Vec<u8>>,
    locks: BTreeMap<RecordTicket, String>,
    /// Whether a loopback port is open.
    pub(crate) listens: bool,
}

/// The port that is always free.
pub(crate) const LOCAL_PORT: u16 = 40_404;

impl World {
    /// Does an order about secrets.
    pub(crate) fn keep(&mut self, effect: Effect) {
        match effect {
            Effect::LockRecord { ticket, name } => {
                let bytes = self.vault.records.get(&name).cloned();
                self.vault.locks.insert(ticket, name);
                self.feed_input(Input::RecordLocked {
                    ticket,
                    found: Ok(bytes),
                });
            }
            Effect::StoreRecord { ticket, bytes } => {
                let name = self.vault.locks.remove(&ticket).expect("locked before");
                self.vault.records.insert(name, bytes);
                self.feed_input(Input::RecordStored {
                    ticket,
                    done: Ok(()),
                });
            }
            Effect::ReleaseRecord { ticket } => {
                self.vault.locks.remove(&ticket);
            }
            Effect::Stretch {
                ticket,
                password,
                salt,
                rounds,
            } => {
                // Once is enough for a test; what the real number is, is the shell's affair.
                let once = NonZeroU32::MIN.min(rounds);
                let mut key = [0; 32];
                let text = password.reveal().as_bytes();
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, once, &salt, text, &mut key);
                self.feed_input(Input::Stretched { ticket, key });
            }
            Effect::ListenLocal { .. } => {
                self.vault.listens = true;
                self.feed_input(Input::ListeningLocal {
                    port: Ok(LOCAL_PORT),
                });
            }
            Effect::UnlistenLocal => self.vault.listens = false,
            other => unreachable!("{other:?} is no order about secrets"),
        }
    }
}
