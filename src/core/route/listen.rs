//! `subscriptions/listen` (D18): a client without a session that lasts as long as its stream. First
//! it is told what it gets of what it asked for, then each change with the id of its request.

use std::rc::Rc;

use crate::json::envelope::JsonId;
use crate::json::span::{elements, member, string};
use crate::json::write;
use crate::language::{ClientKey, PoolKey};
use crate::limits::{LISTEN_ACK_MS, SUBSCRIPTIONS_PER_CLIENT_MAX};
use crate::mcp::modern;
use crate::route::calls::{Origin, Resource};
use crate::route::errors::Failure;
use crate::route::lists::{Waiting, Want};
use crate::route::pools::Life;
use crate::route::router::Incoming;
use crate::route::subscriptions::overtaken;
use crate::route::tasks::TaskKey;
use crate::route::watches::Waiter;
use crate::route::{Desk, Hall, ServerKey};

/// What became of one URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Its server was asked.
    Awaited,
    /// It will tell.
    Yes,
    /// It cannot, or nobody has such a resource.
    No,
}

/// A subscription of a client without a session.
#[derive(Debug)]
pub(crate) struct Listen {
    id: JsonId,
    /// What it asked for and can be served.
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    /// The URIs it asked for; `None` if it named none.
    uris: Option<Vec<(String, Answer)>>,
    /// The tasks it asked for and may hear of; `None` if it named none.
    pub(crate) tasks: Option<Vec<TaskKey>>,
    /// It was told what it gets; only then anything else.
    pub(crate) acknowledged: bool,
}

impl Listen {
    /// A notification on this subscription; `params` are members with a comma behind each.
    pub(crate) fn message(&self, method: &str, params: &str) -> String {
        modern::on_subscription(self.id.raw(), method, params)
    }

    /// The raw id, as every message on it carries it.
    pub(crate) fn id(&self) -> &[u8] {
        self.id.raw()
    }

    fn awaits(&self) -> bool {
        let uris = self.uris.as_deref().unwrap_or_default();
        uris.iter().any(|(_, answer)| *answer == Answer::Awaited)
    }

    fn granted(&self, tasks: Option<&str>) -> String {
        let mut granted = Vec::new();
        for (wanted, name) in [
            (self.tools, "toolsListChanged"),
            (self.prompts, "promptsListChanged"),
            (self.resources, "resourcesListChanged"),
        ] {
            if wanted {
                granted.push(format!("\"{name}\":true"));
            }
        }
        if let Some(uris) = &self.uris {
            let uris = uris.iter().filter(|(_, answer)| *answer == Answer::Yes);
            let uris: Vec<String> = uris.map(|(uri, _)| write::string(uri)).collect();
            granted.push(format!("\"resourceSubscriptions\":[{}]", uris.join(",")));
        }
        granted.extend(tasks.map(|ids| format!("\"taskIds\":[{ids}]")));
        format!("\"notifications\":{{{}}},", granted.join(","))
    }
}

impl Hall {
    /// `subscriptions/listen`.
    pub(crate) fn listen(&mut self, desk: &mut Desk<'_, '_>, incoming: &Incoming<'_>) {
        let (client, at, id) = (incoming.client, incoming.at, incoming.id.clone());
        let listen = match self.wanted(desk, incoming) {
            Ok(listen) => listen,
            Err(failure) => return desk.fail(client, at, &id, &failure),
        };
        let uris = listen.uris.as_deref().unwrap_or_default();
        let uris: Vec<String> = uris.iter().map(|(uri, _)| uri.clone()).collect();
        self.clients.entry(client).or_default().listen = Some(Box::new(listen));
        for (index, uri) in uris.iter().enumerate() {
            let answer = self.listen_to(desk, client, index, uri);
            self.note_answer(client, index, answer);
        }
        self.watch_all(desk);
        if self.awaits(client) {
            let deadline = desk.cx.now.tick.after(LISTEN_ACK_MS);
            self.wake_at(desk, deadline);
            self.waiting.push(Waiting {
                client,
                at,
                id,
                what: Want::Listen,
                deadline,
            });
        } else {
            self.acknowledge(desk, client);
        }
    }

    /// What a listen asks for, as far as the lists go.
    fn wanted(&self, desk: &Desk<'_, '_>, incoming: &Incoming<'_>) -> Result<Listen, Failure> {
        let text = incoming.text();
        let [filter] = incoming.params(["notifications"])?;
        let filter = filter
            .filter(|at| at.of(text).starts_with(b"{"))
            .ok_or_else(|| Failure::params("params.notifications is missing or no object"))?;
        let asked = |name| member(text, filter, name).is_some_and(|at| at.of(text) == b"true");
        let mut uris: Option<Vec<(String, Answer)>> = None;
        if let Some(list) = member(text, filter, "resourceSubscriptions") {
            let named = uris.insert(Vec::new());
            for uri in elements(text, list).take(SUBSCRIPTIONS_PER_CLIENT_MAX) {
                let uri = string(text, uri).ok_or_else(|| {
                    Failure::params("a URI of resourceSubscriptions is no string")
                })?;
                if !named.iter().any(|(other, _)| *other == *uri) {
                    named.push((uri.into_owned(), Answer::No));
                }
            }
        }
        let offered = self.capabilities(desk, incoming.client);
        Ok(Listen {
            id: incoming.id.clone(),
            tools: asked("toolsListChanged") && offered.tools,
            prompts: asked("promptsListChanged") && offered.prompts,
            resources: asked("resourcesListChanged") && offered.resources,
            uris,
            tasks: self.tasks_to_hear_of(desk, incoming.client, text, filter)?,
            acknowledged: false,
        })
    }

