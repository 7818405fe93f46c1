//! The fields of one head: one buffer with the text of the head, and where in it each name and
//! value lies.

use std::ops::Range;

use crate::http1::reject::Reject;

/// Where one field lies in the head.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// The fields of one head. Names are compared without regard to ASCII case.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    text: Box<str>,
    fields: Vec<Field>,
}

/// Fields that have one value; a second line of one of them is refused, since two readers could
/// take one each.
const SINGLETONS: [&str; 10] = [
    "authorization",
    "content-length",
    "content-type",
    "expect",
    "host",
    "last-event-id",
    "origin",
    "access-control-request-method",
    "transfer-encoding",
    "content-encoding",
];

/// All fields of this family have one value too.
const SINGLETON_PREFIX: &str = "mcp-";

/// The same for responses. Here a second line that says the same is harmless.
const RESPONSE_SINGLETONS: [&str; 5] = [
    "content-encoding",
    "content-length",
    "content-type",
    "location",
    "transfer-encoding",
];

fn is_singleton(name: &[u8], of: &[&str]) -> bool {
    let is = |one: &&str| name.eq_ignore_ascii_case(one.as_bytes());
    of.iter().any(is)
        || name
            .get(..SINGLETON_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(SINGLETON_PREFIX.as_bytes()))
}

impl Headers {
    /// Takes the text of a head over, in which these fields were found.
    ///
    /// # Errors
    /// 400 if a field that has one value comes twice.
    pub(crate) fn new(head: &[u8], fields: Vec<Field>) -> Result<Self, Reject> {
        let headers = Self::read(head, fields);
        if headers.repeats_a_singleton() {
            return Err(Reject::bad(
                "a header field that may occur once occurs twice",
            ));
        }
        Ok(headers)
    }

    /// The same for a response.
    ///
    /// # Errors
    /// If a field that has one value comes twice with two values.
    pub(crate) fn of_response(head: &[u8], fields: Vec<Field>) -> Result<Self, Reject> {
        let headers = Self::read(head, fields);
        let differs = |field: &Field| {
            let value = headers.text(&field.value);
            let name = headers.text(&field.name);
            is_singleton(name.as_bytes(), &RESPONSE_SINGLETONS) && headers.get(name) != Some(value)
        };
        if headers.fields.iter().any(differs) {
            return Err(Reject::bad("a header field that has one value has two"));
        }
        Ok(headers)
    }

    fn read(head: &[u8], fields: Vec<Field>) -> Self {
        let text = match std::str::from_utf8(head) {
            Ok(text) => text.into(),
            // Bytes above ASCII are opaque (RFC 9110 section 5.5) and nothing that we compare has
            // any; `?` keeps the ranges right and makes such a value equal to nothing.
            Err(_) => head
                .iter()
                .map(|byte| {
                    if byte.is_ascii() {
                        char::from(*byte)
                    } else {
                        '?'
                    }
                })
                .collect::<String>()
                .into(),
        };
        Self { text, fields }
    }

