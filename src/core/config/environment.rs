//! The variables a configuration can refer to, and the environment that a child is given.
//!
//! A value, not the process environment itself: the shell collects the variables, the bytes of
//! `.env` and the usual tool directories that exist, and everything here is a function of those.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::base::gather;

/// Says which instances of 1mcp are above a process, so that a loop can be refused (contract 3).
const PARENTS: &str = "ONE_MCP_PARENTS";

/// What a child inherits without being asked (contract 2).
const INHERITED: [&str; 23] = [
    "HOME",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "USER",
    "LANG",
    "TMPDIR",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// Names that begin like this are inherited as well.
const INHERITED_FAMILIES: [&str; 2] = ["LC_", "XDG_"];

/// Where programs are looked for when nobody said.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// The variables around a configuration.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    process: BTreeMap<OsString, OsString>,
    file: BTreeMap<String, OsString>,
    tool_directories: Vec<OsString>,
    parent_hash: Option<String>,
}

fn of_file(dot_env: &[u8]) -> BTreeMap<String, OsString> {
    let variables = super::dotenv::parse(dot_env).into_iter();
    gather::map(variables.map(|(name, value)| (name, OsString::from(value))))
}

impl Environment {
    /// The process environment and the text of the `.env` beside `mcp.json` (empty if there is
    /// none).
    #[must_use]
    pub fn new(process: impl IntoIterator<Item = (OsString, OsString)>, dot_env: &[u8]) -> Self {
        Self {
            process: gather::map(process),
            file: of_file(dot_env),
            tool_directories: Vec::new(),
            parent_hash: None,
        }
    }

    /// The same with another `.env`: it changed while we run, our own environment cannot.
    #[must_use]
    pub fn with_dot_env(mut self, dot_env: &[u8]) -> Self {
        self.file = of_file(dot_env);
        self
    }

    /// Directories that are appended to the `PATH` of children: an instance that was started from
    /// a desktop has a `PATH` without npx, uvx and the like.
    #[must_use]
    pub fn with_tool_directories(mut self, directories: Vec<OsString>) -> Self {
        self.tool_directories = directories;
        self
    }

    /// The same with the usual directories. `exists` tells whether a directory is there, `list` the
    /// names in one.
    #[must_use]
    pub fn with_usual_tool_directories(
        self,
        exists: impl Fn(&Path) -> bool,
        list: impl Fn(&Path) -> Vec<OsString>,
    ) -> Self {
        let directories = super::tools::usual(&self, exists, list);
        self.with_tool_directories(directories)
    }

    /// Adds our own hash to the `ONE_MCP_PARENTS` of children.
    #[must_use]
    pub fn with_parent_hash(mut self, hash: &str) -> Self {
        self.parent_hash = Some(hash.to_owned());
        self
    }

    /// Who started us: what stands in `ONE_MCP_PARENTS`.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let parents = self.process.get(OsStr::new(PARENTS));
        let parents = parents.and_then(|parents| parents.to_str());
        parents.into_iter().flat_map(|parents| parents.split(':'))
    }

    /// Whether the instance of this hash is above us: serving would be a loop.
    #[must_use]
    pub fn is_below(&self, hash: &str) -> bool {
        self.parents().any(|parent| parent == hash)
    }

    /// The value of a variable: the process environment first, then `.env`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.process
            .get(OsStr::new(name))
            .or_else(|| self.file.get(name))
            .map(OsString::as_os_str)
    }

    /// The whole environment of a child, sorted by name.
    #[must_use]
    pub(super) fn child(&self, inherit: &Inherit) -> Vec<(OsString, OsString)> {
        let all = self.process.iter();
        let taken = all.filter(|(name, _)| inherit.takes(name));
        let mut child = gather::map(taken.map(|(name, value)| (name.clone(), value.clone())));
        if !inherit.is_excluded("PATH") {
            let path = self.path(child.get(OsStr::new("PATH")));
            child.insert(OsString::from("PATH"), path);
        }
        for (name, value) in &inherit.own {
            child.insert(OsString::from(name), value.clone());
        }
        if let Some(hash) = &self.parent_hash {
            let mut parents = match self.process.get(OsStr::new(PARENTS)) {
                Some(above) if !above.is_empty() => {
                    let mut above = above.clone();
                    above.push(":");
                    above
                }
                Some(_) | None => OsString::new(),
            };
            parents.push(hash);
            child.insert(OsString::from(PARENTS), parents);
        }
        child.into_iter().collect()
    }

    /// `PATH` with the tool directories that it lacks.
    fn path(&self, inherited: Option<&OsString>) -> OsString {
        let mut path = match inherited {
            Some(path) if !path.is_empty() => path.clone(),
            Some(_) | None => OsString::from(PATH_DEFAULT),
        };
        for directory in &self.tool_directories {
            let bytes = directory.as_encoded_bytes();
            let mut known = path.as_encoded_bytes().split(|byte| *byte == b':');
            // A directory with a colon in its name cannot stand in PATH.
            if !known.any(|entry| entry == bytes) && !bytes.contains(&b':') {
                path.push(":");
                path.push(directory);
            }
        }
        path
    }
}

