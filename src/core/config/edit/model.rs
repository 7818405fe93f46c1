//! What an edit means, on a plain tree: the yardstick for the splices, used by tests and fuzzing.
//!
//! For every text and edit: `parse(edit(text)) == edit(parse(text))`.

use super::super::jsonc::{self, Dialect, Kind, Value};
use std::ops::Range;

use super::path::{Found, find, items, steps};
use super::{
    EditError, Splice, Step, append_element, append_splices, layout, remove, remove_splices,
    rename, rename_splices, set, set_splices,
};

/// A value without positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Plain {
    pub(super) fn of(text: &[u8], value: &Value) -> Self {
        match &value.kind {
            Kind::Null => Self::Null,
            Kind::Bool(is) => Self::Bool(*is),
            Kind::Number => Self::Number(String::from_utf8_lossy(value.at.of(text)).into_owned()),
            Kind::String(string) => Self::String(string.clone()),
            Kind::Array(elements) => {
                Self::Array(elements.iter().map(|value| Self::of(text, value)).collect())
            }
            Kind::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone(), Self::of(text, &member.value)))
                    .collect(),
            ),
        }
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let value = jsonc::parse(text, Dialect::Relaxed).ok()?;
        Some(Self::of(text, &value))
    }

    /// The value at a path that exists, which is made if it may be.
    fn at(&mut self, path: &[Step<'_>], make: bool) -> Option<&mut Self> {
        let Some((step, rest)) = path.split_first() else {
            return Some(self);
        };
        let inner = match (self, step) {
            (Self::Object(members), Step::Key(key)) => {
                let index = match members.iter().position(|(name, _)| name == key) {
                    Some(index) => index,
                    None if make => {
                        members.push(((*key).to_owned(), Self::Object(Vec::new())));
                        members.len() - 1
                    }
                    None => return None,
                };
                &mut members.get_mut(index)?.1
            }
            (Self::Array(elements), Step::Index(index)) => elements.get_mut(*index)?,
            _ => return None,
        };
        inner.at(rest, make)
    }

    /// Does what is meant.
    fn edit(&mut self, edit: &Edit<'_>) -> Option<()> {
        match edit {
            Edit::Set(path, json) => *self.at(path, true)? = Self::parse(json.as_bytes())?,
            Edit::Append(path, json) => {
                let value = Self::parse(json.as_bytes())?;
                let place = self.at(path, true)?;
                match place {
                    Self::Array(elements) => elements.push(value),
                    // Made just now.
                    _ => *place = Self::Array(vec![value]),
                }
            }
            Edit::Remove(path) => {
                let (last, outer) = path.split_last()?;
                match (self.at(outer, false)?, last) {
                    (Self::Object(members), Step::Key(key)) => {
                        members.retain(|(name, _)| name != key);
                    }
                    (Self::Array(elements), Step::Index(index)) => drop(elements.remove(*index)),
                    _ => return None,
                }
            }
            Edit::Rename(path, new) => {
                let (Step::Key(old), outer) = path.split_last()? else {
                    return None;
                };
                let Self::Object(members) = self.at(outer, false)? else {
                    return None;
                };
                let (name, _) = members.iter_mut().find(|(name, _)| name == old)?;
                (*new).clone_into(name);
            }
        }
        Some(())
    }
}

/// Any of the edits.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Edit<'a> {
    /// [`super::set`].
    Set(&'a [Step<'a>], &'a str),
    /// [`super::remove`].
    Remove(&'a [Step<'a>]),
    /// [`super::append_element`].
    Append(&'a [Step<'a>], &'a str),
    /// [`super::rename`].
    Rename(&'a [Step<'a>], &'a str),
}

/// Makes an edit and checks everything that must hold of it; `None` if the text cannot be edited.
pub(in super::super) fn checked(text: &[u8], edit: &Edit<'_>) -> Option<Vec<u8>> {
    let (splices, edited) = match edit {
        Edit::Set(path, json) => (set_splices(text, path, json), set(text, path, json)),
        Edit::Remove(path) => (remove_splices(text, path), remove(text, path)),
        Edit::Append(path, json) => (
            append_splices(text, path, json),
            append_element(text, path, json),
        ),
        Edit::Rename(path, key) => (rename_splices(text, path, key), rename(text, path, key)),
    };
    let edited = match edited {
        Ok(edited) => edited,
        Err(error) => return refused(text, edit, &error),
    };
    check_untouched(text, edit, &splices.unwrap_or_default());
    let mut model = Plain::parse(text).unwrap_or(Plain::Object(Vec::new()));
    let done = match edit {
        // A document that was empty and now is an array.
        Edit::Append([], json) if Plain::parse(text).is_none() => {
            model = Plain::Array(Plain::parse(json.as_bytes()).into_iter().collect());
            Some(())
        }
        _ => model.edit(edit),
    };
    assert!(done.is_some(), "{edit:?} {}", show(text, &edited));
    assert_eq!(
        Plain::parse(&edited),
        Some(model),
        "{edit:?} {}",
        show(text, &edited)
    );
    Some(edited)
}

/// The checked edit, with keys alone.
pub(in super::super) fn checked_set(text: &[u8], path: &[&str], json: &str) -> Option<Vec<u8>> {
    checked(text, &Edit::Set(&steps(path), json))
}

