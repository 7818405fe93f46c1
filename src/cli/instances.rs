//! The running instances of a configuration, asked on their own sockets, and what they say.

use std::path::Path;
use std::time::Duration;

use onemcp::base::url::Url;
use serde::{Deserialize, Serialize};

use crate::cli::places::Places;
use crate::shell::instance::{Asked, ask_all};

/// How long all of them together may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// One instance, as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Instance {
    pub(crate) pid: u32,
    pub(crate) version: String,
    /// `http` or `stdio`.
    pub(crate) transport: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Unix seconds.
    pub(crate) started_at: u64,
    pub(crate) uptime_ms: u64,
    pub(crate) config_file: String,
    pub(crate) sessions: usize,
    pub(crate) calls: usize,
    #[serde(skip_serializing)]
    pub(crate) servers: Vec<Server>,
}

/// One server, as an instance or a check of our own describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Server {
    pub(crate) name: String,
    /// A word of `onemcp::instance::survey::State`; a later version may know more.
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_in_ms: Option<u64>,
    /// Our page where the owner authorizes us at the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorize_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompts: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// All of its processes, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pids: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uptime_ms: Option<u64>,
    pub(crate) restarts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol_version: Option<String>,
    pub(crate) sessions: usize,
    pub(crate) stderr: Vec<String>,
}

impl Server {
    /// Whether nothing has to be done about it.
    pub(crate) fn is_well(&self) -> bool {
        let well = ["ready", "waiting", "disabled", "unselected"];
        well.contains(&self.state.as_str())
    }
}

/// What came of asking.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Those that answered and serve this file.
    pub(crate) instances: Vec<Instance>,
    /// Those that did not: process id and reason.
    pub(crate) silent: Vec<(String, String)>,
}

impl Found {
    /// Whether none runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.silent.is_empty()
    }
}

/// The URLs of those that serve this configuration over HTTP.
pub(crate) fn urls(places: &Places) -> Vec<Url> {
    let instances = ask(places, None).instances;
    let urls = instances.iter().filter_map(|one| one.url.as_deref());
    urls.filter_map(|url| Url::parse(url).ok()).collect()
}

/// Asks all instances that serve this configuration, about all servers or one.
pub(crate) fn ask(places: &Places, name: Option<&str>) -> Found {
    let question = match name {
        None => "status\n".to_owned(),
        Some(name) => format!("status {name}\n"),
    };
    let mut found = Found::default();
    if name.is_some_and(|name| name.contains(|c: char| c.is_control())) {
        // No server has such a name, and no question has two lines.
        return found;
    }
    for asked in ask_all(&places.config_dir, &question, PATIENCE) {
        match asked {
            Asked::Answer(text) => match serde_json::from_slice::<Instance>(&text) {
                Ok(instance) if instance.pid > 0 => {
                    let older = |other: &Instance| other.started_at <= instance.started_at;
                    let at = found.instances.partition_point(older);
                    found.instances.insert(at, instance);
                }
                Ok(_) | Err(_) => {
                    let why = "it answers what this version does not understand";
                    found.silent.push(("?".to_owned(), why.to_owned()));
                }
            },
            Asked::Silent(pid, why) => found.silent.push((pid, why)),
        }
    }
    // Two files in one directory have the directory's name in common.
    let ours = &places.config_file;
    let serves = |instance: &Instance| same(ours, Path::new(&instance.config_file));
    found.instances.retain(serves);
    found
}

fn same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    one == other || whole(one) == whole(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onemcp::instance::render;
    use onemcp::instance::survey::{ServerSurvey, State, Survey};

    #[test]
    fn what_the_core_writes_is_what_is_read_here() {
        let mut server = ServerSurvey::new("a", State::Restarting { in_ms: 5 });
        server.why = Some("x".to_owned());
        server.pids = vec![7, 8];
        server.stderr = vec!["no".to_owned()];
        server.protocol = Some("2025-11-25");
        let survey = Survey {
            pid: 9,
            url: Some("http://h/mcp".to_owned()),
            servers: vec![server],
            ..Survey::default()
        };
        let instance: Instance = serde_json::from_slice(&render::status(&survey)).unwrap();
        assert_eq!((instance.pid, instance.transport.as_str()), (9, "http"));
        let server = &instance.servers[0];
        assert_eq!(server.retry_in_ms, Some(5));
        assert_eq!((server.pid, server.pids.as_slice()), (Some(7), &[7, 8][..]));
        assert_eq!(server.stderr, ["no"]);
        assert_eq!(server.protocol_version.as_deref(), Some("2025-11-25"));
        assert!(!server.is_well());
    }

    #[test]
    fn a_state_of_a_later_version_is_not_well_and_is_shown_as_it_is() {
        let text = br#"{"pid":1,"servers":[{"name":"a","state":"on_holiday","new":1}]}"#;
        let instance: Instance = serde_json::from_slice(text).unwrap();
        assert!(!instance.servers[0].is_well());
        for state in ["ready", "waiting", "disabled", "unselected"] {
            let server = Server {
                state: state.to_owned(),
                ..Server::default()
            };
            assert!(server.is_well());
        }
    }
}
