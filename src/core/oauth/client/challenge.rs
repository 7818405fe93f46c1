//! `WWW-Authenticate` (RFC 9110 section 11.6.1), as far as the Bearer scheme has something to say
//! to us (RFC 6750 section 3, RFC 9728 section 5.1). Never fails: what is garbled counts as absent,
//! for then the documents at the well-known places say the same.

/// What the Bearer challenges say. Of a parameter that stands several times the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bearer {
    /// Where the server's metadata are.
    pub(super) resource_metadata: Option<String>,
    /// The scopes that the request needs.
    pub(super) scope: Option<String>,
    /// A code such as `insufficient_scope`.
    pub(super) error: Option<String>,
}

/// Reads the values of all fields of this name. `None`: none speaks of the Bearer scheme.
pub(super) fn bearer(fields: &[String]) -> Option<Bearer> {
    let mut found = None;
    for field in fields {
        let mut reader = Reader {
            rest: field.as_bytes(),
            is_bearer: false,
        };
        while let Some(part) = reader.next() {
            match part {
                Part::Scheme => {}
                Part::Bearer => {
                    found.get_or_insert_with(Bearer::default);
                }
                Part::Parameter(name, value) => {
                    let bearer = found.get_or_insert_with(Bearer::default);
                    let place = match name.to_ascii_lowercase().as_str() {
                        "resource_metadata" => &mut bearer.resource_metadata,
                        "scope" => &mut bearer.scope,
                        "error" => &mut bearer.error,
                        _ => continue,
                    };
                    place.get_or_insert(value);
                }
            }
        }
    }
    found
}

/// One piece of a list of challenges.
enum Part {
    /// Another scheme begins; its parameters are not told.
    Scheme,
    /// The Bearer scheme begins.
    Bearer,
    /// A parameter of the Bearer scheme.
    Parameter(String, String),
}

struct Reader<'a> {
    rest: &'a [u8],
    is_bearer: bool,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Part> {
        loop {
            self.skip(|byte| is_blank(byte) || byte == b',');
            if self.rest.is_empty() {
                return None;
            }
            let word = self.word();
            if word.is_empty() {
                // A quoted string without a name, or a character that stands nowhere.
                let _stray = self.value();
                continue;
            }
            let before = self.rest;
            self.skip(is_blank);
            if let Some(value) = self.assigned() {
                if self.is_bearer {
                    return Some(Part::Parameter(text(word), value));
                }
                continue;
            }
            self.rest = before;
            self.token68();
            self.is_bearer = word.eq_ignore_ascii_case(b"bearer");
            return Some(if self.is_bearer {
                Part::Bearer
            } else {
                Part::Scheme
            });
        }
    }

    /// `=` and a value behind it; nothing is taken if there is none, for then it is the padding of
    /// a token68.
    fn assigned(&mut self) -> Option<String> {
        let [b'=', after @ ..] = self.rest else {
            return None;
        };
        let first = after.iter().find(|byte| !is_blank(**byte))?;
        if !is_word(*first) && *first != b'"' {
            return None;
        }
        self.rest = after;
        self.skip(is_blank);
        self.value()
    }

    /// A word, or a quoted string; an unfinished one goes to the end.
    fn value(&mut self) -> Option<String> {
        let [b'"', after @ ..] = self.rest else {
            let word = text(self.word());
            if word.is_empty() {
                self.rest = self.rest.get(1..).unwrap_or_default();
            }
            return Some(word);
        };
        self.rest = after;
        let mut out = Vec::new();
        while let [byte, after @ ..] = self.rest {
            self.rest = after;
            match byte {
                b'"' => break,
                b'\\' => {
                    let [escaped, after @ ..] = self.rest else {
                        break;
                    };
                    out.push(*escaped);
                    self.rest = after;
                }
                byte => out.push(*byte),
            }
        }
        Some(text(&out))
    }

    /// What may stand behind a scheme instead of parameters (`Negotiate abc==`).
    fn token68(&mut self) {
        let before = self.rest;
        self.skip(is_blank);
        if self.word().is_empty() {
            return;
        }
        let behind = self.rest;
        self.skip(is_blank);
        if self.assigned().is_some() {
            self.rest = before;
            return;
        }
        self.rest = behind;
        self.skip(|byte| byte == b'=');
    }

    fn word(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !is_word(*byte));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn skip(&mut self, what: impl Fn(u8) -> bool) {
        while let [byte, after @ ..] = self.rest
            && what(*byte)
        {
            self.rest = after;
        }
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Of a token, of a token68 without its padding, or of a value that should have been quoted and was
/// not (`resource_metadata=https://a/b`, as some servers write it).
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'=' | b';' | b'\\')
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&str]) -> Option<(String, String, String)> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        bearer(&fields).map(|bearer| {
            (
                text(bearer.resource_metadata),
                text(bearer.scope),
                text(bearer.error),
            )
        })
    }

    #[test]
    fn rfc9110_11_6_1_challenges_are_read_in_every_form() {
        for (fields, expected) in [
            (&["Bearer"][..], Some(("-", "-", "-"))),
            (&["bEaReR realm=\"x\""], Some(("-", "-", "-"))),
            (&[], None),
            (&["Basic realm=\"a\", scope=\"b\""], None),
            (
                &["Bearer resource_metadata=\"https://a/b\", scope=\"x y\", error=invalid_token"],
                Some(("https://a/b", "x y", "invalid_token")),
            ),
            // Several schemes in one field, and in several fields.
            (
                &["Newauth realm=\"apps\", type=1, Bearer scope=\"a\", Basic scope=\"no\""],
                Some(("-", "a", "-")),
            ),
            (
                &["Basic realm=x", "Bearer scope=a", "DPoP scope=b"],
                Some(("-", "a", "-")),
            ),
            // A token68 is not a parameter, and what follows it is.
            (&["Negotiate YII+/=, Bearer scope=a"], Some(("-", "a", "-"))),
            (&["Negotiate abc==,Bearer error=e"], Some(("-", "-", "e"))),
            // Blanks, names in any case, escapes, commas in quotes, empty elements.
            (
                &[", ,Bearer  SCOPE = \"a \\\"b\\\\, c\" ,, Error\t=\te"],
                Some(("-", "a \"b\\, c", "e")),
            ),
            // The first counts, and a second Bearer adds what the first does not say.
            (
                &["Bearer scope=a, scope=b", "Bearer scope=c, error=d"],
                Some(("-", "a", "d")),
            ),
            // Not quoted although it had to be.
            (
                &["Bearer resource_metadata=https://a:1/b?c, scope=a"],
                Some(("https://a:1/b?c", "a", "-")),
            ),
            // Garbled.
            (&["Bearer scope=\"a"], Some(("-", "a", "-"))),
            (&["Bearer scope="], Some(("-", "-", "-"))),
            (&["Bearer scope=, error=x"], Some(("-", "-", "x"))),
            (&["=,\"x\" \\ Bearer scope=a"], Some(("-", "a", "-"))),
            (&["scope=a, Bearer"], Some(("-", "-", "-"))),
        ] {
            let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
            assert_eq!(read(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn rfc9110_11_6_1_a_field_cut_anywhere_is_read_without_panic() {
        let field = "Basic x==, Bearer a=\"b\\\"c\", resource_metadata = \"https://a/\" , error=e";
        for end in 0..field.len() {
            let _read = read(&[field.get(..end).unwrap()]);
        }
    }
}
