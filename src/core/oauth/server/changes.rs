//! Changes of the record. Each goes the same way: lock the file, read what stands there now, change
//! that, write it, and only then answer. What waits for the same lock shares one round, and if the
//! disk refuses, nothing of the round has happened.
//!
//! ```text
//! Idle -> Locking -> Storing -> Idle        (a round without a change is over before Storing)
//! ```

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;

use super::codes::{CodeKey, Consent};
use super::record::{Applicant, Record, last_token};
use super::{RECORD, Server, errors};
use crate::cx::Cx;
use crate::effect::{Effect, Level, RecordTicket};
use crate::limits::CHANGES_MAX;
use crate::links::LinkKey;
use crate::oauth::Step;
use crate::principal::{GrantId, Scopes};
use crate::web::answer::Answer;

/// One change, and who waits for it.
#[derive(Debug)]
pub(super) enum Change {
    /// Draw keys, forget what is over.
    Tidy,
    /// A client registers itself.
    Register {
        link: LinkKey,
        from: IpAddr,
        applicant: Applicant,
        echo: Box<super::register::Echo>,
    },
    /// A code becomes a grant.
    Redeem {
        link: LinkKey,
        code: CodeKey,
        grant: GrantId,
        consent: Box<Consent>,
    },
    /// A refresh token is exchanged.
    Refresh {
        link: LinkKey,
        client: String,
        token: String,
        scopes: Option<Scopes>,
    },
    /// A grant is revoked by its client.
    Revoke {
        link: LinkKey,
        client: String,
        grant: GrantId,
    },
}

impl Change {
    const fn link(&self) -> Option<LinkKey> {
        match self {
            Self::Tidy => None,
            Self::Register { link, .. }
            | Self::Redeem { link, .. }
            | Self::Refresh { link, .. }
            | Self::Revoke { link, .. } => Some(*link),
        }
    }
}

/// What a change did to the record in hand.
#[derive(Debug)]
pub(super) struct Done {
    /// Who waits.
    pub(super) link: Option<LinkKey>,
    /// What it is told once the record is stored.
    pub(super) answer: Option<Answer>,
    /// Whether anything is different now.
    pub(super) changed: bool,
    /// A code that is good again if the record is not stored.
    pub(super) code: Option<CodeKey>,
    /// What the log says once the record is stored.
    pub(super) log: Option<(Level, String)>,
}

#[derive(Debug, Default)]
enum Round {
    #[default]
    Idle,
    /// The lock was ordered.
    Locking(u32),
    /// The record is being written.
    Storing {
        number: u32,
        record: Box<Record>,
        done: Vec<Done>,
        /// What was doomed and is revoked in this record.
        doomed: Vec<GrantId>,
    },
}

/// The queue and the round.
#[derive(Debug, Default)]
pub(super) struct Changes {
    waiting: VecDeque<Change>,
    round: Round,
    /// Rounds until now.
    count: u32,
}

impl Changes {
    /// Whether a round is under way whose end will be the record.
    pub(super) const fn is_storing(&self) -> bool {
        matches!(self.round, Round::Storing { .. })
    }

    fn begin(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.round, Round::Idle) && !self.waiting.is_empty() {
            self.count = self.count.wrapping_add(1);
            self.round = Round::Locking(self.count);
            cx.effects.push(Effect::LockRecord {
                ticket: RecordTicket::Server(self.count),
                name: RECORD.to_owned(),
            });
        }
    }
}

impl Server {
    /// Orders a change; its answer comes later.
    pub(super) fn change(&mut self, cx: &mut Cx<'_>, change: Change) -> Step {
        if self.changes.waiting.len() >= CHANGES_MAX {
            if let Change::Redeem { code, .. } = &change {
                self.codes.restore(code);
            }
            return Step::Answer(errors::busy());
        }
        self.changes.waiting.push_back(change);
        self.changes.begin(cx);
        Step::Later
    }

    /// Draws keys and forgets what is over, unless that is about to be done anyway.
    pub(super) fn tidy(&mut self, cx: &mut Cx<'_>) {
        if self.changes.waiting.is_empty() {
            self.change(cx, Change::Tidy);
        }
    }

    /// `Input::RecordLocked`.
    pub fn locked(&mut self, cx: &mut Cx<'_>, number: u32, found: Result<Option<Vec<u8>>, String>) {
        if !matches!(self.changes.round, Round::Locking(own) if own == number) {
            // An order of ours that nobody remembers: let go of it.
            self.release(cx, number);
            return;
        }
        self.changes.round = Round::Idle;
        let waiting = std::mem::take(&mut self.changes.waiting);
        let read = found.and_then(|bytes| {
            Record::read(bytes.as_deref()).map_err(|why| {
                self.release(cx, number);
                format!("{RECORD}: {why}")
            })
        });
        match read {
            Err(why) => {
                cx.log(Level::Error, || format!("auth: {why}"));
                let done = waiting.into_iter().map(|change| self.undone(&change));
                let done = done.collect();
                self.fail(done);
            }
            Ok(record) => self.apply_all(cx, number, record, waiting),
        }
        self.after(cx);
    }

