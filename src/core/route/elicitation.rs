//! Elicitation ids, which servers choose: told apart by a prefix, and each completion told only to
//! the client that was asked.

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::json::envelope::Envelope;
use crate::json::span::{Span, string};
use crate::json::write;
use crate::language::{ClientKey, PoolKey};
use crate::limits::ELICITATIONS_PER_POOL_MAX;
use crate::route::splice::{Edits, fields};
use crate::route::{Desk, Hall};

impl Hall {
    /// Elicitation ids of different servers may be equal: a prefix tells them apart, and the client
    /// is noted so that only it hears of the completion.
    pub(crate) fn rename_elicitation(
        &mut self,
        pool: PoolKey,
        client: ClientKey,
        text: &[u8],
        at: Span,
        edits: &mut Edits,
    ) {
        let Some(id) = string(text, at) else { return };
        let name = self.pool_name(pool);
        edits.replace(at, write::string(&format!("{name}:{id}")).into_bytes());
        if let Some(session) = self.pools.get_mut(&pool) {
            session.elicitations.push_back((id.into_owned(), client));
            if session.elicitations.len() > ELICITATIONS_PER_POOL_MAX {
                Mark::ElicitationsFull.hit();
                session.elicitations.pop_front();
            }
        }
    }

    /// `notifications/elicitation/complete`: to the client that was asked, nobody else.
    pub(crate) fn elicitation_complete(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Ok([Some(at)]) = fields(text, envelope.params, ["elicitationId"]) else {
            return;
        };
        let Some(id) = string(text, at) else { return };
        let name = self.pool_name(pool);
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let Some(place) = session
            .elicitations
            .iter()
            .position(|(known, _)| *known == *id)
        else {
            return;
        };
        let server = session.server;
        let Some((_, client)) = session.elicitations.remove(place) else {
            return;
        };
        if self.hides(client, server) {
            return;
        }
        Mark::ElicitationEnds.hit();
        let mut edits = Edits::default();
        edits.replace(at, write::string(&format!("{name}:{id}")).into_bytes());
        let message = edits.parts(frame.shared(), envelope.whole);
        desk.clients.tell(desk.cx, client, &message);
    }
}
