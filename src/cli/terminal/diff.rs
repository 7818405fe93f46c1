//! What changed between two texts, line by line, in the unified form that `diff -u` and `git` use.
//!
//! Lines that stand exactly once in both texts are the anchors ("patience diff"); between them the
//! longest common sequence is looked for where that is cheap. So time and memory stay in bounds
//! for any two files: what is too different is shown as removed and added whole.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use super::{Ink, Terminal, readable};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// Cells of the table that looks for the longest common sequence.
const CELLS_MAX: usize = 1_000_000;
/// How often anchors are looked for between anchors.
const DEPTH_MAX: usize = 32;

/// The difference; empty if there is none. Control characters are made harmless.
pub(crate) fn diff(terminal: Terminal, old: &[u8], new: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let (old, new) = (lines(&old), lines(&new));
    let mut script = Script::default();
    compare(
        &Pair {
            old: &old,
            new: &new,
        },
        (0..old.len(), 0..new.len()),
        0,
        &mut script,
    );
    show(terminal, &old, &new, &script.changes)
}

/// Lines with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// What gives way to what, in order; everything between is equal.
#[derive(Default)]
struct Script {
    changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

impl Script {
    /// Changes that touch are one.
    fn push(&mut self, old: Range<usize>, new: Range<usize>) {
        if old.is_empty() && new.is_empty() {
            return;
        }
        match self.changes.last_mut() {
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                last.old.end = old.end;
                last.new.end = new.end;
            }
            Some(_) | None => self.changes.push(Change { old, new }),
        }
    }
}

struct Pair<'a> {
    old: &'a [&'a str],
    new: &'a [&'a str],
}

impl Pair<'_> {
    fn same(&self, old: usize, new: usize) -> bool {
        match (self.old.get(old), self.new.get(new)) {
            (Some(old), Some(new)) => old == new,
            _ => false,
        }
    }
}

fn compare(
    pair: &Pair<'_>,
    (mut old, mut new): (Range<usize>, Range<usize>),
    depth: usize,
    script: &mut Script,
) {
    while !old.is_empty() && !new.is_empty() && pair.same(old.start, new.start) {
        old.start += 1;
        new.start += 1;
    }
    while !old.is_empty() && !new.is_empty() && pair.same(old.end - 1, new.end - 1) {
        old.end -= 1;
        new.end -= 1;
    }
    if old.is_empty() || new.is_empty() {
        return script.push(old, new);
    }
    let anchors = if depth < DEPTH_MAX {
        anchors(pair, &old, &new)
    } else {
        Vec::new()
    };
    let cheap = (old.len() + 1).saturating_mul(new.len() + 1) <= CELLS_MAX;
    let matches = match (anchors.is_empty(), cheap) {
        (true, false) => return script.push(old, new),
        (true, true) => longest_common(pair, &old, &new),
        (false, _) => anchors.clone(),
    };
    let mut from = (old.start, new.start);
    for (old_at, new_at) in matches {
        let between = (from.0..old_at, from.1..new_at);
        if anchors.is_empty() {
            script.push(between.0, between.1);
        } else {
            compare(pair, between, depth + 1, script);
        }
        from = (old_at + 1, new_at + 1);
    }
    let rest = (from.0..old.end, from.1..new.end);
    if anchors.is_empty() {
        script.push(rest.0, rest.1);
    } else {
        compare(pair, rest, depth + 1, script);
    }
}

/// Lines that stand once on each side, as many as keep their order on both.
fn anchors(pair: &Pair<'_>, old: &Range<usize>, new: &Range<usize>) -> Vec<(usize, usize)> {
    #[derive(Default)]
    struct Seen {
        old: Vec<usize>,
        new: Vec<usize>,
    }
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for at in old.clone() {
        if let Some(line) = pair.old.get(at) {
            seen.entry(line).or_default().old.push(at);
        }
    }
    for at in new.clone() {
        if let Some(line) = pair.new.get(at) {
            seen.entry(line).or_default().new.push(at);
        }
    }
    let mut unique: Vec<(usize, usize)> = seen
        .values()
        .filter_map(|seen| match (&seen.old[..], &seen.new[..]) {
            ([old], [new]) => Some((*old, *new)),
            _ => None,
        })
        .collect();
    unique.sort_unstable();
    longest_rising(&unique)
}

