//! What a client or a server declared, as far as a gateway acts on it.

use crate::json::span::{Span, has_member, member, path};
use crate::mcp::tasks;

/// What a client declared at `initialize`. Everything else it declared (experimental, its own
/// tasks) is not passed on: we could not keep such promises for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientCapabilities {
    /// `roots`.
    pub roots: bool,
    /// `roots.listChanged`.
    pub roots_list_changed: bool,
    /// `sampling`.
    pub sampling: bool,
    /// `sampling.tools`.
    pub sampling_tools: bool,
    /// `sampling.context`.
    pub sampling_context: bool,
    /// `elicitation` in its form mode: an empty object means this (2025-11-25).
    pub elicitation_form: bool,
    /// `elicitation.url`.
    pub elicitation_url: bool,
    /// `extensions["io.modelcontextprotocol/tasks"]` (2026-07-28); never declared to a server with
    /// sessions.
    pub tasks: bool,
}

impl ClientCapabilities {
    /// Reads the `capabilities` object of `initialize`.
    #[must_use]
    pub fn read(text: &[u8], capabilities: Span) -> Self {
        let roots = member(text, capabilities, "roots");
        let sampling = member(text, capabilities, "sampling");
        let elicitation = member(text, capabilities, "elicitation");
        let inside = |outer: Option<Span>, name| outer.is_some_and(|at| has_member(text, at, name));
        let url = inside(elicitation, "url");
        Self {
            roots: roots.is_some(),
            roots_list_changed: roots
                .and_then(|at| member(text, at, "listChanged"))
                .is_some_and(|at| at.of(text) == b"true"),
            sampling: sampling.is_some(),
            sampling_tools: inside(sampling, "tools"),
            sampling_context: inside(sampling, "context"),
            elicitation_form: elicitation.is_some() && (!url || inside(elicitation, "form")),
            elicitation_url: url,
            tasks: has_tasks_extension(text, capabilities),
        }
    }

    /// The same as a JSON object, to be declared to a server in `initialize`.
    #[must_use]
    pub fn render(self) -> String {
        self.written(false)
    }

    /// The same as a JSON object in words of the revision without sessions: lists of roots are only
    /// asked for, and forms are named.
    #[must_use]
    pub fn render_modern(self) -> String {
        self.written(true)
    }

