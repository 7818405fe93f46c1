//! One exchange: what is asked, how far it is, and what of it was not told yet.

use std::rc::Rc;

use crate::base::mark::Mark;
use crate::base::url::Url;
use crate::fetch::SiteKey;
use crate::fetch::failure::FetchFailure;
use crate::fetch::order::{News, Order};
use crate::http1::response_head::ResponseHead;
use crate::limits::{FETCH_UNTAKEN_BYTES_MAX, RESPONSE_BODY_BYTES_MAX};
use crate::links::DialKey;
use crate::now::Tick;

/// How far an exchange is.
#[derive(Debug)]
pub(super) enum Phase {
    /// It was ordered.
    New,
    /// It waits for a place.
    Waiting,
    /// Its connection is being opened.
    Opening(DialKey),
    /// The request was sent; the response comes.
    Asked(DialKey),
    /// The server said to ask there; the rest of what it said is thrown away.
    Redirected(DialKey, Rc<Url>),
    /// The response is complete.
    Ended,
    /// There is none.
    Failed(FetchFailure),
}

/// What becomes of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// It is told when it is complete.
    Gathered,
    /// It is told as it comes.
    Streamed,
    /// Nobody can read it.
    ThrownAway,
}

/// One exchange.
#[derive(Debug)]
pub(super) struct Exchange<W> {
    pub(super) whose: W,
    pub(super) order: Order,
    /// The request head, and the body behind it; both are kept until there is a response, since
    /// they may have to be sent again.
    pub(super) head: Vec<u8>,
    pub(super) payload: Option<Rc<Vec<u8>>>,
    pub(super) site: SiteKey,
    pub(super) phase: Phase,
    /// By when there has to be a connection.
    pub(super) open_by: Tick,
    /// Redirects that were followed.
    pub(super) redirects: u32,
    /// Bytes of the present redirect that were thrown away.
    pub(super) skipped: usize,
    /// It was sent again already.
    pub(super) repeated: bool,
    /// The response, until it is told.
    pub(super) response: Option<ResponseHead>,
    pub(super) body: Body,
    /// What of the body was not taken.
    pub(super) untaken: Vec<u8>,
    /// How much of that its site counts.
    pub(super) gathered: usize,
    /// A body that is gathered and longer than this fails.
    pub(super) body_bytes_max: usize,
    /// Some of that was not told.
    pub(super) untold: bool,
    /// Whoever asked wants no more for now.
    pub(super) paused: bool,
    /// It stands in the line of those with news.
    pub(super) in_line: bool,
}

impl<W> Exchange<W> {
    pub(super) fn new(whose: W, order: Order, site: SiteKey, now: Tick) -> Self {
        Self {
            whose,
            head: Vec::new(),
            payload: None,
            site,
            phase: Phase::New,
            open_by: now.after(order.connect_ms_max),
            order,
            redirects: 0,
            skipped: 0,
            repeated: false,
            response: None,
            body: Body::Gathered,
            untaken: Vec::new(),
            gathered: 0,
            body_bytes_max: RESPONSE_BODY_BYTES_MAX,
            untold: false,
            paused: false,
            in_line: false,
        }
    }

    /// It begins anew: there may be another connection to be opened.
    pub(super) fn renew(&mut self, now: Tick) {
        self.open_by = now.after(self.order.connect_ms_max);
    }

    /// Its connection.
    pub(super) fn dial(&self) -> Option<DialKey> {
        match self.phase {
            Phase::Opening(dial) | Phase::Asked(dial) | Phase::Redirected(dial, _) => Some(dial),
            Phase::New | Phase::Waiting | Phase::Ended | Phase::Failed(_) => None,
        }
    }

    /// Takes a piece of the body.
    pub(super) fn receive(&mut self, piece: &[u8]) {
        if self.body != Body::ThrownAway {
            self.untaken.extend_from_slice(piece);
            self.untold = true;
        }
    }

    /// Whether no more of the body is to be read for now. What is not streamed has an end and a
    /// limit, and is never paused.
    pub(super) fn is_full(&self) -> bool {
        let much = self.untaken.len() >= FETCH_UNTAKEN_BYTES_MAX;
        if much && self.body == Body::Streamed {
            Mark::FetchUntaken.hit();
        }
        self.body == Body::Streamed && (self.paused || much)
    }

    /// The next thing to tell. After [`News::End`] or [`News::Failed`] it is to be forgotten.
    pub(super) fn news(&mut self) -> Option<News> {
        if let Some(head) = self.response.take() {
            return Some(News::Head(head));
        }
        let more = std::mem::take(&mut self.untold) && !self.untaken.is_empty();
        if self.body == Body::Streamed && more {
            return Some(News::Data);
        }
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Ended => Some(News::End(std::mem::take(&mut self.untaken))),
            Phase::Failed(failure) => Some(News::Failed(failure)),
            goes_on => {
                self.phase = goes_on;
                None
            }
        }
    }
}
