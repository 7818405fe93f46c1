//! How a call that goes in rounds ends before its server has answered: its client hung up or never
//! came back, or we leave. The server hears it, and its session is free for others.

use crate::base::mark::Mark;
use crate::cx::Alarm;
use crate::language::ClientKey;
use crate::route::asks::Want;
use crate::route::calls::Caller;
use crate::route::errors::INTERNAL;
use crate::route::rounds::resume::send_result;
use crate::route::rounds::{RoundsKey, Stage, Table};
use crate::route::{Desk, Hall};

impl Hall {
    /// A client was answered or hung up. `true` if it is to be remembered: its call waits for the
    /// next round.
    pub(crate) fn left_rounds(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: RoundsKey,
        client: ClientKey,
    ) -> bool {
        let Some(rounds) = self.rounds.get_mut(key) else {
            return false;
        };
        let waits = rounds.waiter.client == client;
        match rounds.stage {
            Stage::Away { .. } => return waits,
            Stage::Over { .. } => {}
            Stage::Running | Stage::Gathering { .. } if !waits => {
                rounds.others.retain(|other| other.client != client);
            }
            Stage::Running | Stage::Gathering { .. } => match rounds.others.pop() {
                Some(other) => {
                    Mark::RoundHandedOver.hit();
                    let to = Caller {
                        client: other.client,
                        at: other.at,
                        id: other.id,
                        token: None,
                        progress: f64::NEG_INFINITY,
                    };
                    self.hand_over(desk, key, to);
                    return true;
                }
                None => {
                    Mark::RoundLeft.hit();
                    self.drop_questions(desk, key);
                    self.rounds.remove(key);
                    self.wake_for_rounds(desk);
                }
            },
        }
        false
    }

    /// A client did not come back in time.
    pub(super) fn expire_rounds(&mut self, desk: &mut Desk<'_, '_>, key: RoundsKey) {
        Mark::RoundExpires.hit();
        self.drop_questions(desk, key);
        self.forget_waiter(desk, key);
        self.rounds.remove(key);
    }

    /// Nothing waits any more under the client that waited last: what it had is given back.
    pub(super) fn forget_waiter(&mut self, desk: &mut Desk<'_, '_>, key: RoundsKey) {
        let Some(client) = self.rounds.get(key).map(|rounds| rounds.waiter.client) else {
            return;
        };
        if let Some(known) = self.clients.get_mut(&client) {
            known.rounds = None;
            self.release_client(desk, client);
        }
    }

    /// Nobody will answer the questions of a call: its server is told.
    pub(super) fn drop_questions(&mut self, desk: &mut Desk<'_, '_>, key: RoundsKey) {
        let Some(rounds) = self.rounds.get_mut(key) else {
            return;
        };
        let pool = rounds.pool;
        for question in std::mem::take(&mut rounds.questions) {
            let id = &question.server_id;
            match question.want {
                Want::Form | Want::Url => send_result(desk, pool, id, br#"{"action":"cancel"}"#),
                Want::Roots | Want::Sampling { .. } => {
                    self.refuse_ask(desk, pool, id, INTERNAL, "the client did not come back");
                }
            }
        }
    }

    /// Nobody can come back any more: our input has ended.
    pub(crate) fn end_all_rounds(&mut self, desk: &mut Desk<'_, '_>) {
        let keys: Vec<RoundsKey> = self.rounds.iter().map(|(key, _)| key).collect();
        for key in keys {
            match self.rounds.get_mut(key).map(|rounds| &mut rounds.stage) {
                Some(Stage::Away { .. }) => self.expire_rounds(desk, key),
                Some(stage @ Stage::Gathering { .. }) => {
                    *stage = Stage::Running;
                    self.drop_questions(desk, key);
                }
                Some(Stage::Over { .. }) => {
                    self.rounds.remove(key);
                }
                Some(Stage::Running) | None => {}
            }
        }
        self.wake_for_rounds(desk);
    }

    /// We leave: all calls have ended, and nobody can come for their answers.
    pub(crate) fn forget_rounds(&mut self, desk: &mut Desk<'_, '_>) {
        self.rounds = Table::default();
        desk.cx.timers.clear(Alarm::Rounds);
    }
}
