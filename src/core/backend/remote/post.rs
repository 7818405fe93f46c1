//! The heads of our requests: what a request repeats of its body, to which session it belongs, and
//! what the entry adds (protocol F5, F9). Everything is computed from the body that is sent.

use std::borrow::Cow;
use std::rc::Rc;

use crate::backend::lifecycle::Pace;
use crate::backend::remote::exchange::{Exchange, Role};
use crate::backend::remote::{Hands, Remote};
use crate::base::parents;
use crate::fetch::{Asker, FetchKey, Field, Lane, Order, Reach};
use crate::http1::head::Method;
use crate::json::envelope::Envelope;
use crate::json::span::{member, string};
use crate::limits::{DIAL_AHEAD_MS_MAX, TELL_MS_MAX, TOKENS_REMEMBERED_MAX};
use crate::mcp::headers::{PARAM_PREFIX, encode};
use crate::mcp::modern::named_by;
use crate::mcp::version::Version;

type Fields = Vec<(Cow<'static, str>, Field)>;

const JSON: &str = "application/json";
const BOTH: &str = "application/json, text/event-stream";
const EVENTS: &str = "text/event-stream";

fn add(fields: &mut Fields, name: &'static str, value: impl Into<Field>) {
    fields.push((Cow::Borrowed(name), value.into()));
}

/// How long a connection may take to open, of the time until the session has to be there: it ends
/// first, since it knows what it waited for (a resolver, a proxy, the TLS handshake).
const fn dial_ms(connect_ms: u64) -> u64 {
    let tenth = connect_ms / 10;
    let ahead = if tenth < DIAL_AHEAD_MS_MAX {
        tenth
    } else {
        DIAL_AHEAD_MS_MAX
    };
    connect_ms - ahead
}

impl Remote {
    /// Begins an exchange.
    pub(super) fn exchange(
        &mut self,
        hands: &mut Hands<'_, '_>,
        role: Role,
        mut order: Order,
    ) -> FetchKey {
        let said = hands.parents.say(hands.cx.now.tick);
        order
            .fields
            .extend(said.map(|said| (Cow::Borrowed(parents::FIELD), said.into())));
        let token = self.authorize(hands, &mut order);
        let key = hands.fetch.ask(hands.cx, Asker::Pool(hands.me), order);
        let mut exchange = Exchange::new(role, self.talk.number, self.talk.id.is_some());
        exchange.token = token;
        self.exchanges.insert(key, exchange);
        key
    }

    /// Adds our token for this server, if there is one. All requests of a session lead to the
    /// origin of its entry.
    fn authorize(&mut self, hands: &Hands<'_, '_>, order: &mut Order) -> Option<u32> {
        if !self.is_protected() {
            return None;
        }
        let (number, field) = hands.locks.field(&self.lock)?;
        if self.spoken.back().is_none_or(|(last, _)| *last != number) {
            self.spoken.push_back((number, field.clone()));
            if self.spoken.len() > TOKENS_REMEMBERED_MAX {
                self.spoken.pop_front();
            }
        }
        add(&mut order.fields, "Authorization", field);
        Some(number)
    }

    fn order(&self, method: Method, fields: Fields, body: Vec<u8>) -> Order {
        Order {
            method,
            url: Rc::clone(self.post_url()),
            fields,
            headers: self.at.headers.clone(),
            body,
            response_ms_max: None,
            connect_ms_max: dial_ms(self.spec.connect_ms),
            lane: Lane::Call,
            reach: Reach::Anywhere,
        }
    }

    /// The fields by which a legacy server knows its session.
    fn talk_fields(&self, fields: &mut Fields) {
        if let Some(id) = &self.talk.id {
            // As secret as a password: whoever has it can speak in our name.
            add(
                fields,
                "Mcp-Session-Id",
                crate::base::secret::Secret::from(&**id),
            );
        }
        if let Some(version) = self.talk.version {
            add(fields, "MCP-Protocol-Version", version.name());
        }
    }

    /// A message of the handshake, or to a legacy server.
    pub(super) fn post(&self, body: Vec<u8>) -> Order {
        let mut fields = Fields::with_capacity(8);
        add(&mut fields, "Content-Type", JSON);
        add(&mut fields, "Accept", BOTH);
        self.talk_fields(&mut fields);
        self.order(Method::Post, fields, body)
    }

    /// One that is answered without work.
    pub(super) fn post_word(&self, body: Vec<u8>) -> Order {
        Order {
            response_ms_max: Some(TELL_MS_MAX),
            ..self.post(body)
        }
    }

    /// A request to a modern server.
    pub(super) fn post_modern(
        &self,
        body: Vec<u8>,
        envelope: &Envelope,
        params: &[(String, String)],
    ) -> Order {
        let mut fields = Fields::with_capacity(8);
        add(&mut fields, "Content-Type", JSON);
        add(&mut fields, "Accept", BOTH);
        add(&mut fields, "MCP-Protocol-Version", Version::MODERN.name());
        if let Some(method) = envelope.method_name(&body) {
            let named = named_by(&method).and_then(|named| {
                let at = member(&body, envelope.params?, named)?;
                string(&body, at)
            });
            if let Some(name) = named {
                add(&mut fields, "Mcp-Name", encode(&name).into_owned());
            }
            add(&mut fields, "Mcp-Method", encode(&method).into_owned());
        }
        for (name, value) in params {
            let name = [PARAM_PREFIX, name].concat();
            let value = Field::from(encode(value).into_owned());
            fields.push((Cow::Owned(name), value));
        }
        self.order(Method::Post, fields, body)
    }

    /// A stream of a legacy server, from behind the event of this id.
    pub(super) fn get(&self, last_id: Option<&str>, lane: Lane) -> Order {
        let mut fields = Fields::with_capacity(8);
        add(&mut fields, "Accept", EVENTS);
        self.talk_fields(&mut fields);
        if let Some(id) = last_id {
            add(&mut fields, "Last-Event-ID", id.to_owned());
        }
        Order {
            lane,
            ..self.order(Method::Get, fields, Vec::new())
        }
    }

    /// The end of a session in the server's sense, if there is one.
    pub(super) fn farewell(&self, pace: Pace) -> Option<Order> {
        self.talk.id.as_ref()?;
        let mut fields = Fields::with_capacity(4);
        self.talk_fields(&mut fields);
        let ms = pace.term_after_ms();
        Some(Order {
            response_ms_max: Some(ms),
            connect_ms_max: ms,
            ..self.order(Method::Delete, fields, Vec::new())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_given_up_before_the_session_so_that_its_reason_is_told() {
        for (connect_ms, expected) in [
            (30_000, 30_000 - DIAL_AHEAD_MS_MAX),
            (1_000, 900),
            (10, 9),
            (9, 9),
            (0, 0),
            (u64::MAX, u64::MAX - DIAL_AHEAD_MS_MAX),
        ] {
            assert_eq!(dial_ms(connect_ms), expected);
        }
    }
}