/// What one entry says about the environment of its child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inherit {
    /// `inheritParentEnv`.
    pub(super) everything: bool,
    /// `envFilter`: patterns with `*`, a leading `!` excludes.
    pub(super) filter: Vec<String>,
    /// `env`, substituted; on top of everything.
    pub(super) own: BTreeMap<String, OsString>,
}

impl Inherit {
    fn takes(&self, name: &OsStr) -> bool {
        // A name that is not UTF-8 matches no pattern but `*`, which lossy text keeps true.
        let name = name.to_string_lossy();
        if self.is_excluded(&name) {
            return false;
        }
        let usual = INHERITED.contains(&name.as_ref())
            || INHERITED_FAMILIES
                .iter()
                .any(|family| name.starts_with(family));
        usual || (self.everything && self.is_included(&name))
    }

    fn is_excluded(&self, name: &str) -> bool {
        let mut patterns = self
            .filter
            .iter()
            .filter_map(|pattern| pattern.strip_prefix('!'));
        patterns.any(|pattern| matches(pattern, name))
    }

    /// Patterns without `!` narrow what comes along beyond the usual names; without such patterns
    /// everything does.
    fn is_included(&self, name: &str) -> bool {
        let mut patterns = self
            .filter
            .iter()
            .filter(|pattern| !pattern.starts_with('!'))
            .peekable();
        patterns.peek().is_none() || patterns.any(|pattern| matches(pattern, name))
    }
}

/// Whether a name matches a pattern in which `*` stands for any text. Linear in practice: only the
/// last star is ever gone back to.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == name.get(n) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Environment::new(pairs, b"TOKEN=file\nHOME=/file\nONLY=file")
    }

    fn child(environment: &Environment, inherit: &Inherit) -> Vec<String> {
        environment
            .child(inherit)
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect()
    }

    const PROCESS: [(&str, &str); 6] = [
        ("HOME", "/home/u"),
        ("PATH", "/bin"),
        ("LC_ALL", "C"),
        ("NODE_ENV", "x"),
        ("SECRET_A", "s"),
        ("https_proxy", "p"),
    ];

    #[test]
    fn contract_2_process_environment_beats_dot_env() {
        let environment = environment(&PROCESS);
        assert_eq!(environment.get("HOME"), Some(OsStr::new("/home/u")));
        assert_eq!(environment.get("ONLY"), Some(OsStr::new("file")));
        assert_eq!(environment.get("NONE"), None);
        let changed = environment.with_dot_env(b"ONLY=new");
        assert_eq!(changed.get("ONLY"), Some(OsStr::new("new")));
        assert_eq!(changed.get("TOKEN"), None);
    }

    #[test]
    fn contract_2_a_child_gets_the_usual_names_only() {
        assert_eq!(
            child(&environment(&PROCESS), &Inherit::default()),
            ["HOME=/home/u", "LC_ALL=C", "PATH=/bin", "https_proxy=p"]
        );
    }

    #[test]
    fn contract_2_everything_through_the_filter_then_env_on_top() {
        let mut inherit = Inherit {
            everything: true,
            ..Inherit::default()
        };
        assert_eq!(child(&environment(&PROCESS), &inherit).len(), 6);
        inherit.filter = vec!["!SECRET_*".into(), "!HOME".into()];
        inherit.own.insert("HOME".into(), "/mine".into());
        assert_eq!(
            child(&environment(&PROCESS), &inherit),
            [
                "HOME=/mine",
                "LC_ALL=C",
                "NODE_ENV=x",
                "PATH=/bin",
                "https_proxy=p"
            ]
        );
        inherit.filter = vec!["S*".into()];
        assert_eq!(
            child(&environment(&PROCESS), &inherit),
            [
                "HOME=/mine",
                "LC_ALL=C",
                "PATH=/bin",
                "SECRET_A=s",
                "https_proxy=p"
            ]
        );
    }

    #[test]
    fn tool_directories_are_appended_once() {
        let tools = ["/bin", "/opt/x", "/a:b", "/opt/x"].map(OsString::from);
        let environment = environment(&PROCESS).with_tool_directories(tools.to_vec());
        let inherit = Inherit::default();
        assert!(child(&environment, &inherit).contains(&"PATH=/bin:/opt/x".to_owned()));
        let bare = Environment::default();
        assert_eq!(
            child(&bare, &inherit),
            [format!("PATH={PATH_DEFAULT}").as_str()]
        );
    }

    #[test]
    fn contract_3_parents_are_passed_on_and_recognised() {
        let above = environment(&[("ONE_MCP_PARENTS", "aa:bb")]).with_parent_hash("cc");
        let inherit = Inherit::default();
        assert!(child(&above, &inherit).contains(&"ONE_MCP_PARENTS=aa:bb:cc".to_owned()));
        assert!(above.is_below("bb") && !above.is_below("cc") && !above.is_below("a"));
        let first = Environment::default().with_parent_hash("cc");
        assert!(child(&first, &inherit).contains(&"ONE_MCP_PARENTS=cc".to_owned()));
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("A", "A", true),
            ("A", "AB", false),
            ("*", "", true),
            ("A*", "A", true),
            ("*_KEY", "API_KEY", true),
            ("*_KEY", "API_KEYS", false),
            ("A*B*C", "AxxBByC", true),
            ("A*B*C", "AxxByD", false),
            ("", "A", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
