//! Passwords that are being tried: one is stretched, a few wait for their turn.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::base::secret::Secret;
use crate::cx::Cx;
use crate::effect::Effect;
use crate::limits::LOGIN_QUEUE_MAX;
use crate::links::LinkKey;
use crate::oauth::server::record::Password;

/// One try.
#[derive(Debug)]
pub(super) struct Trial {
    /// Who is answered.
    pub(super) link: LinkKey,
    /// Whose tries are counted.
    pub(super) address: IpAddr,
    pub(super) password: Secret,
    /// The browser that it came from.
    pub(super) browser: [u8; 32],
    /// The hidden field of that browser's forms.
    pub(super) csrf: String,
    /// What its cookie is called.
    pub(super) cookie_name: String,
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
    /// Whether there is no room for one more.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= LOGIN_QUEUE_MAX
    }

    /// One more waits.
    pub(super) fn push(&mut self, trial: Trial) {
        self.waiting.push_back(trial);
    }

    /// One has to be tried once more; it waited long enough.
    pub(super) fn again(&mut self, trial: Trial) {
        self.waiting.push_front(trial);
    }

    /// Orders the next one, if none is under way.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, with: Option<&Password>) {
        let Some(with) = with.filter(|_| self.running.is_none()) else {
            return;
        };
        let Some(trial) = self.waiting.pop_front() else {
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