    fn written(self, modern: bool) -> String {
        let mut members: Vec<String> = Vec::new();
        if self.roots && modern {
            members.push(r#""roots":{}"#.to_owned());
        } else if self.roots {
            members.push(format!(
                r#""roots":{{"listChanged":{}}}"#,
                self.roots_list_changed
            ));
        }
        let object = |flags: &[(bool, &str)]| {
            let inside: Vec<&str> = flags
                .iter()
                .filter_map(|(on, text)| on.then_some(*text))
                .collect();
            format!("{{{}}}", inside.join(","))
        };
        if self.sampling {
            let flags = [
                (self.sampling_tools, r#""tools":{}"#),
                (self.sampling_context, r#""context":{}"#),
            ];
            members.push(format!(r#""sampling":{}"#, object(&flags)));
        }
        if self.elicitation_form || self.elicitation_url {
            // Form alone is written as the empty object, which 2025-06-18 servers understand too.
            let flags = [
                (
                    self.elicitation_form && (self.elicitation_url || modern),
                    r#""form":{}"#,
                ),
                (self.elicitation_url, r#""url":{}"#),
            ];
            members.push(format!(r#""elicitation":{}"#, object(&flags)));
        }
        format!("{{{}}}", members.join(","))
    }

    /// Whether a server may ask this client for anything.
    #[must_use]
    pub const fn interactive(self) -> bool {
        self.roots || self.sampling || self.elicitation_form || self.elicitation_url
    }
}

/// What a server declared in its `initialize` or `server/discover` result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCapabilities {
    /// `tools`.
    pub tools: bool,
    /// `prompts`.
    pub prompts: bool,
    /// `resources`.
    pub resources: bool,
    /// `resources.subscribe`.
    pub subscribe: bool,
    /// `completions`; a 2024-11-05 server has no such flag and is simply asked.
    pub completions: bool,
    /// `logging`.
    pub logging: bool,
    /// `tasks.requests.tools.call` (2025-11-25).
    pub tasks: bool,
    /// `extensions["io.modelcontextprotocol/tasks"]` (2026-07-28).
    pub tasks_extension: bool,
}

impl ServerCapabilities {
    /// What a server that was never seen is taken to offer (contract 3).
    pub const ANYTHING: Self = Self {
        tools: true,
        prompts: true,
        resources: true,
        subscribe: true,
        completions: true,
        logging: true,
        // A client would call tools in a way that nobody may understand.
        tasks: false,
        tasks_extension: false,
    };

    /// Reads the `capabilities` object of an `initialize` result.
    #[must_use]
    pub fn read(text: &[u8], capabilities: Span) -> Self {
        let has = |name| has_member(text, capabilities, name);
        Self {
            tools: has("tools"),
            prompts: has("prompts"),
            resources: has("resources"),
            subscribe: member(text, capabilities, "resources")
                .and_then(|at| member(text, at, "subscribe"))
                .is_some_and(|at| at.of(text) == b"true"),
            completions: has("completions"),
            logging: has("logging"),
            tasks: path(text, capabilities, &["tasks", "requests", "tools", "call"]).is_some(),
            tasks_extension: has_tasks_extension(text, capabilities),
        }
    }

    /// What either of two servers offers.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            prompts: self.prompts || other.prompts,
            resources: self.resources || other.resources,
            subscribe: self.subscribe || other.subscribe,
            completions: self.completions || other.completions,
            logging: self.logging || other.logging,
            tasks: self.tasks || other.tasks,
            tasks_extension: self.tasks_extension || other.tasks_extension,
        }
    }

    /// The same as a JSON object for our own `initialize` result. `listChanged` is always true: we
    /// change the lists ourselves when servers come and go.
    #[must_use]
    pub fn render(self) -> String {
        let mut members: Vec<String> = Vec::new();
        if self.tools {
            members.push(r#""tools":{"listChanged":true}"#.to_owned());
        }
        if self.prompts {
            members.push(r#""prompts":{"listChanged":true}"#.to_owned());
        }
        if self.resources {
            members.push(format!(
                r#""resources":{{"subscribe":{},"listChanged":true}}"#,
                self.subscribe
            ));
        }
        if self.completions {
            members.push(r#""completions":{}"#.to_owned());
        }
        if self.logging {
            members.push(r#""logging":{}"#.to_owned());
        }
        if self.tasks {
            members.push(tasks::CAPABILITY.to_owned());
        }
        if self.tasks_extension {
            members.push(tasks::EXTENSIONS.to_owned());
        }
        format!("{{{}}}", members.join(","))
    }
}

/// Whether a capability object of 2026-07-28 names the extension.
fn has_tasks_extension(text: &[u8], capabilities: Span) -> bool {
    let declared = path(text, capabilities, &["extensions", tasks::EXTENSION]);
    declared.is_some_and(|at| at.of(text).starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> ClientCapabilities {
        ClientCapabilities::read(text.as_bytes(), Span::whole(text.as_bytes()))
    }

    #[test]
    fn an_empty_elicitation_object_means_forms_only() {
        assert!(client(r#"{"elicitation":{}}"#).elicitation_form);
        let url = client(r#"{"elicitation":{"url":{}}}"#);
        assert!(url.elicitation_url && !url.elicitation_form);
    }

    #[test]
    fn what_is_declared_to_a_server_reads_back_the_same() {
        let all = r#"{"roots":{"listChanged":true},"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}}}"#;
        for text in [
            "{}",
            r#"{"roots":{"listChanged":false}}"#,
            r#"{"sampling":{}}"#,
            r#"{"elicitation":{}}"#,
            r#"{"elicitation":{"url":{}}}"#,
            all,
        ] {
            assert_eq!(client(text).render(), text);
        }
        assert!(!client(r#"{"experimental":{"x":{}}}"#).interactive());
        let modern = r#"{"roots":{},"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}}}"#;
        assert_eq!(client(all).render_modern(), modern);
        let form = client(r#"{"elicitation":{}}"#).render_modern();
        assert_eq!(form, r#"{"elicitation":{"form":{}}}"#);
    }

    #[test]
    fn server_capabilities_are_merged_and_always_announce_list_changes() {
        let text = r#"{"tools":{},"resources":{"subscribe":true},"logging":{}}"#.as_bytes();
        let read = ServerCapabilities::read(text, Span::whole(text));
        assert!(read.tools && read.subscribe && read.logging && !read.prompts);
        assert_eq!(
            read.or(ServerCapabilities::default()).render(),
            r#"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#
        );
        assert_eq!(ServerCapabilities::default().render(), "{}");
    }
}
