//! What the fuzz target's shell keeps: the state directory, the directory of secrets; the hashing
//! thread and the loopback port. All answered at once, and badly if the input says so.

use crate::effect::Effect;
use crate::hub::fuzzing::world::World;
use crate::input::Input;

impl World {
    /// Reads a record of the state directory.
    pub(super) fn load(&mut self, name: String) {
        let bytes = match self.damage % 4 {
            0 | 1 => self.store.get(&name).cloned(),
            2 => Some(b"{\"format\":1,\"version\":\"2025-06-18\"".to_vec()),
            _ => self.store.get(&name).map(|bytes| {
                let end = bytes.len() / (1 + usize::from(self.damage / 4));
                bytes.get(..end).unwrap_or_default().to_vec()
            }),
        };
        self.follow(Input::StateLoaded { name, bytes });
    }

    /// Does an order about secrets.
    pub(super) fn keep(&mut self, effect: Effect) {
        let fails = self.damage % 4 == 3;
        match effect {
            Effect::LockRecord { ticket, name } => {
                let found = if fails {
                    Err(format!("{name}: locked by somebody else"))
                } else {
                    let bytes = self.store.get(&name).cloned();
                    self.locks.insert(ticket, name);
                    Ok(bytes)
                };
                self.follow(Input::RecordLocked { ticket, found });
            }
            Effect::StoreRecord { ticket, bytes } => {
                let name = self.locks.remove(&ticket);
                assert!(name.is_some(), "{ticket:?} is not locked");
                let done = if self.damage % 4 == 2 {
                    Err("no space left".to_owned())
                } else {
                    self.store.extend(name.map(|name| (name, bytes)));
                    Ok(())
                };
                self.follow(Input::RecordStored { ticket, done });
            }
            Effect::ReleaseRecord { ticket } => drop(self.locks.remove(&ticket)),
            Effect::Stretch { ticket, .. } => {
                let key = [self.damage; 32];
                self.follow(Input::Stretched { ticket, key });
            }
            Effect::ListenLocal { .. } => {
                let port = if fails {
                    Err("no port is free".to_owned())
                } else {
                    Ok(40_404)
                };
                self.follow(Input::ListeningLocal { port });
            }
            _listens_no_more => {}
        }
    }
}
