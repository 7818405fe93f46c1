//! Checks JSON values against definitions of the protocol's official schemas. Knows the keywords
//! that these schemas use; any other is an error, so that nothing passes for not being understood.

use std::path::Path;

use serde_json::Value;

/// The schema of one revision.
pub(crate) struct Schema(Value);

/// Keywords that restrict nothing.
const SILENT: &[&str] = &["description", "title", "default", "$schema"];

impl Schema {
    /// The schema of a revision such as `2026-07-28`.
    #[track_caller]
    pub(crate) fn of(revision: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema");
        let text = std::fs::read_to_string(dir.join(format!("{revision}.json"))).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// Whether there is such a definition.
    pub(crate) fn has(&self, definition: &str) -> bool {
        self.0["$defs"].get(definition).is_some()
    }

    /// The first complaint about `value` as a `definition`.
    pub(crate) fn check(&self, definition: &str, value: &Value) -> Result<(), String> {
        let schema = self.0["$defs"].get(definition);
        let schema = schema.ok_or_else(|| format!("no definition {definition}"))?;
        self.walk(schema, value, definition)
    }

    fn walk(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let keywords = schema.as_object().ok_or(format!("{at}: no schema"))?;
        for (keyword, wanted) in keywords {
            let wrong = || format!("{at}: {value} is not {keyword} {wanted}");
            let good = match keyword.as_str() {
                "$ref" => {
                    let name = wanted
                        .as_str()
                        .and_then(|name| name.strip_prefix("#/$defs/"));
                    self.check(name.ok_or_else(wrong)?, value)
                        .map_err(|why| format!("{at} > {why}"))?;
                    true
                }
                "anyOf" => {
                    self.any(wanted, value, at)?;
                    true
                }
                "allOf" => {
                    for part in wanted.as_array().into_iter().flatten() {
                        self.walk(part, value, at)?;
                    }
                    true
                }
                "type" => match wanted {
                    Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                    kind => is(kind, value),
                },
                "const" => value == wanted,
                "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
                "required" => {
                    let names = wanted.as_array().into_iter().flatten();
                    let mut names = names.filter_map(Value::as_str);
                    !value.is_object() || names.all(|name| value.get(name).is_some())
                }
                "minimum" => value.as_f64() >= wanted.as_f64() || !value.is_number(),
                "maximum" => value.as_f64() <= wanted.as_f64() || !value.is_number(),
                "maxItems" => {
                    let length = value.as_array().map_or(0, Vec::len);
                    u64::try_from(length).ok() <= wanted.as_u64()
                }
                "format" => formatted(wanted, value),
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.walk(wanted, item, &format!("{at}[{number}]"))?;
                    }
                    true
                }
                "properties" => {
                    for (name, part) in wanted.as_object().into_iter().flatten() {
                        if let Some(member) = value.get(name) {
                            self.walk(part, member, &format!("{at}.{name}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    self.others(schema, wanted, value, at)?;
                    true
                }
                silent => SILENT.contains(&silent),
            };
            if !good {
                return Err(wrong());
            }
        }
        Ok(())
    }

    fn any(&self, parts: &Value, value: &Value, at: &str) -> Result<(), String> {
        let mut complaints = Vec::new();
        for part in parts.as_array().into_iter().flatten() {
            match self.walk(part, value, at) {
                Ok(()) => return Ok(()),
                Err(why) => complaints.push(why),
            }
        }
        Err(format!("{at}: none of: {}", complaints.join("; ")))
    }

    fn others(&self, schema: &Value, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
        let others = value.as_object().into_iter().flatten();
        for (name, member) in others.filter(|(name, _)| schema["properties"].get(name).is_none()) {
            match rule {
                Value::Bool(true) => {}
                Value::Bool(false) => return Err(format!("{at}: {name} may not be there")),
                rule => self.walk(rule, member, &format!("{at}.{name}"))?,
            }
        }
        Ok(())
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn formatted(format: &Value, value: &Value) -> bool {
    let Some(text) = value.as_str() else {
        return true;
    };
    match format.as_str() {
        Some("uri") => text.split_once(':').is_some_and(|(scheme, _)| {
            let tail = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            !scheme.is_empty() && scheme.bytes().all(tail) && !text.contains(' ')
        }),
        Some("uri-template") => !text.contains(' '),
        Some("byte") => text.len().is_multiple_of(4),
        _ => false,
    }
}
