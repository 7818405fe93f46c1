//! A member or element taken out: its line goes with it, its neighbours and all comments stay.

use std::ops::Range;

use super::super::jsonc::Value;
use super::path::{Item, items};
use super::{Splice, layout as place};

/// Takes out the item at this index.
pub(super) fn item(text: &[u8], container: &Value, index: usize) -> Vec<Splice> {
    let items = items(text, container);
    let Some(item) = items.get(index) else {
        return Vec::new();
    };
    let before = index.checked_sub(1).and_then(|before| items.get(before));
    if items.len() == 1 && !has_comments(text, container, item) {
        // Nothing but blanks would be left.
        return vec![Splice::delete(container.at.start + 1..container.at.end - 1)];
    }
    let mut splices = Vec::new();
    let mut gone = item.start..item.value.at.end;
    match (item.comma, before) {
        (Some(comma), _) if place::last_comment(text, gone.end..comma).is_none() => {
            gone.end = comma + 1;
            splices.push(gone);
        }
        (Some(comma), _) => splices.extend([gone, comma..comma + 1]),
        // The last one without a comma: then the one before must not have one either.
        (
            None,
            Some(Item {
                comma: Some(comma), ..
            }),
        ) => {
            splices.extend([*comma..comma + 1, gone]);
        }
        (None, _) => splices.push(gone),
    }
    let previous_end = before.map_or(container.at.start + 1, |before| {
        before.comma.map_or(before.value.at.end, |comma| comma + 1)
    });
    splices
        .into_iter()
        .map(|range| {
            if range.start == item.start {
                let last = index + 1 == items.len();
                Splice::delete(with_blanks(text, range, previous_end, last))
            } else {
                Splice::delete(range)
            }
        })
        .collect()
}

/// The same range with the blanks that would be left over.
fn with_blanks(text: &[u8], range: Range<usize>, previous_end: usize, last: bool) -> Range<usize> {
    let Range { start, end } = range;
    let own_line = place::begins_line(text, start);
    let remark_follows = place::end_of_remarks(text, end) > end;
    match (own_line, place::next_line(text, end)) {
        // It has its lines for itself: they go; the last ones with the line end before them, as
        // they came.
        (true, Some(_)) if last => {
            place::line_end_before(text, start)..place::blanks_after(text, end)
        }
        (true, Some(next)) => place::line_start(text, start)..next,
        // It ends its line: the blanks before it go.
        (false, Some(_)) => place::blanks_before(text, start)..end,
        // The closing brace follows: all blanks before it go, but a line comment must keep the
        // end of its line. A remark in the lines of the item takes its place instead.
        (_, None) if last && !(own_line && remark_follows) => {
            match place::last_comment(text, previous_end..start) {
                None => previous_end..end,
                Some(comment) if comment.needs_line_end => place::blanks_before(text, start)..end,
                Some(comment) => comment.end..end,
            }
        }
        // The next one, or a remark, follows on the line and takes its place.
        (_, None) => start..place::blanks_after(text, end),
    }
}

/// Whether the container holds comments outside its only item.
fn has_comments(text: &[u8], container: &Value, item: &Item<'_>) -> bool {
    let value_end = item.value.at.end;
    let stretches = [
        container.at.start + 1..item.start,
        value_end..item.comma.unwrap_or(value_end),
        item.comma.map_or(value_end, |comma| comma + 1)..container.at.end - 1,
    ];
    stretches
        .into_iter()
        .any(|stretch| place::last_comment(text, stretch).is_some())
}
