//! Messages that came as one array (protocol F8), taken out one by one. Knows nothing of what
//! carried them.

use std::rc::Rc;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::Level;
use crate::json::span::{Span, elements};
use crate::limits::BATCH_MAX;

/// What is left of one array.
#[derive(Debug, Default)]
pub(super) struct Batch(Option<Rest>);

#[derive(Debug)]
struct Rest {
    text: Rc<Vec<u8>>,
    spans: std::vec::IntoIter<Span>,
}

impl Batch {
    /// Puts the next message into the frame, if there is one.
    pub(super) fn next(&mut self, frame: &mut Frame) -> bool {
        let Some(rest) = &mut self.0 else {
            return false;
        };
        match rest.spans.next() {
            Some(span) => {
                frame.fill(span.of(&rest.text));
                true
            }
            None => {
                self.0 = None;
                false
            }
        }
    }

    /// Takes the array in the frame over; it is known to be valid JSON.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>, name: &str, frame: &Frame) {
        let whole = Span::whole(frame.bytes());
        let mut spans = elements(frame.bytes(), whole);
        let taken: Vec<Span> = spans.by_ref().take(BATCH_MAX).collect();
        if spans.next().is_some() {
            Mark::ServerBatchTooLong.hit();
            cx.log(Level::Warn, || {
                format!("server={name} sent more than {BATCH_MAX} messages at once, rest skipped")
            });
        }
        self.0 = Some(Rest {
            text: Rc::clone(frame.shared()),
            spans: taken.into_iter(),
        });
    }
}
