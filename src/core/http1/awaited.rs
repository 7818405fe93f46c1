//! A response of which the head is not complete: what came of it, for how long it may still take,
//! and whether the server can have acted on the request by now.

use crate::http1::fault::Place;
use crate::http1::response_head::{ResponseHead, ResponseParser, Unreadable};
use crate::limits::{CONTINUE_MS_MAX, INTERIM_RESPONSES_MAX, RESPONSE_HEAD_MS_MAX};
use crate::now::Tick;

/// What a response is read by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `HEAD`: the response has no body.
    pub head_only: bool,
    /// `Expect: 100-continue`: the body is sent when the machine says so.
    pub withholds_body: bool,
    /// How long the first byte may take; without, whoever asked watches over that (a call may
    /// take as long as it pleases).
    pub first_byte_ms_max: Option<u64>,
    /// The body may pause for as long as it likes: whoever asked watches over that as well. Some
    /// servers send the head at once and the answer when it is there.
    pub pauses: bool,
}

/// What the machine has to know of the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// The moment.
    pub now: Tick,
    /// Bytes of the request that the kernel has not taken: while there are any, the server cannot
    /// have acted on it, and behind it the connection cannot be used again.
    pub unsent: usize,
}

/// A response whose head is not complete.
#[derive(Debug)]
pub(crate) struct Awaited {
    asked: Asked,
    /// When the request was sent, or what was withheld of it.
    since: Tick,
    /// When the first byte of the present head came.
    begun: Option<Tick>,
    parser: ResponseParser,
    /// Of the present head, what came in earlier inputs.
    bytes: Vec<u8>,
    /// Interim responses that came before.
    interim: usize,
}

impl Awaited {
    pub(crate) fn new(asked: Asked, now: Tick) -> Self {
        Self {
            asked,
            since: now,
            begun: None,
            parser: ResponseParser::default(),
            bytes: Vec::new(),
            interim: 0,
        }
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }

    /// Takes the rest of a head out of the input, or all of it.
    pub(crate) fn read(
        &mut self,
        now: Tick,
        input: &mut &[u8],
    ) -> Result<Option<ResponseHead>, Unreadable> {
        self.begun.get_or_insert(now);
        let before = self.bytes.len();
        let parsed = if before == 0 {
            self.parser.parse(input)?
        } else {
            self.bytes.extend_from_slice(input);
            self.parser.parse(&self.bytes)?
        };
        let Some((head, length)) = parsed else {
            if before == 0 {
                self.bytes.extend_from_slice(input);
            }
            *input = &[];
            return Ok(None);
        };
        let used = length.saturating_sub(before);
        *input = input.get(used..).unwrap_or_default();
        self.parser = ResponseParser::default();
        self.bytes = Vec::new();
        self.begun = None;
        Ok(Some(head))
    }

    /// One more interim response. `false` if it is one too many.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.interim += 1;
        self.interim <= INTERIM_RESPONSES_MAX
    }

    /// `true`, once, if a body was withheld: it is to be sent now.
    pub(crate) fn releases_body(&mut self, now: Tick) -> bool {
        let releases = std::mem::take(&mut self.asked.withholds_body);
        if releases {
            self.since = now;
        }
        releases
    }

    pub(crate) fn place(&self) -> Place {
        match self.begun {
            Some(_) => Place::Head,
            None => Place::Before,
        }
    }

    /// Whether the server can have acted on the request: it has all of it, or says something
    /// about it. Without its body a request is none.
    pub(crate) fn reached(&self, at: Moment) -> bool {
        let responds = self.begun.is_some() || self.interim > 0;
        !self.asked.withholds_body && (responds || at.unsent == 0)
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        match self.begun {
            Some(begun) => Some(begun.after(RESPONSE_HEAD_MS_MAX)),
            None if self.asked.withholds_body => Some(self.since.after(CONTINUE_MS_MAX)),
            None => self.asked.first_byte_ms_max.map(|ms| self.since.after(ms)),
        }
    }
}
