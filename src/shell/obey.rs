//! Does what the core orders, one order after the other: the part of the loop that turns
//! [`Effect`]s into system calls, or into the calls of those who make them.

use onemcp::effect::Effect;
use onemcp::input::Input;
use onemcp::links::LinkKey;

use crate::shell::driven::Core;
use crate::shell::event_loop::{EventLoop, Ready};
use crate::shell::link::Reading;
use crate::shell::process;

impl<C: Core> EventLoop<C> {
    /// Does what the core ordered, until nothing is left.
    pub(super) fn obey(&mut self) {
        while let Some(effect) = self.effects.pop() {
            match effect {
                Effect::Spawn { pool, spec } => self.spawns.push_back((pool, spec)),
                Effect::Signal { pool, signal } => self.children.signal(pool, signal),
                Effect::Open { dial, spec } => self.dial(dial, spec),
                Effect::GiveUpOpen { dial } => self.dials.give_up(dial),
                Effect::Close { link } => {
                    self.close_link(link);
                }
                Effect::PauseRead { link, paused } => self.pause(link, paused),
                Effect::LoadState { name } => {
                    let bytes = self.state.load(&name);
                    let now = self.clock.now();
                    let answer = Input::StateLoaded { name, bytes };
                    self.core.handle(now, answer, &mut self.effects);
                }
                Effect::StoreState { name, bytes } => {
                    self.state.store(name, bytes);
                    self.state_asked = true;
                }
                Effect::LockRecord { .. }
                | Effect::StoreRecord { .. }
                | Effect::ReleaseRecord { .. }
                | Effect::Stretch { .. } => self.keep(effect),
                Effect::ListenLocal { port } => self.listen_local(port),
                Effect::UnlistenLocal => self.local = None,
                Effect::Measure { link } => {
                    let process =
                        process::measure(self.clock.started_unix_ms(), self.log.dropped_ever());
                    let now = self.clock.now();
                    let answer = Input::Measured { link, process };
                    self.core.handle(now, answer, &mut self.effects);
                }
                Effect::Log { level, line } => self.log.line(level, &line),
                Effect::Exit { code } => self.exit = Some(code),
            }
        }
    }

    fn pause(&mut self, key: LinkKey, paused: bool) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        match (link.reading, paused) {
            (Reading::Waiting, true) => link.reading = Reading::Paused(false),
            (Reading::Queued, true) => link.reading = Reading::Paused(true),
            (Reading::Paused(false), false) => link.reading = Reading::Waiting,
            (Reading::Paused(true), false) => {
                link.reading = Reading::Queued;
                self.ready.push_back(Ready::Link(key));
            }
            (Reading::Paused(_) | Reading::Ended, true)
            | (Reading::Waiting | Reading::Queued | Reading::Ended, false) => {}
        }
    }
}