    /// Makes a client hear of a resource: always in the session that all have in common, since
    /// nothing there depends on who asks.
    fn listen_to(
        &mut self,
        desk: &mut Desk<'_, '_>,
        client: ClientKey,
        index: usize,
        uri: &str,
    ) -> Answer {
        let Ok(place) = self.listened(desk, client, uri) else {
            return Answer::No;
        };
        let (key, resource) = (place.server, place.resource);
        let subscribes = self
            .server(key)
            .is_some_and(|server| self.capabilities_of(desk, server, None).subscribe);
        self.start_shared(desk, key);
        let pool = self.server(key).and_then(|server| server.shared);
        let session = pool.and_then(|pool| Some((pool, self.pools.get(&pool)?)));
        let Some((pool, session)) = session.filter(|_| subscribes) else {
            return Answer::No;
        };
        let known = session.subscriptions.contains_key(&resource.original);
        if known || session.life != Life::Up {
            // Who is not up is told when it is.
            self.add_subscriber(pool, client, &resource);
            return Answer::Yes;
        }
        if Self::is_stateless(desk, pool) {
            let waiter = Waiter::Listener { client, index };
            return match self.watch_for(pool, resource, waiter) {
                true => Answer::Awaited,
                false => Answer::No,
            };
        }
        let params = super::subscriptions::params(&resource.original);
        let origin = Origin::Listen {
            client,
            index,
            resource,
        };
        if self.call_quietly(desk, pool, origin, "resources/subscribe", Some(&params)) {
            Answer::Awaited
        } else {
            Answer::No
        }
    }

    /// A server answered whether it will tell of a resource, or will never answer.
    pub(crate) fn listen_answered(
        &mut self,
        desk: &mut Desk<'_, '_>,
        from: (PoolKey, ServerKey),
        (client, index, resource): (ClientKey, usize, &Resource),
        granted: bool,
    ) {
        // One that had no answer in time was left out of what the client was told.
        let listen = self.listen_of(client);
        let waits = listen.is_some_and(|listen| !listen.acknowledged);
        if !granted {
            self.note_answer(client, index, Answer::No);
        } else if waits {
            self.note_subscription(desk, from, client, resource);
            self.note_answer(client, index, Answer::Yes);
        } else if let Some(session) = self.pools.get(&from.0)
            && !session.subscriptions.contains_key(&resource.original)
            && !overtaken(&self.begins(from.0), &resource.original)
        {
            // The client is gone meanwhile, or was told that it will not hear of it.
            let method = "resources/unsubscribe";
            self.resubscribe(desk, from.0, method, &resource.original);
        }
        if self.is_listening(client) && !self.awaits(client) {
            self.drop_waiting(client, None);
            self.acknowledge(desk, client);
        }
    }

    fn listen_of(&mut self, client: ClientKey) -> Option<&mut Listen> {
        self.clients.get_mut(&client)?.listen.as_deref_mut()
    }

    fn is_listening(&mut self, client: ClientKey) -> bool {
        self.listen_of(client).is_some()
    }

    fn note_answer(&mut self, client: ClientKey, index: usize, answer: Answer) {
        let listen = self.listen_of(client);
        let uris = listen.and_then(|listen| listen.uris.as_mut());
        if let Some((_, noted)) = uris.and_then(|uris| uris.get_mut(index)) {
            *noted = answer;
        }
    }

    /// Whether a server has not said yet whether it will tell.
    pub(crate) fn awaits(&self, client: ClientKey) -> bool {
        let listen = self
            .clients
            .get(&client)
            .and_then(|one| one.listen.as_ref());
        listen.is_some_and(|listen| listen.awaits())
    }

    /// Tells a client what it gets; from then on it hears of changes.
    pub(crate) fn acknowledge(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let tasks = self.listen_of(client).and_then(|one| one.tasks.clone());
        let tasks = tasks.map(|tasks| self.task_ids(&tasks));
        let Some(listen) = self.listen_of(client).filter(|listen| !listen.acknowledged) else {
            return;
        };
        listen.acknowledged = true;
        let method = "notifications/subscriptions/acknowledged";
        let message = listen.message(method, &listen.granted(tasks.as_deref()));
        desk.clients
            .tell(desk.cx, client, &[message.as_str().into()]);
    }

    fn add_subscriber(&mut self, pool: PoolKey, client: ClientKey, resource: &Resource) {
        let Some(session) = self.pools.get_mut(&pool) else {
            return;
        };
        let uri = Rc::clone(&resource.original);
        let subscribers = session.subscriptions.entry(uri).or_default();
        if !subscribers.iter().any(|(other, _)| *other == client) {
            subscribers.push((client, resource.prefix.clone()));
            self.count_subscriptions(client, 1);
        }
    }
}
