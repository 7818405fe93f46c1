//! Which bytes to cut out of an object so that it loses some members and stays valid.

use crate::base::few::Few;
use crate::json::span::{Span, members};

/// Some members of an object, told by key and value, with their commas, so that cutting all of them
/// leaves a valid object.
#[must_use]
pub fn runs(text: &[u8], object: Span, goes: &mut dyn FnMut(Span, Span) -> bool) -> Few<Span, 2> {
    let mut cuts: Few<Span, 2> = Few::default();
    let mut kept_end = None;
    let mut running = false;
    for (key, value) in members(text, object) {
        let goes = goes(key, value);
        match (goes, running, cuts.last_mut()) {
            (true, true, Some(cut)) => cut.end = value.end,
            (true, ..) => cuts.push(Span {
                start: key.start,
                end: value.end,
            }),
            // What goes takes the comma behind it along.
            (false, true, Some(cut)) => cut.end = key.start,
            (false, ..) => {}
        }
        running = goes;
        if !goes {
            kept_end = Some(value.end);
        }
    }
    // At the end there is none behind: the one before.
    if let (true, Some(cut), Some(end)) = (running, cuts.last_mut(), kept_end) {
        cut.start = end;
    }
    cuts
}
