//! What is told of tasks without being asked: how far they are, to the client whose they are, or to
//! those clients without a session that listen to them (protocol 3.5).

use crate::base::frame::Frame;
use crate::base::outbox::Part;
use crate::json::envelope::{Envelope, our_number};
use crate::json::span::{Span, elements, member, string};
use crate::language::{At, ClientKey, PoolKey};
use crate::limits::SUBSCRIPTIONS_PER_CLIENT_MAX;
use crate::mcp::meta::SUBSCRIPTION;
use crate::mcp::tasks::{Status, Told};
use crate::route::errors::Failure;
use crate::route::splice::{Edits, Parts, fields};
use crate::route::stamp::cut_meta;
use crate::route::tasks::{Step, Task, TaskKey, Whose};
use crate::route::tasks_answer::members_of;
use crate::route::{Desk, Hall};

impl Hall {
    /// `notifications/tasks/status` of a server.
    pub(crate) fn task_status(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Some((theirs, told)) = envelope.params.and_then(|at| Told::read(text, at)) else {
            return;
        };
        let Some(key) = self.tasks.of_session(pool, &theirs) else {
            return;
        };
        let asks = told.status == Status::InputRequired;
        self.update_task(key, told);
        match self.tasks.get(key).map(|task| task.whose) {
            Some(Whose::Session(client)) => {
                let server = self.pools.get(&pool).map(|session| session.server);
                if server.is_some_and(|server| self.hides(client, server)) {
                    return;
                }
                let mut edits = Edits::default();
                let params = envelope.params.unwrap_or_default();
                self.rename_task(key, text, params, &mut edits);
                let meta = member(text, params, "_meta");
                self.rename_related(pool, text, meta, &mut edits);
                let message = edits.parts(frame.shared(), envelope.whole);
                desk.clients.tell(desk.cx, client, &message);
            }
            Some(Whose::Stateless) => {
                if asks && self.is_listened_to(key) {
                    self.fetch_questions(desk, key);
                }
                self.tell_task(desk, key);
            }
            Some(Whose::Driven(..)) | None => {}
        }
    }

    /// `notifications/progress` under the token of a call that has become a task.
    pub(crate) fn task_progress(
        &mut self,
        desk: &mut Desk<'_, '_>,
        pool: PoolKey,
        token_at: Span,
        envelope: &Envelope,
        frame: &Frame,
    ) {
        let text = frame.bytes();
        let Some(number) = our_number(token_at.of(text)).filter(|_| !self.tasks.is_empty()) else {
            return;
        };
        let found = self.tasks.of_pool(pool).find(|(_, task)| {
            let token = task.token.as_ref();
            token.is_some_and(|(ours, _)| *ours == number)
        });
        let Some(key) = found.map(|(key, _)| key) else {
            return;
        };
        let said = fields(text, envelope.params, ["progress"]).ok();
        let said = said.and_then(|[at]| std::str::from_utf8(at?.of(text)).ok());
        let said: f64 = said.and_then(|said| said.parse().ok()).unwrap_or(f64::NAN);
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        let (client, at) = match task.whose {
            Whose::Session(client) => (client, At::MAIN),
            Whose::Driven(client, at) => (client, at),
            // Its request was answered with the handle (D6).
            Whose::Stateless => return,
        };
        let rises = said > task.progress;
        if !rises {
            return;
        }
        task.progress = said;
        let Some((_, token)) = &task.token else {
            return;
        };
        let mut edits = Edits::default();
        cut_meta(text, envelope, &mut edits);
        edits.replace(token_at, token.to_vec());
        let message = edits.parts(frame.shared(), envelope.whole);
        desk.clients.note(desk.cx, client, at, &message);
    }

