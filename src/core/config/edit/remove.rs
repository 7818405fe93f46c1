//! A member taken out of its object: its line goes with it, its neighbours and all comments stay.

use std::ops::Range;

use super::super::jsonc::{Member, Value};
use super::{Splice, layout as place};

/// Takes out the member at this index.
pub(super) fn member(text: &[u8], object: &Value, index: usize) -> Vec<Splice> {
    let members = object.members();
    let Some(member) = members.get(index) else {
        return Vec::new();
    };
    let before = index.checked_sub(1).and_then(|before| members.get(before));
    if members.len() == 1 && !has_comments(text, object, member) {
        // Nothing but blanks would be left.
        return vec![Splice::delete(object.at.start + 1..object.at.end - 1)];
    }
    let mut splices = Vec::new();
    let mut gone = member.key_at.start..member.value.at.end;
    match (member.comma, before) {
        (Some(comma), _) if place::last_comment(text, gone.end..comma).is_none() => {
            gone.end = comma + 1;
            splices.push(gone);
        }
        (Some(comma), _) => splices.extend([gone, comma..comma + 1]),
        // The last one without a comma: then the one before must not have one either.
        (
            None,
            Some(Member {
                comma: Some(comma), ..
            }),
        ) => {
            splices.extend([*comma..comma + 1, gone]);
        }
        (None, _) => splices.push(gone),
    }
    let previous_end = before.map_or(object.at.start + 1, |before| {
        before.comma.map_or(before.value.at.end, |comma| comma + 1)
    });
    splices
        .into_iter()
        .map(|range| {
            if range.start == member.key_at.start {
                let last = index + 1 == members.len();
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
        // end of its line. A remark in the lines of the member takes its place instead.
        (_, None) if last && !(own_line && remark_follows) => {
            match place::last_comment(text, previous_end..start) {
                None => previous_end..end,
                Some(comment) if comment.needs_line_end => place::blanks_before(text, start)..end,
                Some(comment) => comment.end..end,
            }
        }
        // The next member, or a remark, follows on the line and takes its place.
        (_, None) => start..place::blanks_after(text, end),
    }
}

/// Whether the object holds comments outside its only member.
fn has_comments(text: &[u8], object: &Value, member: &Member) -> bool {
    let value_end = member.value.at.end;
    let stretches = [
        object.at.start + 1..member.key_at.start,
        value_end..member.comma.unwrap_or(value_end),
        member.comma.map_or(value_end, |comma| comma + 1)..object.at.end - 1,
    ];
    stretches
        .into_iter()
        .any(|stretch| place::last_comment(text, stretch).is_some())
}
