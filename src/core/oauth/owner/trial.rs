//! Passwords that are being tried: one is stretched, a few wait for their turn or for the end of
//! their delay.

use std::collections::VecDeque;

use crate::base::secret::Secret;
use crate::cx::{Alarm, Cx};
use crate::effect::Effect;
use crate::limits::{LOGIN_QUEUE_KNOWN_MAX, LOGIN_QUEUE_MAX};
use crate::links::LinkKey;
use crate::now::Tick;
use crate::oauth::owner::throttle::Origin;
use crate::oauth::server::record::Password;

/// One try.
#[derive(Debug)]
pub(super) struct Trial {
    /// Who is answered.
    pub(super) link: LinkKey,
    /// Whose tries are counted.
    pub(super) origin: Origin,
    /// Where it came from, for the log.
    pub(super) address: std::net::IpAddr,
    /// Not to be judged before.
    pub(super) due: Tick,
    pub(super) password: Secret,
    /// The browser that it came from.
    pub(super) browser: [u8; 32],
    /// The hidden field of that browser's forms.
    pub(super) csrf: String,
    /// What its cookies are called: that of the login, that by which it is known later.
    pub(super) cookie_names: [String; 2],
    /// Where it goes afterwards.
    pub(super) next: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Trials {
    waiting: VecDeque<Trial>,
    running: Option<Running>,
    /// Orders so far.
    ticket: u64,
}

#[derive(Debug)]
struct Running {
    ticket: u64,
    trial: Trial,
    /// What it is compared with.
    with: Password,
}

impl Trials {
    /// Whether there is no room for one more; browsers that have logged in before have some more.
    pub(super) fn is_full(&self, origin: &Origin) -> bool {
        let more = match origin {
            Origin::Known(_) => LOGIN_QUEUE_KNOWN_MAX,
            Origin::Address(_) => 0,
        };
        self.waiting.len() >= LOGIN_QUEUE_MAX + more
    }

    /// One more waits.
    pub(super) fn push(&mut self, trial: Trial) {
        self.waiting.push_back(trial);
    }

    /// One has to be tried once more; it waited long enough.
    pub(super) fn again(&mut self, trial: Trial) {
        self.waiting.push_front(trial);
    }

    /// Orders the next one whose delay is over, if none is under way.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, with: Option<&Password>) {
        let Some(with) = with.filter(|_| self.running.is_none()) else {
            return;
        };
        let waiting = self.waiting.iter().enumerate();
        let next = waiting.min_by_key(|(_, trial)| trial.due);
        let Some((index, due)) = next.map(|(index, trial)| (index, trial.due)) else {
            return;
        };
        if due > cx.now.tick {
            cx.timers.set(Alarm::Login, due);
            return;
        }
        let Some(trial) = self.waiting.remove(index) else {
            return;
        };
        self.ticket += 1;
        cx.effects.push(Effect::Stretch {
            ticket: self.ticket,
            password: trial.password.clone(),
            salt: with.salt,
            rounds: with.rounds,
        });
        self.running = Some(Running {
            ticket: self.ticket,
            trial,
            with: with.clone(),
        });
    }

    /// The one that was ordered with this ticket is stretched.
    pub(super) fn done(&mut self, ticket: u64) -> Option<(Trial, Password)> {
        let running = self.running.take_if(|running| running.ticket == ticket)?;
        Some((running.trial, running.with))
    }

    /// One that will never be tried.
    pub(super) fn give_up(&mut self) -> Option<Trial> {
        self.waiting.pop_front()
    }
}
