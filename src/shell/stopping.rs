//! What signals ask for, and how we stop listening. What becomes of clients and children then is
//! the core's business.

use onemcp::effect::Level;
use onemcp::input::Input;

use crate::shell::driven::Core;
use crate::shell::event_loop::{EventLoop, Ready};
use crate::shell::notify::State;
use crate::shell::signals::{Request, Signals};

impl<C: Core> EventLoop<C> {
    pub(super) fn act_on_signals(&mut self) {
        let requests = self.signals.as_mut().map(Signals::take).unwrap_or_default();
        for request in requests {
            match request {
                Request::Stop => self.told_to_stop(),
                Request::Reload => {
                    self.log.reopen();
                    self.vault.look_again();
                    self.sessions.look_again();
                    self.reload();
                }
                Request::Reap => self.reap(),
            }
        }
    }

    /// The first time clients get their answers, the second time we wait for them no more, and
    /// then no more for anything.
    fn told_to_stop(&mut self) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.log.line(Level::Info, "stopping");
            self.notify.say(State::Stopping);
            self.stop_listening();
            self.dispatch(Input::Stop);
        } else if self.core.is_draining() {
            self.log.line(Level::Info, "stopping without waiting");
            self.dispatch(Input::Stop);
        } else {
            self.exit = Some(1);
        }
    }

    /// Another process can have our ports from now on. Who has connected to a port that ends with
    /// us is still taken; who waits at a socket that was passed to us is for the next process.
    fn stop_listening(&mut self) {
        for index in 0..self.listeners.len() {
            if self
                .listeners
                .get(index)
                .is_some_and(|one| !one.is_passed())
            {
                self.accept(Ready::Listener(index));
            }
        }
        for mut listener in self.listeners.drain(..) {
            // A socket that others hold too would go on giving us events.
            let _refused = listener.deregister(self.poll.registry());
        }
    }
}
