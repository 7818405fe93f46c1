//! Secrets, sessions, passwords and the loopback port: the part of the loop that passes the core's
//! orders to the two [`Vault`]s and what came of them to the core.

use onemcp::effect::{Effect, RecordTicket};
use onemcp::input::Input;

use crate::shell::disk::reason;
use crate::shell::driven::Core;
use crate::shell::event_loop::{EventLoop, Ready, fixed, fixed_token};
use crate::shell::listener;
use crate::shell::vault::Vault;

/// What names of records in the directory of sessions begin with, for the core.
const SESSIONS: &str = "sessions/";

/// Where the record of an order lies.
fn of<'a>(ticket: RecordTicket, vault: &'a mut Vault, sessions: &'a mut Vault) -> &'a mut Vault {
    match ticket {
        RecordTicket::Server(_) | RecordTicket::Keyring(_) => vault,
        RecordTicket::Sessions(_) => sessions,
    }
}

/// What the directory of sessions tells, by the names that the core knows.
fn named(input: Input<'static>) -> Input<'static> {
    match input {
        Input::Record { name, bytes } => Input::Record {
            name: format!("{SESSIONS}{name}"),
            bytes,
        },
        other => other,
    }
}

impl<C: Core> EventLoop<C> {
    /// Tells the core every record that there is. To be called before the first configuration.
    pub(crate) fn open_vault(&mut self) {
        self.clock.read();
        self.vault.open(self.poll.registry(), self.clock.tick());
        // Nobody comes to where nobody listens: there are no sessions.
        if !self.listeners.is_empty() {
            self.sessions.open(self.poll.registry(), self.clock.tick());
        }
        self.tell_vaults();
        self.obey();
    }

    /// Does an order about secrets.
    pub(super) fn keep(&mut self, effect: Effect) {
        let registry = self.poll.registry();
        match effect {
            Effect::LockRecord { ticket, name } => {
                let vault = of(ticket, &mut self.vault, &mut self.sessions);
                let name = name
                    .strip_prefix(SESSIONS)
                    .map(str::to_owned)
                    .unwrap_or(name);
                vault.lock(registry, ticket, name);
            }
            Effect::StoreRecord { ticket, bytes } => {
                let vault = of(ticket, &mut self.vault, &mut self.sessions);
                vault.store(registry, ticket, bytes);
            }
            Effect::ReleaseRecord { ticket } => {
                let vault = of(ticket, &mut self.vault, &mut self.sessions);
                vault.release(registry, ticket);
            }
            Effect::Stretch {
                ticket,
                password,
                salt,
                rounds,
            } => self.vault.stretch(registry, ticket, password, salt, rounds),
            other => debug_assert!(false, "{other:?} is no order about secrets"),
        }
        self.tell_vaults();
    }

    /// Goes on with what was ordered, and looks at what has changed.
    pub(super) fn act_on_vault(&mut self) {
        let (registry, now) = (self.poll.registry(), self.clock.tick());
        self.vault.act(registry, now);
        self.sessions.act(registry, now);
        self.tell_vaults();
        self.obey();
    }

    /// Tells the core what came of its orders. What it orders then is for the caller to do.
    fn tell_vaults(&mut self) {
        for vault in [&mut self.vault, &mut self.sessions] {
            for (level, line) in vault.notes() {
                self.log.line(level, &line);
            }
        }
        while let Some(input) = self
            .vault
            .next()
            .or_else(|| self.sessions.next().map(named))
        {
            let now = self.clock.now();
            self.core.handle(now, input, &mut self.effects);
        }
    }

    /// Accepts connections on a loopback port.
    pub(super) fn listen_local(&mut self, port: u16) {
        let bound = listener::bind_local(port).and_then(|mut listener| {
            let token = fixed_token(fixed::LOCAL);
            let registered = listener.register(self.poll.registry(), token);
            registered
                .map_err(|error| format!("cannot wait for connections: {}", reason(&error)))?;
            Ok(listener)
        });
        let port = bound.map(|listener| {
            let address = listener.address();
            self.local = Some(listener);
            // Whoever came before we asked for events is waited for no longer.
            self.ready.push_back(Ready::Local);
            address.map_or(0, |address| address.port())
        });
        let now = self.clock.now();
        let input = Input::ListeningLocal { port };
        self.core.handle(now, input, &mut self.effects);
    }
}

/// For tests: where the loopback port is.
#[cfg(test)]
impl<C: Core> EventLoop<C> {
    pub(super) fn local_address(&self) -> Option<std::net::SocketAddr> {
        self.local.as_ref().and_then(listener::Listener::address)
    }
}
