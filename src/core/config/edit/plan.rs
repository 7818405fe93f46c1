//! From an edit to the splices that make it.

use super::super::jsonc::{self, Dialect, Kind, Value, Why};
use super::path::{self, Found, Step, expected, find};
use super::value::{New, new_document, replace};
use super::{EditError, Splice, insert, layout, remove};
use crate::json::write;

pub(super) fn set_splices(
    text: &[u8],
    path: &[Step<'_>],
    value_json: &str,
) -> Result<Vec<Splice>, EditError> {
    if path.is_empty() {
        return Err(EditError::EmptyPath);
    }
    let value = New::parse(value_json)?;
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == Why::Empty => return new_document(text, path, &value),
        Err(error) => return Err(EditError::NotJson(error.locate(text))),
    };
    put(text, &root, path, &value)
}

/// A value at a place that exists or not, in a document that does.
fn put(
    text: &[u8],
    root: &Value,
    path: &[Step<'_>],
    value: &New,
) -> Result<Vec<Splice>, EditError> {
    let layout = layout::detect(text, root);
    match find(text, root, path)? {
        Found::Root => Err(EditError::EmptyPath),
        // What is there already keeps its layout and its comments.
        Found::Item { value: old, .. } if value.is(text, old) => Ok(Vec::new()),
        Found::Item {
            value: old, own, ..
        } => Ok(vec![replace(text, old, own, value, &layout)]),
        Found::Nothing {
            container,
            own,
            rest,
        } => {
            let (key, inner) = first_key(rest)?;
            let value = value.inside(inner)?;
            let new = insert::NewItem {
                key: Some(key),
                value: &value,
            };
            Ok(insert::item(text, container, own, &new, &layout))
        }
    }
}

pub(super) fn append_splices(
    text: &[u8],
    path: &[Step<'_>],
    value_json: &str,
) -> Result<Vec<Splice>, EditError> {
    let value = New::parse(value_json)?;
    let alone = || New::parse(&format!("[{value_json}]"));
    let root = match jsonc::parse(text, Dialect::Relaxed) {
        Ok(root) => root,
        Err(error) if error.why == Why::Empty => return new_document(text, path, &alone()?),
        Err(error) => return Err(EditError::NotJson(error.locate(text))),
    };
    let (array, own) = match find(text, &root, path)? {
        Found::Root => (&root, true),
        Found::Item { value, own, .. } => (value, own),
        Found::Nothing { .. } => return put(text, &root, path, &alone()?),
    };
    if !matches!(array.kind, Kind::Array(_)) {
        return Err(EditError::NotAnArray(expected(text, "an array", array)));
    }
    let layout = layout::detect(text, &root);
    let new = insert::NewItem {
        key: None,
        value: &value,
    };
    Ok(insert::item(text, array, own, &new, &layout))
}

pub(super) fn remove_splices(text: &[u8], path: &[Step<'_>]) -> Result<Vec<Splice>, EditError> {
    let root = jsonc::parse(text, Dialect::Relaxed)
        .map_err(|error| EditError::NotJson(error.locate(text)))?;
    match find(text, &root, path)? {
        Found::Root => Err(EditError::EmptyPath),
        Found::Item {
            container, index, ..
        } => Ok(remove::item(text, container, index)),
        Found::Nothing { rest, .. } => {
            let (key, _) = first_key(rest)?;
            Err(EditError::Missing(key.to_owned()))
        }
    }
}

pub(super) fn rename_splices(
    text: &[u8],
    path: &[Step<'_>],
    key: &str,
) -> Result<Vec<Splice>, EditError> {
    let root = jsonc::parse(text, Dialect::Relaxed)
        .map_err(|error| EditError::NotJson(error.locate(text)))?;
    let (container, index) = match find(text, &root, path)? {
        Found::Root => return Err(EditError::EmptyPath),
        Found::Item {
            container, index, ..
        } => (container, index),
        Found::Nothing { rest, .. } => {
            let (key, _) = first_key(rest)?;
            return Err(EditError::Missing(key.to_owned()));
        }
    };
    let Some(member) = container.members().get(index) else {
        let error = expected(text, "an object", container);
        return Err(EditError::NotAnObject(error));
    };
    if member.key == key {
        return Ok(Vec::new());
    }
    if let Some(other) = container.members().iter().find(|other| other.key == key) {
        let message = format!("there is a {key:?} already");
        let error = path::error(text, other.key_at.start, message);
        return Err(EditError::Taken(error));
    }
    Ok(vec![Splice {
        range: member.key_at.range(),
        text: write::string(key),
    }])
}

/// The key that is missing and what would come below it. An array gets no elements that way.
fn first_key<'p>(rest: &'p [Step<'p>]) -> Result<(&'p str, &'p [Step<'p>]), EditError> {
    match rest.split_first() {
        Some((Step::Key(key), inner)) => Ok((key, inner)),
        Some((Step::Index(index), _)) => Err(EditError::NoElement(*index)),
        None => Err(EditError::EmptyPath),
    }
}
