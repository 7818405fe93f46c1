//! Tasks as the two revisions that have them tell them (2025-11-25, and the extension of
//! 2026-07-28): the same facts under other names. Knows nobody and keeps nothing.

use crate::json::span::{Span, member, string};
use crate::json::write;
use crate::limits::{ID_BYTES_MAX, TASK_MESSAGE_BYTES_MAX, TASK_MS_MAX};

/// The extension of 2026-07-28, as clients and servers declare it.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Names in a `_meta` of 2025-11-25 the task that a message belongs to.
pub const RELATED: &str = "io.modelcontextprotocol/related-task";
/// What we declare to clients of 2025-11-25.
pub const CAPABILITY: &str = r#""tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#;
/// What we declare to clients of 2026-07-28.
pub const EXTENSIONS: &str = r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#;
/// Data of the error that a client gets that would have to declare the extension.
pub const REQUIRED: &str =
    r#"{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}"#;

/// Whether a tool may or must be called as a task (2025-11-25); most are never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It may.
    Optional,
    /// It must.
    Required,
}

/// What a tool (an entry of `tools/list`) says about tasks.
#[must_use]
pub fn support(text: &[u8], tool: Span) -> Option<Support> {
    let said = member(text, member(text, tool, "execution")?, "taskSupport")?;
    match string(text, said)?.as_ref() {
        "optional" => Some(Support::Optional),
        "required" => Some(Support::Required),
        _ => None,
    }
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is worked on.
    Working,
    /// It waits for answers of its client.
    InputRequired,
    /// It ended with a result.
    Completed,
    /// It ended with an error; in 2025-11-25 also with a result that is one.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "working" => Self::Working,
            "input_required" => Self::InputRequired,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => return None,
        })
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it changes no more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a server told of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How far it is.
    pub status: Status,
    /// For people.
    pub message: Option<String>,
    /// When it began (raw JSON).
    created: String,
    /// When that was last true (raw JSON).
    updated: String,
    /// For how long it is kept, in milliseconds.
    pub ttl_ms: u64,
    /// How often one should look, in milliseconds.
    pub poll_ms: Option<u64>,
}

impl Told {
    /// Reads a task in the words of either revision, with the server's id of it; `None` if it is
    /// none. Who keeps it for ever keeps it for as long as we do.
    #[must_use]
    pub fn read(text: &[u8], task: Span) -> Option<(String, Self)> {
        let text_of = |name| string(text, member(text, task, name)?);
        let raw = |name| {
            let at = member(text, task, name)?.of(text);
            let fits = at.starts_with(b"\"") && at.len() <= ID_BYTES_MAX;
            fits.then(|| String::from_utf8_lossy(at).into_owned())
        };
        let number = |name| {
            let digits = std::str::from_utf8(member(text, task, name)?.of(text)).ok()?;
            digits.parse::<u64>().ok()
        };
        let id = text_of("taskId").filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX)?;
        let created = raw("createdAt")?;
        let message = text_of("statusMessage");
        let message = message.filter(|message| message.len() <= TASK_MESSAGE_BYTES_MAX);
        let ttl = number("ttl").or_else(|| number("ttlMs"));
        let poll = number("pollInterval").or_else(|| number("pollIntervalMs"));
        let told = Self {
            status: Status::read(&text_of("status")?)?,
            message: message.map(std::borrow::Cow::into_owned),
            updated: raw("lastUpdatedAt").unwrap_or_else(|| created.clone()),
            created,
            ttl_ms: ttl.unwrap_or(TASK_MS_MAX).min(TASK_MS_MAX),
            poll_ms: poll.filter(|ms| *ms > 0),
        };
        Some((id.into_owned(), told))
    }

    /// The task of 2025-11-25 (raw JSON), under this id.
    #[must_use]
    pub fn legacy(&self, id: &str) -> String {
        format!("{{{}}}", self.members(id, "ttl", "pollInterval"))
    }

    /// The members of the task of 2026-07-28, under this id.
    #[must_use]
    pub fn modern(&self, id: &str) -> String {
        self.members(id, "ttlMs", "pollIntervalMs")
    }

    fn members(&self, id: &str, ttl: &str, poll: &str) -> String {
        let mut members = format!(
            "\"taskId\":{},\"status\":\"{}\",\"createdAt\":{},\"lastUpdatedAt\":{},\"{ttl}\":{}",
            write::string(id),
            self.status.name(),
            self.created,
            self.updated,
            self.ttl_ms,
        );
        if let Some(ms) = self.poll_ms {
            members.push_str(&format!(",\"{poll}\":{ms}"));
        }
        if let Some(message) = &self.message {
            members.push_str(",\"statusMessage\":");
            members.push_str(&write::string(message));
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Told)> {
        Told::read(text.as_bytes(), Span::whole(text.as_bytes()))
    }

    #[test]
    fn a_task_is_told_in_the_words_of_each_revision() {
        let legacy = r#"{"taskId":"7","status":"working","createdAt":"a","lastUpdatedAt":"b","ttl":60000,"pollInterval":100,"statusMessage":"m\n"}"#;
        let (id, told) = read(legacy).unwrap();
        assert_eq!((id.as_str(), told.legacy(&id).as_str()), ("7", legacy));
        let modern = legacy
            .replace("ttl", "ttlMs")
            .replace("Interval", "IntervalMs");
        assert_eq!(format!("{{{}}}", told.modern("7")), modern);
        assert_eq!(read(&modern), Some((id, told)));
    }

    #[test]
    fn who_keeps_a_task_for_ever_keeps_it_for_as_long_as_we_do() {
        for ttl in ["", r#","ttl":null"#, r#","ttl":99999999999999"#] {
            let text = format!(r#"{{"taskId":"1","status":"failed","createdAt":"a"{ttl}}}"#);
            let (_, told) = read(&text).unwrap();
            assert_eq!(told.ttl_ms, TASK_MS_MAX);
            assert!(told.legacy("x").contains(r#""lastUpdatedAt":"a""#));
        }
    }

    #[test]
    fn what_lacks_a_member_is_no_task() {
        for text in [
            "{}",
            "7",
            r#"{"taskId":"","status":"working","createdAt":"a"}"#,
            r#"{"taskId":7,"status":"working","createdAt":"a"}"#,
            r#"{"taskId":"1","status":"lost","createdAt":"a"}"#,
            r#"{"taskId":"1","createdAt":"a"}"#,
            r#"{"taskId":"1","status":"working","createdAt":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let long = format!(
            r#"{{"taskId":"{}","status":"working","createdAt":"a"}}"#,
            "x".repeat(ID_BYTES_MAX + 1)
        );
        assert_eq!(read(&long), None);
        let text = r#"{"taskId":"1","status":"cancelled","createdAt":"a","statusMessage":"X"}"#;
        let chatty = text.replace('X', &"x".repeat(TASK_MESSAGE_BYTES_MAX + 1));
        assert_eq!(read(&chatty).unwrap().1.message, None);
    }

    #[test]
    fn a_tool_says_whether_it_may_be_a_task() {
        let of = |text: &str| support(text.as_bytes(), Span::whole(text.as_bytes()));
        for (said, meant) in [
            ("optional", Some(Support::Optional)),
            ("required", Some(Support::Required)),
            ("forbidden", None),
            ("perhaps", None),
        ] {
            let tool = format!(r#"{{"name":"t","execution":{{"taskSupport":"{said}"}}}}"#);
            assert_eq!(of(&tool), meant);
        }
        assert_eq!(of(r#"{"name":"t","execution":{}}"#), None);
        assert_eq!(of("{}"), None);
    }
}
