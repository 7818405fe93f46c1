//! What every machine of the core may use while it handles an input.

use crate::base::timers::Timers;
use crate::effect::{Effect, Effects, Level};
use crate::entropy::Entropy;
use crate::language::{ClientKey, PoolKey};
use crate::links::{LinkKey, Links};
use crate::now::Now;
use crate::tally::{Account, End, Tally};

/// Whose alarm rings. One alarm per owner; an owner with several reasons sets the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// `client`: head, body, idle and linger timeouts of one HTTP connection.
    Http(LinkKey),
    /// `client`: held answers that become event streams, `--stream-max`.
    Holds,
    /// `client`: keep-alive comments of all streams, a slice at a time.
    KeepAlive,
    /// `client`: idle sessions, replay buffers.
    Session(ClientKey),
    /// `client`: tokens that end with nothing newer seen.
    Door,
    /// `client`: the record of sessions says that we are alive; clients that wait for it.
    Sessions,
    /// `instance`: one connection that says nothing, or does not read.
    Instance(LinkKey),
    /// `backend`: handshake, backoff and stop stages of one backend session.
    Pool(PoolKey),
    /// `fetch`: deadlines of exchanges and connections of our own.
    Fetch,
    /// `route`: deadlines of calls.
    Calls,
    /// `route`: lists and `initialize` answers that wait for starting servers.
    Waiting,
    /// `route`: list changes that are told as one.
    Changed,
    /// `route`: questions held until they can be attributed (protocol S3).
    Asks,
    /// `route`: calls whose clients are asked in the answers to them (protocol 3.5).
    Suspended,
    /// `route`: tasks that are forgotten.
    Tasks,
    /// `oauth::server`: codes, registrations and throttles that run out.
    AuthServer,
    /// `oauth::owner`: passwords whose delay ends.
    Login,
    /// `oauth::client`: tokens to be refreshed, flows that nobody finishes.
    Keyring,
    /// `hub`: the grace time of a stop.
    Exit,
}

/// The hands of a machine: the moment, the outboxes, the alarms, the orders, the randomness.
pub struct Cx<'a> {
    /// The moment of this input.
    pub now: Now,
    /// Lines above this level are not even formatted.
    pub log_level: Level,
    /// Outboxes.
    pub links: &'a mut Links,
    /// Alarms.
    pub timers: &'a mut Timers<Alarm>,
    /// Orders to the shell.
    pub effects: &'a mut Effects,
    /// Random bytes.
    pub entropy: &'a mut Entropy,
    /// Counters.
    pub tally: &'a mut Tally,
}

impl Cx<'_> {
    /// Logs one line, formatted only if the level is wanted.
    pub fn log(&mut self, level: Level, line: impl FnOnce() -> String) {
        if level <= self.log_level {
            self.effects.push(Effect::Log {
                level,
                line: line(),
            });
        }
    }

    /// A request of a client has ended: it is counted, and one line about it is logged. `sent`
    /// tells how many bytes its answer has.
    pub fn settle(&mut self, account: Account, end: End, sent: impl FnOnce() -> usize) {
        let line = self.tally.end(self.now.tick, account, end);
        if Level::Debug <= self.log_level {
            let line = line.text(sent());
            self.effects.push(Effect::Log {
                level: Level::Debug,
                line,
            });
        }
    }

    /// Closes a link at once: what is unsent is lost.
    pub fn close(&mut self, link: LinkKey) {
        if self.links.owner(link).is_some() {
            self.links.forget(link);
            self.effects.push(Effect::Close { link });
        }
    }
}