    /// The tasks that a client asks to hear of, if it may: those of them that it may name (D18).
    pub(crate) fn tasks_to_hear_of(
        &self,
        desk: &Desk<'_, '_>,
        client: ClientKey,
        text: &[u8],
        filter: Span,
    ) -> Result<Option<Vec<TaskKey>>, Failure> {
        let facts = desk.clients.facts(client);
        let may = facts.is_some_and(|facts| facts.capabilities.tasks);
        let Some(list) = member(text, filter, "taskIds").filter(|_| may) else {
            return Ok(None);
        };
        let mut found = Vec::new();
        for at in elements(text, list).take(SUBSCRIPTIONS_PER_CLIENT_MAX) {
            let id =
                string(text, at).ok_or_else(|| Failure::params("an id of taskIds is no string"))?;
            // Servers without sessions are asked by who wants to know.
            let may = |task: &Task| !task.stateless && !self.hides(client, task.server);
            if let Some(key) = self.tasks.find(&id, Whose::Stateless, self.grant(client))
                && self.tasks.get(key).is_some_and(may)
                && !found.contains(&key)
            {
                found.push(key);
            }
        }
        Ok(Some(found))
    }

    /// The ids of tasks as a client that listens is told them (raw JSON).
    pub(crate) fn task_ids(&self, tasks: &[TaskKey]) -> String {
        let ids = tasks.iter().filter_map(|key| self.tasks.get(*key));
        let ids: Vec<String> = ids.map(|task| format!("\"{}\"", task.id)).collect();
        ids.join(",")
    }

    fn listeners(&self, key: TaskKey) -> Vec<ClientKey> {
        let listens = |client: &crate::route::Client| {
            let listen = client.listen.as_deref();
            listen.is_some_and(|listen| {
                let tasks = listen.tasks.as_deref().unwrap_or_default();
                listen.acknowledged && tasks.contains(&key)
            })
        };
        let Some(server) = self.tasks.get(key).map(|task| task.server) else {
            return Vec::new();
        };
        let clients = self.clients.iter().filter(|(_, client)| listens(client));
        let clients = clients.map(|(client, _)| *client);
        clients
            .filter(|client| !self.hides(*client, server))
            .collect()
    }

    fn is_listened_to(&self, key: TaskKey) -> bool {
        !self.listeners(key).is_empty()
    }

    /// Something about a task changed: whoever listens is told all of it, which its server is asked
    /// for first.
    pub(crate) fn tell_task(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        if !self.is_listened_to(key) {
            return;
        }
        let Some(task) = self.tasks.get_mut(key) else {
            return;
        };
        if !std::mem::replace(&mut task.looking, true) {
            self.ask_about(desk, key, Step::Look, None);
        }
    }

    /// Tells a task to all that listen to it: its members, and the value of the last of them.
    pub(crate) fn tell_listeners(
        &mut self,
        desk: &mut Desk<'_, '_>,
        key: TaskKey,
        members: &str,
        value: &Parts<'_>,
    ) {
        if let Some(task) = self.tasks.get_mut(key) {
            task.looking = false;
        }
        for client in self.listeners(key) {
            let listen = self
                .clients
                .get(&client)
                .and_then(|one| one.listen.as_deref());
            let Some(listen) = listen else { continue };
            let id = String::from_utf8_lossy(listen.id());
            let head = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\",\
                 \"params\":{{\"_meta\":{{\"{SUBSCRIPTION}\":{id}}},{members}"
            );
            let mut parts = vec![Part::from(head.as_str())];
            parts.extend(value.iter().cloned());
            parts.push(Part::from("}}"));
            desk.clients.tell(desk.cx, client, &parts);
        }
    }

    /// Tells whose it is that a task ended with its session.
    pub(crate) fn tell_loss(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        let Some(task) = self.tasks.get(key) else {
            return;
        };
        match task.whose {
            Whose::Session(client) => {
                let message = format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks/status\",\
                     \"params\":{}}}",
                    task.told.legacy(&task.id)
                );
                desk.clients
                    .tell(desk.cx, client, &[message.as_str().into()]);
            }
            Whose::Stateless => {
                let error = self.loss(task).render();
                let members = format!("{},\"error\":{error}", members_of(task));
                self.tell_listeners(desk, key, &members, &Parts::default());
            }
            Whose::Driven(..) => {}
        }
    }
}
