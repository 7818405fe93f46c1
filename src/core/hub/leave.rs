//! When to leave the process: told to stop, or the one client of a stdio gateway is gone. First
//! what was asked is answered, then children are ended, then we go.

use crate::base::mark::Mark;
use crate::client::Awaited;
use crate::cx::{Alarm, Cx};
use crate::effect::{Effect, Effects};
use crate::hub::Hub;
use crate::limits::{
    EXIT_ANSWER_MS, EXIT_FLUSH_MS, EXIT_KILL_AFTER_MS, EXIT_TERM_AFTER_MS, STOP_ANSWER_MS,
};
use crate::links::Owner;
use crate::now::{Now, Tick};
use crate::route::Desk;

/// How far the way out is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Not at all.
    No,
    /// Our input has ended: requests that were read before are still answered until then.
    Answering {
        /// Then children are ended.
        until: Tick,
    },
    /// Told to stop while we serve HTTP: requests that were read are still answered.
    Draining {
        /// Then they fail, and children are ended.
        until: Tick,
    },
    /// Children are being ended.
    Stopping {
        /// Then we go, whatever is left.
        until: Tick,
    },
    /// `Effect::Exit` was given.
    Gone,
}

impl Hub {
    /// The client's end of our stdin is closed. A file, or input that ended before the client said
    /// `initialized`, is a script: its answers are worth a longer wait than a person who has left.
    pub(super) fn input_ended(&mut self, now: Now, out: &mut Effects) {
        if self.leaving != Leaving::No {
            return;
        }
        let script = self.settings.stdin_is_file || !self.hall.spoken_to(&self.clients);
        let wait_ms = if script {
            self.settings.list_wait_ms
        } else {
            EXIT_ANSWER_MS
        };
        let until = now.tick.after(wait_ms);
        self.leaving = Leaving::Answering { until };
        let mut cx = cx!(self, now, out);
        cx.timers.set(Alarm::Exit, until);
        self.hall.last_requests(desk!(self, cx));
    }

    /// SIGTERM or SIGINT. Over HTTP there are clients who did not ask for it: what they wait for
    /// is answered first. A second one skips that.
    pub(super) fn told_to_stop(&mut self, now: Now, out: &mut Effects) {
        match self.leaving {
            Leaving::No if !self.settings.stdio => {
                let until = now.tick.after(STOP_ANSWER_MS);
                self.leaving = Leaving::Draining { until };
                self.clients.drain(&mut cx!(self, now, out));
            }
            Leaving::Draining { .. } => {
                Mark::StopHurried.hit();
                self.stop(now, out);
            }
            Leaving::No | Leaving::Answering { .. } => self.stop(now, out),
            Leaving::Stopping { .. } if self.is_done() => self.exit(out),
            Leaving::Stopping { .. } | Leaving::Gone => {}
        }
    }

    /// Whether we were told to stop and wait for clients: told again, we wait no more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        match self.leaving {
            Leaving::Draining { .. } => true,
            Leaving::Stopping { .. } => self.is_done(),
            Leaving::No | Leaving::Answering { .. } | Leaving::Gone => false,
        }
    }

    /// Whether nothing is left to be done but to let clients read it.
    fn is_done(&self) -> bool {
        self.backends.is_empty() && self.unsent_to_clients() == 0 && !self.clients.is_saving()
    }

    /// Whether nobody shall be sent to us any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving != Leaving::No
    }

    /// Ends everything now.
    pub(super) fn stop(&mut self, now: Now, out: &mut Effects) {
        if matches!(self.leaving, Leaving::Stopping { .. } | Leaving::Gone) {
            return;
        }
        let until = now
            .tick
            .after(EXIT_TERM_AFTER_MS + EXIT_KILL_AFTER_MS + EXIT_FLUSH_MS);
        self.leaving = Leaving::Stopping { until };
        let mut cx = cx!(self, now, out);
        cx.timers.set(Alarm::Exit, until);
        self.hall.shut(desk!(self, cx));
        self.clients.stop(&mut cx);
        self.instances.stop(&mut cx);
        self.backends.stop_all(&mut cx);
    }

    /// The time of a stage is over.
    pub(super) fn exit_alarm(&mut self, now: Now, out: &mut Effects) {
        match self.leaving {
            Leaving::Answering { .. } => {
                Mark::LeavesWithoutAnswers.hit();
                self.stop(now, out);
            }
            Leaving::Draining { until } if until <= now.tick => {
                Mark::DrainsWithoutAnswers.hit();
                self.stop(now, out);
            }
            // Whoever was here a moment ago has not come back.
            Leaving::Draining { .. } => self.leave_if_done(now, out),
            Leaving::Stopping { until } if until <= now.tick => {
                Mark::LeavesByForce.hit();
                self.exit(out);
            }
            // Not every client has closed in time.
            Leaving::Stopping { until } => {
                self.timers.set(Alarm::Exit, until);
                self.leave_if_done(now, out);
            }
            Leaving::No | Leaving::Gone => {}
        }
    }

    /// Goes on to the next stage as soon as nothing holds the present one.
    pub(super) fn leave_if_done(&mut self, now: Now, out: &mut Effects) {
        if matches!(self.leaving, Leaving::Answering { .. }) && !self.hall.busy() {
            Mark::LeavesAfterAnswers.hit();
            self.stop(now, out);
        }
        if let Leaving::Draining { until } = self.leaving {
            self.stop_if_drained(now, out, until);
        }
        if let Leaving::Stopping { until } = self.leaving
            && self.is_done()
        {
            match self.clients.parting(now.tick) {
                Some(parted) => self.timers.set(Alarm::Exit, parted.min(until)),
                None => self.exit(out),
            }
        }
    }

    fn stop_if_drained(&mut self, now: Now, out: &mut Effects, until: Tick) {
        let mut cx = cx!(self, now, out);
        let at = match self.clients.awaited(&mut cx) {
            Awaited::Requests { until: last } => last.min(until),
            Awaited::Nobody if self.unsent_to_clients() == 0 => {
                Mark::DrainsWithAnswers.hit();
                return self.stop(now, out);
            }
            Awaited::Answers | Awaited::Nobody => until,
        };
        self.timers.set(Alarm::Exit, at);
    }

    fn unsent_to_clients(&self) -> usize {
        let clients = |owner| matches!(owner, Owner::Http | Owner::Stdio);
        self.links.unsent_of(clients)
    }

    fn exit(&mut self, out: &mut Effects) {
        self.leaving = Leaving::Gone;
        self.timers.clear(Alarm::Exit);
        out.push(Effect::Exit { code: 0 });
    }
}