/// The same for a removal.
pub(in super::super) fn checked_remove(text: &[u8], path: &[&str]) -> Option<Vec<u8>> {
    checked(text, &Edit::Remove(&steps(path)))
}

fn refused(text: &[u8], edit: &Edit<'_>, error: &EditError) -> Option<Vec<u8>> {
    let readable = Plain::parse(text).is_some();
    match error {
        EditError::NotJson(_) => assert!(!readable, "{error}"),
        // Neither needs to look at the document.
        EditError::EmptyPath | EditError::NoElement(_) => {}
        EditError::BadValue(_) => assert!(matches!(edit, Edit::Set(..) | Edit::Append(..))),
        EditError::TooMuch(_) => {}
        _ => assert!(readable, "{error}"),
    }
    None
}

/// Splices are in order; nothing goes but what was meant, with blanks and a comma; every line end
/// that comes is one of the file's.
fn check_untouched(text: &[u8], edit: &Edit<'_>, splices: &[Splice]) {
    let mut at = 0;
    let line_end = layout::line_end(text);
    for Splice { range, text: new } in splices {
        assert!(at <= range.start && range.start <= range.end && range.end <= text.len());
        at = range.end;
        assert!(
            !new.replace(line_end, "").contains(['\r', '\n']),
            "{edit:?}"
        );
    }
    let meant = meant(text, edit);
    for Splice { range, text: new } in splices {
        let inner = meant.start.max(range.start)..meant.end.min(range.end);
        let blank = |range: Range<usize>| {
            let mut bytes = text.get(range).unwrap_or_default().iter();
            bytes.all(|byte| byte.is_ascii_whitespace() || *byte == b',')
        };
        let small = if inner.is_empty() {
            blank(range.clone())
        } else {
            assert!(new.is_empty() || *range == meant, "{edit:?}");
            blank(range.start..inner.start) && blank(inner.end..range.end)
        };
        assert!(small, "{edit:?} takes {range:?} of {}", show(text, b""));
    }
}

/// What an edit takes away or replaces: an item, a value, or nothing.
fn meant(text: &[u8], edit: &Edit<'_>) -> Range<usize> {
    let Ok(root) = jsonc::parse(text, Dialect::Relaxed) else {
        return 0..0;
    };
    let (Edit::Set(path, _) | Edit::Remove(path) | Edit::Append(path, _) | Edit::Rename(path, _)) =
        edit;
    let Ok(Found::Item {
        container,
        index,
        value,
        ..
    }) = find(text, &root, path)
    else {
        return 0..0;
    };
    let start = items(text, container)
        .get(index)
        .map_or(0, |item| item.start);
    match edit {
        Edit::Set(..) => value.at.range(),
        Edit::Remove(_) => start..value.at.end,
        Edit::Append(..) => 0..0,
        Edit::Rename(..) => container
            .members()
            .get(index)
            .map_or(0..0, |member| member.key_at.range()),
    }
}

/// Makes an edit, then all that should follow from it: the same again changes nothing, and what is
/// new goes without a trace.
pub(in super::super) fn checked_twice(text: &[u8], edit: &Edit<'_>) -> Option<Vec<u8>> {
    let edited = checked(text, edit)?;
    let made = match edit {
        Edit::Set(path, _) => {
            let again = checked(&edited, edit);
            assert!(again.as_ref() == Some(&edited), "{}", show(text, &edited));
            made(text, path, false)
        }
        Edit::Append(path, _) => made(text, path, true),
        Edit::Remove(_) | Edit::Rename(..) => None,
    };
    if let Some((path, was_blank)) = made {
        let back = checked(&edited, &Edit::Remove(&path));
        let back = back.unwrap_or_default();
        let shown = String::from_utf8_lossy(&edited);
        assert!(
            back == text || was_blank,
            "{edit:?}, by way of\n{shown}\n{}",
            show(text, &back)
        );
    }
    if let Edit::Rename([outer @ .., Step::Key(old)], new) = edit {
        let renamed = [outer, &[Step::Key(new)][..]].concat();
        let back = checked(&edited, &Edit::Rename(&renamed, old)).unwrap_or_default();
        assert_eq!(Plain::parse(&back), Plain::parse(text), "{edit:?}");
    }
    Some(edited)
}

/// The outermost item that an edit adds, and whether its container held blanks alone: those go with
/// the item.
fn made<'a>(text: &[u8], path: &[Step<'a>], appends: bool) -> Option<(Vec<Step<'a>>, bool)> {
    let root = jsonc::parse(text, Dialect::Relaxed).ok()?;
    let element = |array| {
        let end = [Step::Index(items(text, array).len())];
        [path, &end[..]].concat()
    };
    let (container, made) = match find(text, &root, path).ok()? {
        Found::Nothing {
            container, rest, ..
        } => {
            let depth = path.len() - rest.len() + 1;
            (container, path.get(..depth)?.to_vec())
        }
        Found::Root if appends => (&root, element(&root)),
        Found::Item { value, .. } if appends => (value, element(value)),
        Found::Root | Found::Item { .. } => return None,
    };
    let inside = text.get(container.at.start + 1..container.at.end - 1)?;
    let was_blank = !inside.is_empty() && inside.iter().all(u8::is_ascii_whitespace);
    Some((made, was_blank))
}

fn show(text: &[u8], edited: &[u8]) -> String {
    format!(
        "\n{}\n---\n{}",
        String::from_utf8_lossy(text),
        String::from_utf8_lossy(edited)
    )
}
