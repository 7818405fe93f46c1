//! `auth`: who may log in, which clients there are, and what they were given. All of it is in one
//! record of the directory of secrets, which a running instance watches.

pub(crate) mod client;
pub(in crate::cli::cmd) mod owner;
pub(crate) mod set_password;
mod store;
pub(crate) mod tokens;

use std::time::{SystemTime, UNIX_EPOCH};

use onemcp::json::write;
use onemcp::now::UnixSeconds;

use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::terminal::readable;
use crate::shell::clock::rfc3339;

/// This moment.
fn now() -> UnixSeconds {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixSeconds(age.map_or(0, |age| age.as_secs()))
}

/// `2026-11-22T14:00:00Z`.
fn moment(at: UnixSeconds) -> String {
    rfc3339(at.0.saturating_mul(1000)).replace(".000Z", "Z")
}

/// The same for a table: `2026-11-22 14:00`.
fn shown(at: UnixSeconds) -> String {
    let text = moment(at);
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// The one operand of a command.
fn one<'a>(
    line: &'a Line,
    command: &str,
    what: &str,
) -> Result<std::borrow::Cow<'a, str>, Failure> {
    match &line.operands[..] {
        [one] if !one.is_empty() => Ok(one.to_string_lossy()),
        [_, _, ..] => Err(Failure::Usage(format!("{command} takes one {what}"))),
        _ => Err(Failure::Usage(format!("{command} needs {what}"))),
    }
}

/// What a command has done: a text, or one JSON document whose values are JSON.
fn tell(line: &Line, text: &str, members: &[(&str, String)]) -> Result<(), Failure> {
    if !line.is_set("json") {
        return out::result(&format!("{}\n", crate::cli::terminal::readable_lines(text)));
    }
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{}:{value}", write::string(key)))
        .collect();
    out::result(&format!("{{{}}}\n", members.join(",")))
}

/// A name of a stranger in a sentence.
fn quoted(name: &str) -> String {
    readable(name)
}
