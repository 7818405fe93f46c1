//! Calls that get no answer from their server, one by one or all with their session.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::language::{CallLoss, PoolKey, PoolState};
use crate::route::calls::{Call, CallKey, Origin, from_wire};
use crate::route::errors::Failure;
use crate::route::{Desk, Hall, Running};
use crate::tally::End;

impl Hall {
    /// A call gets no answer though its session goes on.
    pub fn call_lost(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        id: Option<u64>,
        loss: &CallLoss,
    ) {
        let answered = *loss == CallLoss::TooLong;
        let Some(key) = self.answerable(pool, id) else {
            if let Some(key) = id.and_then(from_wire).filter(|_| answered) {
                self.lay(desk, pool, key);
            }
            return;
        };
        let name = self.pool_name(pool);
        let text = match loss {
            CallLoss::TooLong => {
                Mark::AnswerTooLong.hit();
                let limit = crate::limits::LINE_BYTES_MAX / 1024 / 1024;
                format!("server {name} answered with more than {limit} MiB in one message")
            }
            CallLoss::Exchange(why) => format!("server {name}: {why}"),
            CallLoss::Unauthorized { page, why } => {
                let (url, why) = (Rc::clone(page), why.clone());
                let state = PoolState::Awaiting { url, why };
                return self.call_unauthorized(desk, key, (&name, &state));
            }
        };
        let failure = Failure::about(&name, text).ending(End::Lost);
        // Whoever lost only what carried the answer may still be at work on it.
        let ended = if answered {
            self.end_call(desk, key)
        } else {
            self.give_up(desk, key)
        };
        if let Some(call) = ended {
            self.lose(desk, call, &failure);
        }
    }

    /// A call gets no answer from its server.
    pub(crate) fn lose(&mut self, desk: &mut Desk<'_, '_>, mut call: Call, failure: &Failure) {
        if let Some(key) = call.suspended.take() {
            return self.end_suspended(desk, key, |hall, desk| hall.lose(desk, call, failure));
        }
        match call.origin {
            Origin::Client { caller, .. } => {
                desk.fail(caller.client, caller.at, &caller.id, failure);
            }
            Origin::List(kind) => self.list_failed(desk, call.pool, kind, true),
            Origin::Listen {
                client,
                index,
                resource,
            } => {
                let from = (call.pool, call.server);
                self.listen_answered(desk, from, (client, index, &resource), false);
            }
            Origin::Task(about) => self.task_not_told(desk, *about, failure),
            Origin::Quiet => {}
        }
    }

    /// Why a server does not answer: how it is doing, unless it is we who leave.
    pub(crate) fn down(&self, server: &str, state: &PoolState) -> Failure {
        match self.running {
            Running::Over => Failure::leaving(server),
            Running::NotYet | Running::Yes => Failure::down(server, state),
        }
    }

    /// Calls whose server is gone.
    pub(crate) fn fail_calls(
        &mut self,
        desk: &mut Desk<'_, '_>,
        server: &str,
        keys: Vec<CallKey>,
        state: &PoolState,
    ) {
        for key in keys {
            let Some(call) = self.end_call(desk, key) else {
                continue;
            };
            // Lists are asked for again when it is back.
            if !matches!(call.origin, Origin::List(_)) {
                if matches!(call.origin, Origin::Client { .. }) {
                    Mark::CallsFailWithServer.hit();
                }
                let failure = self.down(server, state).ending(End::Lost);
                self.lose(desk, call, &failure);
            }
        }
    }
}
