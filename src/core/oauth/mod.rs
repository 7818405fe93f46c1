//! OAuth 2.1 on all three sides of us: who is let in (`door`), who lets them in (`server`, with the
//! `owner` at the keyboard), and how we are let in elsewhere (`client`). Protocol 4.
//!
//! Every machine here is a function of its inputs. It answers a request at once ([`Step::Answer`])
//! or later, as one of its news; it orders exchanges, locks and hashes and is told what came of
//! them. Nothing here opens, reads or draws random numbers by itself.

pub mod client;
pub mod door;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod owner;
pub mod server;
pub mod token;

use crate::fetch::Order;
use crate::links::LinkKey;
use crate::web::answer::Answer;

/// What becomes of a request.
#[derive(Debug)]
pub enum Step {
    /// It is answered.
    Answer(Answer),
    /// Its answer will be one of the machine's news.
    Later,
}

/// What the machines of OAuth want done, besides what they order as effects.
#[derive(Debug)]
pub enum Wish {
    /// The answer to a request that was taken for later.
    Answer {
        /// Whose.
        link: LinkKey,
        /// The answer.
        answer: Answer,
    },
    /// Ask somebody; the news come with this number.
    Ask {
        /// Which errand, in the machine's own count.
        number: u32,
        /// What is asked.
        order: Box<Order>,
    },
    /// The answer of an errand is not wanted any more.
    GiveUp {
        /// Which errand.
        number: u32,
    },
}
