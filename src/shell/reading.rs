//! The first half of a turn: what is ready is read, accepted and reaped, each within its budget,
//! and given to the core at once.

use std::io;

use onemcp::effect::Level;
use onemcp::input::{Input, Port};
use onemcp::limits::{ACCEPTS_PER_TURN_MAX, READ_BYTES_PER_TURN_MAX};
use onemcp::links::LinkKey;

use crate::shell::children::ChildKey;
use crate::shell::driven::Core;
use crate::shell::event_loop::{EventLoop, Ready};
use crate::shell::link::{Link, Reading, Stream, Writing};
use crate::shell::listener::Accepted;
use crate::shell::tls::Got;

impl<C: Core> EventLoop<C> {
    /// Reads what was ready when the turn began; what is put on the queue meanwhile is for the
    /// next turn.
    pub(super) fn read_ready(&mut self) {
        for _ in 0..self.ready.len() {
            match self.ready.pop_front() {
                Some(Ready::Link(key)) => self.read_link(key),
                Some(Ready::Stderr(child)) => self.read_stderr(child),
                Some(ready @ (Ready::Listener(_) | Ready::Local)) => self.accept(ready),
                Some(Ready::Instance) => self.accept_instance(),
                None => return,
            }
        }
    }

    /// Reads a link until it is empty or its budget of this turn is used up.
    fn read_link(&mut self, key: LinkKey) {
        self.read_bytes(key);
        // TLS may have to answer what the core never sees.
        if self.links.get(key).is_some_and(Link::holds) {
            self.writable.push(key);
        }
    }

    fn read_bytes(&mut self, key: LinkKey) {
        let mut budget = READ_BYTES_PER_TURN_MAX;
        while budget > 0 {
            // The core may have closed or paused it while it handled the last bytes.
            let Some(link) = self.links.get_mut(key) else {
                return;
            };
            if link.reading != Reading::Queued {
                return;
            }
            match link.read(self.buffer.get_mut(..budget).unwrap_or_default()) {
                // The reset was told to whoever wrote; only the answer before it was still to come.
                Ok(Got::End)
                    if link.writing == Writing::Refused
                        && matches!(link.stream, Stream::Dialed(_)) =>
                {
                    return self.broken.push(key);
                }
                Ok(Got::End) => {
                    link.reading = Reading::Ended;
                    return self.dispatch(Input::Eof { link: key });
                }
                Ok(Got::Overhead) => break,
                Ok(Got::Bytes(n)) => {
                    if n < budget && link.short_read_empties() {
                        link.reading = Reading::Waiting;
                    }
                    budget -= n;
                    let bytes = self.buffer.get(..n).unwrap_or_default();
                    let now = self.clock.now();
                    let input = Input::Bytes { link: key, bytes };
                    self.core.handle(now, input, &mut self.effects);
                    self.obey();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    link.reading = Reading::Waiting;
                    if link.writing == Writing::Refused {
                        self.broken.push(key);
                    }
                    return;
                }
                Err(_) => return self.broken.push(key),
            }
        }
        self.ready.push_back(Ready::Link(key));
    }

    /// Reads a child's stderr within the same budget.
    fn read_stderr(&mut self, child: ChildKey) {
        let mut budget = READ_BYTES_PER_TURN_MAX;
        while budget > 0 {
            let into = self.buffer.get_mut(..budget).unwrap_or_default();
            let Some((pool, n)) = self.children.read_stderr(child, into) else {
                return;
            };
            budget -= n;
            let bytes = self.buffer.get(..n).unwrap_or_default();
            let now = self.clock.now();
            let input = Input::Stderr { pool, bytes };
            self.core.handle(now, input, &mut self.effects);
            self.obey();
        }
        self.ready.push_back(Ready::Stderr(child));
    }

    /// Accepts until nobody waits, or the budget is used up.
    pub(super) fn accept(&mut self, ready: Ready) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let listener = match ready {
                Ready::Listener(index) => self.listeners.get(index),
                Ready::Local => self.local.as_ref(),
                Ready::Link(_) | Ready::Stderr(_) | Ready::Instance => None,
            };
            let Some(listener) = listener else {
                return;
            };
            match listener.accept(&mut self.reserve) {
                Accepted::Connection(socket, peer) => {
                    let link = self.open_link(Stream::Socket(socket));
                    let port = match ready {
                        Ready::Local => Port::Browsers,
                        _ => Port::Clients,
                    };
                    self.dispatch(Input::Accepted { link, peer, port });
                }
                Accepted::Nothing => return,
                Accepted::Lost => {}
                Accepted::Dropped => self.say_dropped(),
                Accepted::Stuck => {
                    self.say_dropped();
                    return self.stuck.put(ready, self.clock.tick());
                }
            }
        }
        self.ready.push_back(ready);
    }

    /// Accepts on this instance's own socket: a few at a time, since nobody but `mcp status` comes.
    fn accept_instance(&mut self) {
        while let Some(socket) = &self.instance {
            match socket.accept() {
                Ok(Some(stream)) => {
                    let link = self.open_link(Stream::Local(stream));
                    self.dispatch(Input::Instance { link });
                }
                Ok(None) => return,
                // It waits until a descriptor is free.
                Err(_) => return self.stuck.put(Ready::Instance, self.clock.tick()),
            }
        }
    }

    fn say_dropped(&mut self) {
        if self.reserve.is_news(self.clock.tick()) {
            let line = "connections are dropped: no file descriptor is left (see ulimit -n)";
            self.log.line(Level::Error, line);
        }
    }

    /// Reaps the children that ended. What they wrote to stderr before is read first, since it
    /// says why.
    pub(super) fn reap(&mut self) {
        for ended in self.children.reap() {
            self.read_stderr(ended.child);
            if let Some(pool) = ended.pool {
                let status = ended.status;
                self.dispatch(Input::Exited { pool, status });
            }
            self.children.settle(ended.child);
        }
    }
}
