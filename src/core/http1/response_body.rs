//! A response body that comes: how much of it may come, how long it may pause, and what becomes of
//! the connection behind it. The data stays in the bytes that were received.

use crate::http1::awaited::Asked;
use crate::http1::body::Decoder;
use crate::http1::fault::Fault;
use crate::http1::framing::Framing;
use crate::http1::response_framing::{self, BodyLength};
use crate::http1::response_head::{ResponseHead, Unreadable};
use crate::limits::{RESPONSE_BODY_BYTES_MAX, RESPONSE_IDLE_MS_MAX};
use crate::now::Tick;

/// A body that is not complete.
#[derive(Debug)]
pub(crate) struct Body {
    rest: Rest,
    /// Data handed out.
    seen: usize,
    bytes_max: usize,
    /// Between two pieces; `None` for event streams, and where somebody else watches.
    pause_ms_max: Option<u64>,
    /// When the last piece came.
    moved: Tick,
    /// How long the connection may be idle behind it; `None` if it ends.
    idle_ms: Option<u64>,
}

#[derive(Debug)]
enum Rest {
    Framed(Decoder),
    UntilClose,
}

impl Body {
    /// The body that follows a head.
    ///
    /// # Errors
    /// If its length can be read in two ways.
    pub(crate) fn new(head: &ResponseHead, asked: Asked, now: Tick) -> Result<Self, Unreadable> {
        let length = response_framing::of(head, asked.head_only)?;
        let framed = |framing| Rest::Framed(Decoder::new(framing, usize::MAX));
        let idle_ms = response_framing::idle_ms(head, length);
        Ok(Self {
            rest: match length {
                BodyLength::None => framed(Framing::Length(0)),
                BodyLength::Known(bytes) => framed(Framing::Length(bytes)),
                BodyLength::Chunked => framed(Framing::Chunked),
                BodyLength::UntilClose => Rest::UntilClose,
            },
            seen: 0,
            bytes_max: RESPONSE_BODY_BYTES_MAX,
            pause_ms_max: (!asked.pauses).then_some(RESPONSE_IDLE_MS_MAX),
            moved: now,
            // A body of ours that was announced and never sent leaves the server waiting for it.
            idle_ms: idle_ms.filter(|_| !asked.withholds_body),
        })
    }

    /// Lifts the limits of what has an end.
    pub(crate) fn stream(&mut self) {
        self.bytes_max = usize::MAX;
        self.pause_ms_max = None;
    }

    pub(crate) fn idle_ms(&self) -> Option<u64> {
        self.idle_ms
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(&self.rest, Rest::Framed(decoder) if decoder.is_done())
    }

    pub(crate) fn is_until_close(&self) -> bool {
        matches!(self.rest, Rest::UntilClose)
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.pause_ms_max.map(|ms| self.moved.after(ms))
    }

    /// The next piece of data in the input; if there is none, the input is used or the body done.
    pub(crate) fn next<'i>(
        &mut self,
        now: Tick,
        input: &mut &'i [u8],
    ) -> Result<Option<&'i [u8]>, Fault> {
        if !input.is_empty() {
            self.moved = now;
        }
        let room = self.bytes_max.saturating_sub(self.seen);
        let piece = match &mut self.rest {
            Rest::UntilClose => std::mem::take(input),
            Rest::Framed(decoder) => {
                if decoder.left().is_some_and(|left| left > room) {
                    return Err(Fault::BodyTooLong);
                }
                // 413 is a chunk whose length no machine word holds.
                decoder
                    .run(input, 0)
                    .map_err(|reject| match reject.status {
                        413 => Fault::BodyTooLong,
                        _ => Fault::Unreadable(reject.why),
                    })?
            }
        };
        if piece.len() > room {
            return Err(Fault::BodyTooLong);
        }
        // A stream may be longer than a machine word counts; it has no limit anyway.
        self.seen = self.seen.saturating_add(piece.len());
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}
