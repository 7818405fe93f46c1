//! What is asked of others, and to whom the answers go. Every exchange has an end: one that drips
//! is given up.

use crate::cx::Cx;
use crate::fetch::{News, Order};
use crate::limits::{ERRAND_MS_MAX, METADATA_BYTES_MAX};
use crate::links::LinkKey;
use crate::now::Tick;
use crate::oauth::Wish;
use crate::oauth::client::Keyring;
use crate::oauth::client::flow::Flow;

/// One exchange under way.
#[derive(Debug)]
pub(super) struct Errand {
    /// For which account.
    account: u32,
    what: What,
    /// Once the answer has begun.
    status: Option<u16>,
    /// When it is given up.
    pub(super) until: Tick,
    /// Who was asked, for sentences.
    host: String,
}

/// What an exchange is for.
#[derive(Debug)]
pub(super) enum What {
    /// A document that a search needs.
    Document,
    /// To be known.
    Registration,
    /// The tokens for a code; a browser waits.
    Tokens { flow: Box<Flow>, link: LinkKey },
    /// The next tokens, under a lock or in spite of none.
    Renewal {
        /// The number of the work.
        work: u32,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer.
    Answer(u16, Vec<u8>),
    /// None: one sentence.
    Nothing(String),
}

impl Errand {
    /// Whether a browser waits for it.
    pub(super) const fn has_browser(&self) -> bool {
        matches!(self.what, What::Tokens { .. })
    }
}

impl Keyring {
    /// Asks.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, account: u32, what: What, order: Order) {
        let number = self.number();
        let errand = Errand {
            account,
            what,
            status: None,
            until: cx.now.tick.after(ERRAND_MS_MAX),
            host: order.url.origin().to_string(),
        };
        self.errands.insert(number, errand);
        let order = Box::new(order);
        self.wish(Wish::Ask { number, order });
    }

    /// News of an errand.
    pub fn news(&mut self, cx: &mut Cx<'_>, number: u32, news: News) {
        let Some(errand) = self.errands.get_mut(&number) else {
            return;
        };
        let outcome = match news {
            News::Head(head) => {
                errand.status = Some(head.status);
                let length = head.headers.get("content-length");
                let length = length.and_then(|length| length.parse::<usize>().ok());
                if length.is_none_or(|length| length <= METADATA_BYTES_MAX) {
                    return;
                }
                let why = format!("{}: the answer is too long", errand.host);
                self.wish(Wish::GiveUp { number });
                Outcome::Nothing(why)
            }
            News::Data => return,
            News::End(bytes) => match errand.status {
                Some(status) => Outcome::Answer(status, bytes),
                None => Outcome::Nothing(format!("{}: no answer", errand.host)),
            },
            News::Failed(failure) => Outcome::Nothing(failure.why),
        };
        self.came(cx, number, outcome);
        self.settle(cx);
    }

    fn came(&mut self, cx: &mut Cx<'_>, number: u32, outcome: Outcome) {
        let Some(errand) = self.errands.remove(&number) else {
            return;
        };
        let id = errand.account;
        match errand.what {
            What::Document => self.document_came(cx, id, &outcome),
            What::Registration => self.registration_came(cx, id, outcome),
            What::Tokens { flow, link } => self.tokens_came(cx, *flow, link, outcome),
            What::Renewal { work } => self.renewal_came(cx, work, outcome),
        }
    }

    /// Gives up what takes too long.
    pub(super) fn expire_errands(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        let is_late = |(_, errand): &(&u32, &Errand)| errand.until <= now;
        let late = self.errands.iter().filter(is_late);
        let late: Vec<(u32, String)> = late
            .map(|(number, errand)| (*number, errand.host.clone()))
            .collect();
        for (number, host) in late {
            self.wish(Wish::GiveUp { number });
            let seconds = ERRAND_MS_MAX / 1000;
            let why = format!("{host}: no whole answer within {seconds} s");
            self.came(cx, number, Outcome::Nothing(why));
        }
    }

    /// The account is gone: gives up what was for it, but a renewal, whose answer is lost for ever
    /// if nobody writes it down. Tells which browsers wait for nothing now.
    pub(super) fn drop_errands(&mut self, id: u32) -> Vec<LinkKey> {
        let is_its = |(_, errand): &(&u32, &Errand)| {
            errand.account == id && !matches!(errand.what, What::Renewal { .. })
        };
        let numbers: Vec<u32> = self
            .errands
            .iter()
            .filter(is_its)
            .map(|(one, _)| *one)
            .collect();
        let mut links = Vec::new();
        for number in numbers {
            if let Some(errand) = self.errands.remove(&number)
                && let What::Tokens { link, .. } = errand.what
            {
                links.push(link);
            }
            self.wish(Wish::GiveUp { number });
        }
        links
    }
}
