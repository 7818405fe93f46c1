//! How a call that is suspended ends before its server has answered: its client hung up or never
//! came back, or we leave. The server hears it, and its session is free for others.

use crate::base::mark::Mark;
use crate::cx::Alarm;
use crate::language::ClientKey;
use crate::route::asks::Want;
use crate::route::calls::Caller;
use crate::route::errors::INTERNAL;
use crate::route::suspended::resume::send_result;
use crate::route::suspended::{Stage, SuspendedKey, Table};
use crate::route::{Desk, Hall};

impl Hall {
    /// A client was answered or hung up. `true` if it is to be remembered: its call waits for the
    /// next round.
    pub(crate) fn left_suspended(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: SuspendedKey,
        client: ClientKey,
    ) -> bool {
        let Some(suspended) = self.suspended.get_mut(key) else {
            return false;
        };
        let waits = suspended.waiter.client == client;
        match suspended.stage {
            Stage::Away { .. } => return waits,
            Stage::Over { .. } => {}
            Stage::Running | Stage::Gathering { .. } if !waits => {
                suspended.others.retain(|other| other.client != client);
            }
            Stage::Running | Stage::Gathering { .. } => match suspended.others.pop() {
                Some(other) => {
                    Mark::SuspendHandedOver.hit();
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
                    Mark::SuspendLeft.hit();
                    self.drop_questions(desk, key);
                    self.suspended.remove(key);
                    self.wake_for_suspended(desk);
                }
            },
        }
        false
    }

    /// A client did not come back in time.
    pub(super) fn expire_suspended(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey) {
        Mark::SuspendExpires.hit();
        self.drop_questions(desk, key);
        self.forget_waiter(desk, key);
        self.suspended.remove(key);
    }

    /// Nothing waits any more under the client that waited last: what it had is given back.
    pub(super) fn forget_waiter(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey) {
        let Some(client) = self
            .suspended
            .get(key)
            .map(|suspended| suspended.waiter.client)
        else {
            return;
        };
        if let Some(known) = self.clients.get_mut(&client) {
            known.suspended = None;
            self.release_client(desk, client);
        }
    }

    /// Nobody will answer the questions of a call: its server is told.
    pub(super) fn drop_questions(&mut self, desk: &mut Desk<'_, '_>, key: SuspendedKey) {
        let Some(suspended) = self.suspended.get_mut(key) else {
            return;
        };
        let pool = suspended.pool;
        for question in std::mem::take(&mut suspended.questions) {
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
    pub(crate) fn end_all_suspended(&mut self, desk: &mut Desk<'_, '_>) {
        let keys: Vec<SuspendedKey> = self.suspended.iter().map(|(key, _)| key).collect();
        for key in keys {
            match self
                .suspended
                .get_mut(key)
                .map(|suspended| &mut suspended.stage)
            {
                Some(Stage::Away { .. }) => self.expire_suspended(desk, key),
                Some(stage @ Stage::Gathering { .. }) => {
                    *stage = Stage::Running;
                    self.drop_questions(desk, key);
                }
                Some(Stage::Over { .. }) => {
                    self.suspended.remove(key);
                }
                Some(Stage::Running) | None => {}
            }
        }
        self.wake_for_suspended(desk);
    }

    /// We leave: all calls have ended, and nobody can come for their answers.
    pub(crate) fn forget_suspended(&mut self, desk: &mut Desk<'_, '_>) {
        self.suspended = Table::default();
        desk.cx.timers.clear(Alarm::Suspended);
    }
}
