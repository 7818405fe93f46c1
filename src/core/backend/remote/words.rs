//! What went wrong, in sentences that stand behind "server NAME: ". They show a little of what a
//! server said, and nothing of what we send.

use crate::backend::remote::exchange::Exchange;
use crate::backend::remote::{Hands, Remote};
use crate::backend::words::{plain, quoted, span};
use crate::http1::retry_after::retry_after_ms;
use crate::json::envelope::{self, Kind};
use crate::json::span::{member, string};
use crate::limits::{PAUSE_MS_MAX, QUOTE_BYTES_MAX};
use crate::now::Tick;

impl Remote {
    /// Why a response is no answer.
    pub(super) fn words(&self, exchange: &Exchange, body: &[u8]) -> String {
        let status = exchange.status();
        let said = self.said(body);
        let said = match said.as_str() {
            "" => String::new(),
            said => format!(": {}", quoted(said)),
        };
        if exchange.succeeded() && !exchange.holds_messages() {
            let kind = exchange.head.as_ref().and_then(|head| head.content_type());
            let kind = plain(kind.unwrap_or_default().as_bytes(), QUOTE_BYTES_MAX);
            return format!("answered with {kind} instead of a JSON-RPC message; look at \"url\"");
        }
        match status {
            200..=299 if body.trim_ascii().is_empty() => {
                format!("answered with status {status} and no response")
            }
            200..=299 => format!("answered with something that is no response{said}"),
            401 if self.authorizes() => {
                format!("does not accept the Authorization header of its entry (status 401){said}")
            }
            401 if exchange.token.is_some() => {
                format!("does not accept our token (status 401){said}")
            }
            401 => format!(
                "wants authorization (status 401): put an \"Authorization\" header into \
                 \"headers\" of its entry{said}"
            ),
            403 => format!("does not let us in (status 403); look at \"headers\"{said}"),
            429 | 503 => match self.wait_of(exchange) {
                Some(ms) => format!(
                    "is busy (status {status}) and wants to be left alone for {}{said}",
                    span(ms)
                ),
                None => format!("is busy (status {status}){said}"),
            },
            404 | 405 => format!("answered with status {status}; look at \"url\"{said}"),
            _ => format!("answered with status {status}{said}"),
        }
    }

    fn authorizes(&self) -> bool {
        let mut names = self.at.headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case("authorization"))
    }

    /// What the server says in a body: the message of an error, or some of a text. What it repeats
    /// of our secrets is not shown.
    pub(super) fn said(&self, body: &[u8]) -> String {
        let body = body.trim_ascii();
        let error = envelope::read(body).ok();
        let error = error.filter(|said| said.kind == Kind::Error);
        let message = error.and_then(|said| member(body, said.outcome?, "message"));
        match message.and_then(|at| string(body, at)) {
            Some(message) => self.shown(message.as_bytes()),
            // A page says nothing in its first words.
            None if body.starts_with(b"<") => String::new(),
            None => self.shown(body),
        }
    }

    /// How long the server wants to be left alone.
    pub(super) fn wait_of(&self, exchange: &Exchange) -> Option<u64> {
        let head = exchange.head.as_ref()?;
        let value = head.headers.get("retry-after")?;
        retry_after_ms(value, self.wall)
    }

    /// Remembers that; whether the server said so.
    pub(super) fn note_pause(&mut self, hands: &Hands<'_, '_>, exchange: &Exchange) -> bool {
        if !matches!(exchange.status(), 429 | 503) {
            return false;
        }
        let Some(ms) = self.wait_of(exchange) else {
            return false;
        };
        // What is said to one request need not hold for all, least of all for hours: a server that
        // restarts meanwhile would not be met again before.
        if self.is_ready() && ms > PAUSE_MS_MAX {
            return true;
        }
        self.alone_until = Some(hands.cx.now.tick.after(ms));
        true
    }

    /// Why nothing is asked now, if the server wants to be left alone.
    pub(super) fn left_alone(&self, now: Tick) -> Option<String> {
        let until = self.alone_until.filter(|until| *until > now)?;
        // A limit may be meant for one kind of request only, so we do not believe it for hours.
        let ms = until.since(now);
        (ms <= PAUSE_MS_MAX).then(|| {
            format!(
                "was busy and wants to be left alone for another {}",
                span(ms)
            )
        })
    }
}