/// The longest part of the list whose second numbers rise (patience sorting).
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length the index of the pair that ends such a part with the smallest number.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let second = |index: &usize| pairs.get(*index).map_or(0, |pair| pair.1);
    for (index, (_, new)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| second(end) < *new);
        before.push(length.checked_sub(1).and_then(|at| ends.get(at).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut found = Vec::new();
    let mut at = ends.last().copied();
    while let Some(index) = at {
        found.extend(pairs.get(index));
        at = before.get(index).copied().flatten();
    }
    found.reverse();
    found
}

/// The longest common sequence, by the table of all lengths.
fn longest_common(pair: &Pair<'_>, old: &Range<usize>, new: &Range<usize>) -> Vec<(usize, usize)> {
    let wide = new.len() + 1;
    let mut lengths = vec![0u32; (old.len() + 1) * wide];
    let get = |lengths: &[u32], i: usize, j: usize| lengths.get(i * wide + j).copied().unwrap_or(0);
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let length = if pair.same(old.start + i, new.start + j) {
                get(&lengths, i + 1, j + 1) + 1
            } else {
                get(&lengths, i + 1, j).max(get(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * wide + j) {
                *cell = length;
            }
        }
    }
    let mut found = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() && j < new.len() {
        if pair.same(old.start + i, new.start + j) {
            found.push((old.start + i, new.start + j));
            i += 1;
            j += 1;
        } else if get(&lengths, i + 1, j) >= get(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

/// The changes in hunks, with what stands around them.
fn show(terminal: Terminal, old: &[&str], new: &[&str], changes: &[Change]) -> String {
    let mut out = String::new();
    let mut rest = changes;
    while let Some(first) = rest.first() {
        let near = |pair: &[Change]| match pair {
            [one, next] => next.old.start - one.old.end > 2 * CONTEXT,
            _ => false,
        };
        let count = rest
            .windows(2)
            .position(near)
            .map_or(rest.len(), |at| at + 1);
        let (hunk, later) = rest.split_at(count);
        let last = hunk.last().unwrap_or(first);
        let lead = first.old.start.min(CONTEXT);
        let trail = (old.len() - last.old.end).min(CONTEXT);
        let old_lines = first.old.start - lead..last.old.end + trail;
        let new_lines = first.new.start - lead..last.new.end + trail;
        let heading = format!("@@ -{} +{} @@", extent(&old_lines), extent(&new_lines));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", terminal.paint(Ink::Place, &heading));
        let mut at = old_lines.start;
        for change in hunk {
            push(&mut out, terminal, ' ', old.get(at..change.old.start));
            push(&mut out, terminal, '-', old.get(change.old.clone()));
            push(&mut out, terminal, '+', new.get(change.new.clone()));
            at = change.old.end;
        }
        push(&mut out, terminal, ' ', old.get(at..old_lines.end));
        rest = later;
    }
    out
}

/// `3,5`: five lines from the third; of no lines, the one before.
fn extent(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => (lines.start + 1).to_string(),
        count => format!("{},{count}", lines.start + 1),
    }
}

fn push(out: &mut String, terminal: Terminal, mark: char, lines: Option<&[&str]>) {
    for line in lines.unwrap_or_default() {
        let bare = line.strip_suffix('\n').unwrap_or(line);
        let bare = bare.strip_suffix('\r').unwrap_or(bare);
        // Indentation is worth seeing as it is in the file.
        let bare: Vec<String> = bare.split('\t').map(readable).collect();
        let bare = bare.join("\t");
        let shown = format!("{mark}{bare}");
        let shown = match mark {
            '-' => terminal.paint(Ink::Bad, &shown),
            '+' => terminal.paint(Ink::Good, &shown),
            _ => shown,
        };
        out.push_str(&shown);
        out.push('\n');
        if !line.ends_with('\n') {
            out.push_str("\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(old: &str, new: &str) -> String {
        diff(Terminal::plain(), old.as_bytes(), new.as_bytes())
    }

    fn numbered(count: usize, replaced: &[(usize, &str)]) -> String {
        let line = |at: usize| match replaced.iter().find(|(number, _)| *number == at) {
            Some((_, text)) => format!("{text}\n"),
            None => format!("line {at}\n"),
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn the_unified_form_with_three_lines_around() {
        let old = numbered(20, &[]);
        let new = numbered(20, &[(5, "new"), (17, "x\nz")]);
        assert_eq!(
            plain(&old, &new),
            "@@ -3,7 +3,7 @@\n line 2\n line 3\n line 4\n-line 5\n+new\n line 6\n line 7\n line 8\n\
             @@ -15,6 +15,7 @@\n line 14\n line 15\n line 16\n-line 17\n+x\n+z\n line 18\n line 19\n"
        );
        assert_eq!(plain(&old, &old), "");
        assert_eq!(plain("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(plain("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
    }

    #[test]
    fn changes_near_each_other_are_one_hunk() {
        let old = numbered(20, &[]);
        let one = plain(&old, &numbered(20, &[(5, "x"), (12, "y")]));
        assert_eq!(one.matches("@@ -").count(), 1, "{one}");
        let two = plain(&old, &numbered(20, &[(5, "x"), (13, "y")]));
        assert_eq!(two.matches("@@ -").count(), 2, "{two}");
    }

    #[test]
    fn the_missing_last_line_end_is_told() {
        assert_eq!(
            plain("a\nb", "a\nb\n"),
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"
        );
    }

    #[test]
    fn tabs_stay() {
        assert_eq!(plain("a\n", "\ta\x1b\n"), "@@ -1 +1 @@\n-a\n+\ta?\n");
    }

    #[test]
    fn colours_and_control_characters() {
        let text = diff(Terminal::wide(80), b"a\x1b[2J\r\n", b"b\n");
        assert_eq!(
            text,
            "\x1b[36m@@ -1 +1 @@\x1b[0m\n\x1b[31m-a?[2J\x1b[0m\n\x1b[32m+b\x1b[0m\n"
        );
    }

    /// What the hunks say, done to the old text, makes the new one.
    fn patch(old: &str, script: &str) -> String {
        let old: Vec<&str> = old.lines().collect();
        let mut out: Vec<&str> = Vec::new();
        let mut at = 0;
        for line in script.lines() {
            if let Some(place) = line.strip_prefix("@@ -") {
                let place = place.split([' ', ',']).next().unwrap();
                let start = place.parse::<usize>().unwrap().saturating_sub(1).max(at);
                let start = if line.contains(",0 +") {
                    at.max(place.parse().unwrap())
                } else {
                    start
                };
                out.extend(&old[at..start]);
                at = start;
            } else if let Some(added) = line.strip_prefix('+') {
                out.push(added);
            } else {
                assert_eq!(&line[1..], old[at], "{script}");
                out.extend(line.strip_prefix(' '));
                at += 1;
            }
        }
        out.extend(&old[at..]);
        out.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn any_two_texts_are_told_apart_rightly() {
        let mut state: u64 = 7;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..500 {
            let kinds = 2 + round % 20;
            let mut text = || -> String {
                (0..random(30))
                    .map(|_| format!("l{}\n", random(kinds)))
                    .collect()
            };
            let (old, new) = (text(), text());
            assert_eq!(patch(&old, &plain(&old, &new)), new, "{old}---\n{new}");
        }
    }

    #[test]
    fn ten_thousand_lines_of_any_kind_are_no_trouble() {
        let old = numbered(10_000, &[]);
        let new = numbered(10_000, &[(5_000, "x")]);
        assert_eq!(plain(&old, &new).lines().count(), 9);
        // Nothing in common, everything repeated, everything moved.
        let other: String = (0..10_000).map(|at| format!("other {at}\n")).collect();
        assert_eq!(plain(&old, &other).lines().count(), 20_001);
        let (a, b) = ("a\nb\n".repeat(5_000), "b\nc\na\n".repeat(3_000));
        assert_eq!(patch(&a, &plain(&a, &b)), b);
        let back: String = (0..10_000).rev().map(|at| format!("line {at}\n")).collect();
        assert_eq!(patch(&old, &plain(&old, &back)), back);
    }
}
