//! The configuration of a run, and how it changes.

use std::rc::Rc;

use onemcp::base::url::Url;
use onemcp::config::{Config, Isolation, Oauth, Prefix, Remote, Restart, Server, Transport};
use onemcp::effect::SpawnSpec;
use onemcp::language::RemoteKind;
use onemcp::mcp::version::Era;

use crate::remotes::place;
use crate::rng::Rng;
use crate::servers::definition::{Definition, Eras};
use crate::wishes;

/// Server names; the last one needs care with prefixes.
pub(crate) const NAMES: [&str; 6] = ["s0", "s1", "s2", "s3", "a-b", "s0_x"];

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) variant: u64,
    pub(crate) disabled: bool,
    prefix: Option<&'static str>,
    pub(crate) isolation: Isolation,
    request_ms: u64,
    connect_ms: u64,
    pub(crate) roots: bool,
    era: Era,
    disabled_tools: Vec<String>,
    restart: Restart,
    fault: bool,
    /// Somebody else runs it.
    pub(crate) remote: Option<RemoteKind>,
}

/// All entries.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) entries: Vec<Entry>,
}

impl Entry {
    fn new(rng: &mut Rng, name: &'static str) -> Self {
        let limited = rng.chance(100);
        Self {
            name,
            variant: rng.below(3),
            disabled: rng.chance(50),
            prefix: match rng.below(6) {
                0 | 1 => Some(""),
                2 => Some("p."),
                _ => None,
            },
            isolation: rng.pick(&[
                Isolation::Auto,
                Isolation::Auto,
                Isolation::Shared,
                Isolation::Session,
            ]),
            request_ms: rng.pick(&[1000, 10_000, 60_000]),
            connect_ms: rng.pick(&[2000, 120_000]),
            roots: rng.chance(100),
            era: rng.pick(&[
                Era::Auto,
                Era::Auto,
                Era::Auto,
                Era::Auto,
                Era::Legacy,
                Era::Modern,
            ]),
            disabled_tools: if rng.chance(100) {
                vec!["echo".to_owned()]
            } else {
                Vec::new()
            },
            restart: Restart {
                on_exit: !limited || rng.chance(500),
                max: if limited { 2 } else { 0 },
                delay_ms: rng.pick(&[0, 1000, 5000, 30_000]),
            },
            fault: rng.chance(20),
            remote: rng.chance(400).then_some(RemoteKind::Http),
        }
    }

    fn server(&self) -> Server {
        let mut server = Server::new(self.name, self.transport());
        server.disabled = self.disabled;
        server.tags = vec![wishes::side_of(self.name).to_owned()];
        if let Some(prefix) = self.prefix {
            server.prefix = Prefix::Text(prefix.to_owned());
        }
        server.isolation = self.isolation;
        server.request_ms = self.request_ms;
        server.connect_ms = self.connect_ms;
        server.roots = self
            .roots
            .then(|| "[{\"uri\":\"file:///fixed\"}]".to_owned());
        server.era = self.era;
        server.disabled_tools.clone_from(&self.disabled_tools);
        server.restart = self.restart;
        server.fault = self.fault.then(|| "the variable X is not set".to_owned());
        let name: u64 = self
            .name
            .bytes()
            .fold(7, |sum, byte| sum * 31 + u64::from(byte));
        let far = u64::from(self.remote.is_some());
        server.process_hash = format!("{name:016x}{far:016x}{:032x}", self.variant);
        server
    }

    fn transport(&self) -> Transport {
        let Some(kind) = self.remote else {
            return Transport::Stdio(SpawnSpec {
                program: "sim".into(),
                args: vec![self.name.into(), self.variant.to_string().into()],
                ..SpawnSpec::default()
            });
        };
        let url = place::url(self.name, self.variant);
        let secret = place::secret(self.name, self.variant);
        Transport::Remote(Remote {
            kind,
            url: Some(Rc::new(Url::parse(&url).unwrap())),
            headers: [(place::FIELD.into(), secret.as_str().into())].into(),
            oauth: Oauth::default(),
        })
    }

    /// Whether the entry names the era of its server, or none.
    pub(crate) fn can_speak(&self, definition: &Definition) -> bool {
        match (self.era, definition.eras) {
            (Era::Auto, _) | (_, Eras::Both) => true,
            (Era::Legacy, eras) => eras == Eras::Legacy,
            (Era::Modern, eras) => eras == Eras::Modern,
        }
    }

    /// Whether its tool `echo` must work once everything behaves.
    pub(crate) fn must_work(&self, definition: &Definition) -> bool {
        self.can_speak(definition)
            && !self.disabled
            && !self.fault
            && self.restart.on_exit
            && self.restart.max == 0
            && definition.has_tools
            && self.disabled_tools.is_empty()
            && self.connect_ms > 10_000
    }
}

impl Plan {
    /// A few servers.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for name in NAMES {
            if rng.chance(450) {
                entries.push(Entry::new(rng, name));
            }
        }
        Self { entries }
    }

    /// Another command line for one entry.
    pub(crate) fn restart(&mut self, name: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == name) {
            entry.variant = (entry.variant + 1) % 3;
        }
    }

    /// Changes one thing.
    pub(crate) fn change(&mut self, rng: &mut Rng) {
        let at = rng.index(self.entries.len());
        match (rng.below(8), self.entries.get_mut(at)) {
            (0, Some(entry)) => entry.variant = rng.below(3),
            (1, Some(entry)) => entry.disabled = !entry.disabled,
            (2, Some(entry)) => entry.prefix = rng.pick(&[None, Some(""), Some("p.")]),
            (3, Some(entry)) => *entry = Entry::new(rng, entry.name),
            (4, Some(_)) => drop(self.entries.remove(at)),
            (5, Some(_)) => {
                let entry = self.entries.remove(at);
                self.entries
                    .insert(rng.index(self.entries.len() + 1), entry);
            }
            _ => {
                let missing = |name: &&&str| !self.entries.iter().any(|one| one.name == **name);
                let missing: Vec<_> = NAMES.iter().filter(missing).collect();
                if !missing.is_empty() {
                    let name = *rng.pick(&missing);
                    self.entries.push(Entry::new(rng, name));
                }
            }
        }
    }

    /// As the hub gets it.
    pub(crate) fn config(&self) -> Config {
        Config {
            presets: Rc::new(wishes::presets()),
            servers: self.entries.iter().map(Entry::server).collect(),
            problems: Vec::new(),
        }
    }

    /// The entry of a server.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Names of the servers that run.
    pub(crate) fn names(&self) -> Rc<[String]> {
        let on = self.entries.iter().filter(|entry| !entry.disabled);
        on.map(|entry| entry.name.to_owned()).collect()
    }
}
