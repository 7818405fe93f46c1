//! A request names a session that is not here, but was opened by another run: the session is opened
//! again and goes on, or is ended for good.

use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::grants::Open;
use crate::client::refusal::Refusal;
use crate::client::replay::Replay;
use crate::client::session::{Channel, Session, Streamable};
use crate::client::session_id::SessionId;
use crate::cx::Cx;
use crate::effect::Level;
use crate::language::{ClientEvent, ClientKey};
use crate::limits::FOREIGN_NUMBERS_MIN;

impl Clients {
    /// Goes on with a session of another run, by the same rules by which a new one is opened.
    pub(in crate::client) fn restore(
        &mut self,
        cx: &mut Cx<'_>,
        presented: &str,
    ) -> Result<ClientKey, Refusal> {
        let grant = self.caller.sight.grant();
        let birth = self.resume.find(presented, grant, cx.now.wall);
        let birth = birth.ok_or(Refusal::UnknownSession)?;
        if !self.make_room(cx) {
            return Err(Refusal::TooManySessions);
        }
        Mark::SessionRestored.hit();
        cx.log(Level::Debug, || {
            format!("http a session of an earlier run goes on ({presented:.8}..)")
        });
        let id = SessionId::from(presented.to_owned());
        let mut own = Streamable::new(id.clone(), birth, Replay::new(&self.replay_bytes));
        own.begin_main_at(foreign(cx));
        let channel = Channel::Streamable(Box::new(own));
        let mut session = Session::new(channel, self.caller.clone(), cx.now.tick);
        session.open(birth.version, birth.capabilities);
        session.facts.initialized = true;
        session.begin_at(foreign(cx));
        let client = self.sessions.insert(session);
        self.ids.insert(&id, client);
        self.opened(cx, Open::Session);
        self.arm_session(cx, client, cx.now.tick.after(self.settings.session_idle_ms));
        self.note_news(cx);
        self.events.push_back(ClientEvent::Restored { client });
        Ok(client)
    }

    /// Ends a session of another run that was not used here.
    pub(in crate::client) fn end_unopened(
        &mut self,
        cx: &Cx<'_>,
        presented: &str,
    ) -> Result<(), Refusal> {
        let grant = self.caller.sight.grant();
        let birth = self.resume.find(presented, grant, cx.now.wall);
        let birth = birth.ok_or(Refusal::UnknownSession)?;
        Mark::SessionEndedUnopened.hit();
        self.resume.record.end(&birth);
        Ok(())
    }

    /// A session that is open here is ended by its client, or since its grant was revoked, wherever
    /// it was opened and whoever else has it in use.
    pub(in crate::client) fn end_opened(&mut self, cx: &mut Cx<'_>, client: ClientKey) {
        let own = self.sessions.get(client).and_then(Session::streamable);
        if let Some(birth) = own.map(|own| own.birth) {
            self.resume.record.end(&birth);
        }
        self.end(cx, client);
    }

    /// Whether what was just read has opened a session again, so that the hall has to hear of that
    /// first.
    pub(in crate::client) fn has_restored(&self) -> bool {
        let restored = |event: &ClientEvent| matches!(event, ClientEvent::Restored { .. });
        self.events.iter().any(restored)
    }
}

/// Where numbers begin in a session of another run: far from those that its client may know from
/// there, or one of its old event ids would name a stream of now.
fn foreign(cx: &mut Cx<'_>) -> u32 {
    let offset = cx.entropy.below(u64::from(FOREIGN_NUMBERS_MIN));
    FOREIGN_NUMBERS_MIN.saturating_add(u32::try_from(offset).unwrap_or_default())
}