    fn apply_all(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        mut record: Record,
        waiting: VecDeque<Change>,
    ) {
        let before = record.clone();
        record.forget_expired(cx.now.wall);
        record.draw_keys(cx.now.wall, cx.entropy);
        let mut done: Vec<Done> = waiting
            .into_iter()
            .map(|change| self.apply(cx, &mut record, change))
            .collect();
        // After the changes: the grant itself may be among them.
        let doomed: Vec<GrantId> = self.doomed.keys().copied().collect();
        for grant in &doomed {
            done.push(Self::apply_revoke(cx, &mut record, None, None, *grant));
        }
        // A revocation may have thrown the keys away.
        record.draw_keys(cx.now.wall, cx.entropy);
        if record == before {
            self.release(cx, number);
            self.record = record;
            self.finish(cx, done, &doomed);
            return;
        }
        cx.effects.push(Effect::StoreRecord {
            ticket: RecordTicket::Server(number),
            bytes: record.write(),
        });
        self.changes.round = Round::Storing {
            number,
            record: Box::new(record),
            done,
            doomed,
        };
    }

    /// Ends a grant whose code came twice: nobody comes in with it from this moment, and the
    /// record is changed as soon as the disk allows. Until then it is tried again: with every other
    /// change, whenever somebody else writes the record, and now and then.
    pub(super) fn doom(&mut self, cx: &mut Cx<'_>, grant: GrantId) {
        self.doomed.insert(grant, last_token(cx.now.wall));
        self.announce();
        self.tidy(cx);
        self.set_alarm(cx);
    }

    fn apply(&mut self, cx: &mut Cx<'_>, record: &mut Record, change: Change) -> Done {
        match change {
            Change::Tidy => Done {
                link: None,
                answer: None,
                changed: false,
                code: None,
                log: None,
            },
            Change::Register {
                link,
                from,
                applicant,
                echo,
            } => self.apply_register(cx, record, (link, from), &applicant, &echo),
            Change::Redeem {
                link,
                code,
                grant,
                consent,
            } => self.apply_redeem(cx, record, (link, code), grant, *consent),
            Change::Refresh {
                link,
                client,
                token,
                scopes,
            } => self.apply_refresh(cx, record, link, (&client, &token), scopes.as_ref()),
            Change::Revoke {
                link,
                client,
                grant,
            } => Self::apply_revoke(cx, record, Some(link), Some(&client), grant),
        }
    }

    /// `Input::RecordStored`.
    pub fn stored(&mut self, cx: &mut Cx<'_>, number: u32, stored: Result<(), String>) {
        let round = std::mem::take(&mut self.changes.round);
        let (record, done, doomed) = match round {
            Round::Storing {
                number: own,
                record,
                done,
                doomed,
            } if own == number => (record, done, doomed),
            other => {
                self.changes.round = other;
                return;
            }
        };
        match stored {
            Ok(()) => {
                self.record = *record;
                self.finish(cx, done, &doomed);
            }
            Err(why) => {
                cx.log(Level::Error, || format!("auth: {why}"));
                self.fail(done);
            }
        }
        self.after(cx);
    }

    fn finish(&mut self, cx: &mut Cx<'_>, done: Vec<Done>, revoked: &[GrantId]) {
        for grant in revoked {
            self.doomed.remove(grant);
        }
        for Done {
            link, answer, log, ..
        } in done
        {
            if let Some((level, line)) = log {
                cx.log(level, || line);
            }
            if let (Some(link), Some(answer)) = (link, answer) {
                self.answer(link, answer);
            }
        }
    }

    /// The record is what it was: nothing that depends on a change has happened.
    fn fail(&mut self, done: Vec<Done>) {
        for done in done {
            if let Some(code) = done.code {
                self.codes.restore(&code);
            }
            let answer = if done.changed {
                Some(errors::disk())
            } else {
                done.answer
            };
            if let (Some(link), Some(answer)) = (done.link, answer) {
                self.answer(link, answer);
            }
        }
    }

    fn undone(&self, change: &Change) -> Done {
        let code = match change {
            Change::Redeem { code, .. } => Some(*code),
            _ => None,
        };
        Done {
            link: change.link(),
            answer: None,
            changed: true,
            code,
            log: None,
        }
    }

    fn release(&self, cx: &mut Cx<'_>, number: u32) {
        cx.effects.push(Effect::ReleaseRecord {
            ticket: RecordTicket::Server(number),
        });
    }

    fn after(&mut self, cx: &mut Cx<'_>) {
        self.announce();
        self.changes.begin(cx);
        self.set_alarm(cx);
    }
}

/// A refusal that changes nothing.
pub(super) fn refused(link: LinkKey, answer: Answer) -> Done {
    Done {
        link: Some(link),
        answer: Some(answer),
        changed: false,
        code: None,
        log: None,
    }
}

/// The name of a client for a log line.
pub(super) fn logged(client: &Rc<str>, name: &str) -> String {
    format!("client={client} name={name:?}")
}