    /// The value of the field, the first if there are several lines (only fields that are lists
    /// can have several).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all lines of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |field| self.is_named(field, name))
            .map(|field| self.text(&field.value))
    }

    /// Lengths differ nearly always, so they are compared first.
    #[inline]
    fn is_named(&self, field: &Field, name: &str) -> bool {
        field.name.len() == name.len() && self.name(field).eq_ignore_ascii_case(name.as_bytes())
    }

    #[inline]
    fn name(&self, field: &Field) -> &[u8] {
        let bytes = self.text.as_bytes();
        bytes.get(field.name.clone()).unwrap_or_default()
    }

    /// A piece of the head; empty if there is none at this place.
    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The elements of a field that is a list, over all of its lines, blanks trimmed, empty ones
    /// left out (RFC 9110 section 5.6.1). Commas inside quoted strings split too.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(|element| element.trim_matches([' ', '\t']))
            .filter(|element| !element.is_empty())
    }

    /// Whether a list has this element, compared without regard to ASCII case.
    #[must_use]
    pub fn list_has(&self, name: &str, element: &str) -> bool {
        self.list(name).any(|one| one.eq_ignore_ascii_case(element))
    }

    /// The fields whose names begin like this (and go on), as they were written. `prefix` ends in
    /// a hyphen.
    pub fn family(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let prefix = prefix.as_bytes();
        // Families end in a hyphen, and few other names have one there.
        let last = prefix.len().saturating_sub(1);
        self.fields
            .iter()
            .filter(move |field| {
                let name = self.name(field);
                name.len() > prefix.len()
                    && name.get(last) == prefix.last()
                    && name
                        .get(..prefix.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
            .map(|field| (self.text(&field.name), self.text(&field.value)))
    }

    /// All fields in order, names as they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|field| (self.text(&field.name), self.text(&field.value)))
    }

    /// How many field lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn repeats_a_singleton(&self) -> bool {
        let repeats = |index: usize, field: &Field| {
            let mut earlier = self.fields.iter().take(index);
            earlier.any(|one| {
                one.name.len() == field.name.len()
                    && self.name(one).eq_ignore_ascii_case(self.name(field))
            })
        };
        let mut fields = self.fields.iter().enumerate();
        fields.any(|(index, field)| {
            repeats(index, field) && is_singleton(self.name(field), &SINGLETONS)
        })
    }

    /// Fields for a test, without the rules of a head.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let (mut text, mut fields) = (String::new(), Vec::new());
        for (name, value) in pairs {
            let start = text.len();
            text.push_str(name);
            let middle = text.len();
            text.push_str(value);
            fields.push(Field {
                name: start..middle,
                value: middle..text.len(),
            });
        }
        Self {
            text: text.into(),
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_5_1_names_are_case_insensitive() {
        let headers = Headers::of(&[
            ("Content-Type", "a/b"),
            ("ACCEPT", "x, y"),
            ("accept", ",z "),
        ]);
        assert_eq!(headers.get("content-type"), Some("a/b"));
        assert_eq!(headers.get("content-typ"), None);
        assert_eq!(headers.list("Accept").collect::<Vec<_>>(), ["x", "y", "z"]);
        assert!(headers.list_has("accept", "Z") && !headers.list_has("accept", "q"));
        assert_eq!((headers.len(), headers.is_empty()), (3, false));
    }

    #[test]
    fn rfc9110_5_3_singletons_may_not_repeat() {
        for name in [
            "Host",
            "ORIGIN",
            "Mcp-Session-Id",
            "mcp-param-x",
            "Transfer-Encoding",
        ] {
            let headers = Headers::of(&[(name, "a"), ("x", "y"), (&name.to_lowercase(), "a")]);
            assert!(headers.repeats_a_singleton(), "{name}");
        }
        let headers = Headers::of(&[("accept", "a"), ("accept", "a"), ("mcp-", "a"), ("x", "b")]);
        assert!(!headers.repeats_a_singleton());
    }

    #[test]
    fn rfc9110_5_3_a_response_may_repeat_what_it_said_but_not_contradict_it() {
        let of = |pairs: &[(&str, &str)]| {
            let Headers { text, fields } = Headers::of(pairs);
            Headers::of_response(text.as_bytes(), fields).map(|headers| headers.len())
        };
        for name in [
            "Content-Length",
            "LOCATION",
            "mcp-session-id",
            "Content-Type",
        ] {
            assert_eq!(
                of(&[(name, "1"), ("x", "y"), (&name.to_lowercase(), "1")]),
                Ok(3)
            );
            let why = of(&[(name, "1"), (name, "2")]).unwrap_err().why;
            assert_eq!(why, "a header field that has one value has two");
        }
        assert_eq!(
            of(&[
                ("set-cookie", "a"),
                ("set-cookie", "b"),
                ("host", "a"),
                ("host", "b")
            ]),
            Ok(4)
        );
    }
}
