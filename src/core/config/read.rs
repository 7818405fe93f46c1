//! From the bytes of `mcp.json` to a [`Config`].
//!
//! One bad entry never takes the others down: it becomes a problem. Only a file of which
//! nothing can be trusted (no JSON, no object, two `mcpServers`) is an error as a whole.

use std::collections::BTreeSet;

use super::entry::{self, Entry, Wrong};
use super::environment::Environment;
use super::jsonc::{self, Dialect, Member, Value};
use super::model::{Config, ReadError, Server};
use super::report::{Report, shown};
use super::resolve;
use crate::limits::SERVERS_MAX;

/// Reads `mcp.json`.
///
/// # Errors
/// The file as a whole cannot be used.
pub fn read(text: &[u8], environment: &Environment) -> Result<Config, ReadError> {
    let root = jsonc::parse(text, Dialect::Relaxed).map_err(|error| error.locate(text))?;
    let mut reader = Reader {
        text,
        report: Report::new(text),
    };
    reader.report.need_object(&root, "mcp.json")?;
    let defaults = match reader.report.only(&root, "serverDefaults")? {
        Some(value) => reader.defaults(value),
        None => Entry::default(),
    };
    let mut servers = Vec::new();
    if let Some(value) = reader.report.only(&root, "mcpServers")? {
        reader.report.need_object(value, "\"mcpServers\"")?;
        let mut seen = BTreeSet::new();
        for member in value.members() {
            let first = seen.insert(member.key.as_str());
            if reader.may_be_server(member, first, servers.len()) {
                servers.extend(reader.server(member, &defaults, environment));
            }
        }
    }
    Ok(Config {
        presets: Default::default(),
        servers,
        problems: reader.report.finish(),
    })
}

struct Reader<'a> {
    text: &'a [u8],
    report: Report<'a>,
}

impl Reader<'_> {
    fn defaults(&mut self, value: &Value) -> Entry {
        let (defaults, wrong) = entry::read(self.text, value);
        for wrong in wrong {
            self.report
                .problem(wrong.at.start, format!("serverDefaults: {}", wrong.text));
        }
        defaults
    }

    /// Whether the key of an entry allows it; says why not.
    fn may_be_server(&mut self, member: &Member, first: bool, count: usize) -> bool {
        let why = match resolve::check_name(&member.key) {
            Err(why) => why.to_owned(),
            Ok(()) if !first => "it appears twice, the first one counts".to_owned(),
            Ok(()) if count >= SERVERS_MAX => format!("there are more than {SERVERS_MAX}"),
            Ok(()) => return true,
        };
        let text = format!("server {} is skipped: {why}", shown(&member.key));
        self.report.problem(member.key_at.start, text);
        false
    }

    fn server(
        &mut self,
        member: &Member,
        defaults: &Entry,
        environment: &Environment,
    ) -> Option<Server> {
        let name = shown(&member.key);
        let (entry, wrong) = entry::read(self.text, &member.value);
        let bad = !wrong.is_empty();
        for Wrong { at, text } in wrong {
            self.report
                .problem(at.start, format!("server {name} is skipped: {text}"));
        }
        if bad {
            return None;
        }
        match resolve::server(&member.key, entry.or(defaults), environment) {
            Ok(server) => Some(server),
            Err(why) => {
                let text = format!("server {name} is skipped: it {why}");
                self.report.problem(member.key_at.start, text);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};

    use super::super::model::{Isolation, Prefix, RemoteKind, Transport};
    use super::*;
    use crate::effect::SpawnSpec;
    use crate::limits::CONFIG_PROBLEMS_MAX;
    use crate::mcp::version::Era;

    fn environment() -> Environment {
        let pairs = [
            ("HOME", "/h"),
            ("PATH", "/bin"),
            ("TOKEN", "s3"),
            ("X", "x"),
        ];
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Environment::new(pairs, b"")
    }

    fn config(text: &str) -> Config {
        read(text.as_bytes(), &environment()).unwrap()
    }

    fn servers(entries: &str) -> Config {
        config(&format!("{{\"mcpServers\": {{{entries}}}}}"))
    }

    fn one(entry: &str) -> Server {
        let mut config = servers(&format!("\"s\": {entry}"));
        assert_eq!(config.problems, []);
        config.servers.remove(0)
    }

    fn spec(server: &Server) -> &SpawnSpec {
        server.spawn().unwrap()
    }

    fn env<'a>(server: &'a Server, name: &str) -> Option<&'a OsStr> {
        let mut pairs = spec(server).env.iter();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// The only problem of an entry.
    fn problem(entry: &str) -> String {
        let config = servers(&format!("\"s\": {entry}, \"ok\": {{\"command\": \"x\"}}"));
        assert_eq!(config.servers.len(), 1, "{entry}");
        assert_eq!(config.problems.len(), 1, "{:?}", config.problems);
        config.problems[0].text.clone()
    }

    fn error(text: &str) -> ReadError {
        read(text.as_bytes(), &environment()).unwrap_err()
    }

    #[test]
    fn contract_2_the_example_reads_as_meant() {
        let config = config(
            r#"{
              // comments are fine
              "serverDefaults": { "env": {"A": "1", "B": "1"}, "requestTimeout": 5000 },
              "mcpServers": {
                "files": { "command": "npx", "args": ["-y", "$X/data"], "tags": ["fs"],
                           "env": {"B": "${TOKEN}"}, "cwd": "$HOME" },
                "remote": { "url": "https://h/mcp", "headers": { "Authorization": "Bearer ${TOKEN}" } },
              },
              "other": [1, 2,],
            }"#,
        );
        assert_eq!(config.problems, []);
        let [files, remote] = &config.servers[..] else {
            panic!("two servers");
        };
        assert_eq!(spec(files).program, "npx");
        assert_eq!(spec(files).args, ["-y", "x/data"]);
        assert_eq!(spec(files).cwd, Some(OsString::from("/h")));
        assert_eq!(env(files, "A"), Some(OsStr::new("1")));
        assert_eq!(env(files, "B"), Some(OsStr::new("s3")));
        assert_eq!(env(files, "HOME"), Some(OsStr::new("/h")));
        assert_eq!(env(files, "TOKEN"), None);
        assert_eq!((files.request_ms, files.connect_ms), (5000, 120_000));
        assert_eq!(files.tags, ["fs"]);
        assert_eq!(files.fault, None);
        let Transport::Remote(remote_to) = &remote.transport else {
            panic!("remote");
        };
        assert_eq!(remote_to.kind, RemoteKind::Http);
        assert_eq!(
            *remote_to.headers,
            [("Authorization".into(), "Bearer s3".into())]
        );
        let url = remote_to.url.as_ref().unwrap();
        assert_eq!(url.to_string(), "https://h/mcp");
        assert_eq!((remote.connect_ms, remote.request_ms), (30_000, 5000));
        assert_eq!(remote.fault, None);
    }

    #[test]
    fn contract_2_every_other_key() {
        let server = one(
            r#"{"type": "stdio", "command": "c", "url": "https://ignored", "disabled": true,
                "disabledTools": ["a"], "enabledTools": [], "toolDescriptionOverrides": {"t": "d"},
                "instructionOverride": "i", "restartOnExit": false, "maxRestarts": 3,
                "restartDelay": 7, "prefix": "", "isolation": "session", "era": "legacy",
                "roots": [{"uri": "file:///a", /* c */ "name": "A"},], "unknown": 1, "cwd": null}"#,
        );
        assert!(server.disabled && !server.restart.on_exit);
        assert_eq!(server.disabled_tools, ["a"]);
        assert_eq!(server.enabled_tools, Some(Vec::new()));
        assert_eq!(server.tool_descriptions["t"], "d");
        assert_eq!(server.instructions.as_deref(), Some("i"));
        assert_eq!((server.restart.max, server.restart.delay_ms), (3, 7));
        assert_eq!(server.prefix, Prefix::Text(String::new()));
        assert_eq!(server.isolation, Isolation::Session);
        assert_eq!(server.era, Era::Legacy);
        assert_eq!(
            server.roots.as_deref(),
            Some(r#"[{"uri":"file:///a","name":"A"}]"#)
        );
        let plain = one(r#"{"command": "c"}"#);
        assert!(!plain.disabled && plain.restart.on_exit && plain.restart.max == 0);
        assert_eq!(plain.enabled_tools, None);
        assert_eq!(plain.prefix, Prefix::Default);
    }

    #[test]
    fn contract_2_timeout_is_the_fallback_of_both() {
        let server = one(r#"{"command": "c", "timeout": 5}"#);
        assert_eq!((server.connect_ms, server.request_ms), (5, 5));
        let server = one(r#"{"command": "c", "timeout": 5, "requestTimeout": 9}"#);
        assert_eq!((server.connect_ms, server.request_ms), (5, 9));
        let config = config(
            r#"{"serverDefaults": {"timeout": 1, "connectionTimeout": 2},
                "mcpServers": {"a": {"command": "c"}, "b": {"command": "c", "timeout": 3}}}"#,
        );
        let times = |index: usize| {
            let server: &Server = &config.servers[index];
            (server.connect_ms, server.request_ms)
        };
        assert_eq!((times(0), times(1)), ((2, 1), (3, 3)));
    }

    #[test]
    fn contract_2_env_as_a_list_and_inheriting() {
        let server = one(r#"{"command": "c", "env": ["A=b=c", "TOKEN", "NOT_SET", "E=$X"]}"#);
        assert_eq!(env(&server, "A"), Some(OsStr::new("b=c")));
        assert_eq!(env(&server, "TOKEN"), Some(OsStr::new("s3")));
        assert_eq!(env(&server, "NOT_SET"), None);
        assert_eq!(env(&server, "E"), Some(OsStr::new("x")));
        let server = one(r#"{"command": "c", "inheritParentEnv": true, "envFilter": ["!TOKEN"]}"#);
        assert_eq!(env(&server, "TOKEN"), None);
        assert_eq!(env(&server, "X"), Some(OsStr::new("x")));
    }

    #[test]
    fn contract_1_the_type_is_inferred() {
        let kind = |entry: &str| match one(entry).transport {
            Transport::Stdio(_) => None,
            Transport::Remote(remote) => Some(remote.kind),
        };
        let (http, sse) = (Some(RemoteKind::Http), Some(RemoteKind::Sse));
        assert_eq!(kind(r#"{"command": "c"}"#), None);
        assert_eq!(kind(r#"{"url": "https://h/mcp"}"#), http);
        assert_eq!(kind(r#"{"url": "https://h/sse?x=/y"}"#), sse);
        assert_eq!(
            kind(r#"{"url": "https://h/sse", "type": "streamableHttp"}"#),
            http
        );
        assert_eq!(kind(r#"{"url": "https://h/x", "type": "sse"}"#), sse);
        for bad in [
            r#"{}"#,
            r#"{"type": "stdio"}"#,
            r#"{"type": "http", "command": "c"}"#,
            r#"{"command": "c", "url": "https://h"}"#,
        ] {
            problem(bad);
        }
    }

    #[test]
    fn contract_2_a_variable_that_is_not_set_is_a_fault_of_its_server_alone() {
        let config = servers(
            r#""a": {"command": "c", "args": ["$X", "${MISSING}"]}, "b": {"command": "c"}"#,
        );
        assert_eq!(config.problems, []);
        let fault = config.servers[0].fault.as_deref().unwrap();
        assert!(fault.starts_with("variable MISSING is not set"), "{fault}");
        assert_eq!(config.servers[1].fault, None);
    }

    #[test]
    fn contract_2_variables_in_urls_and_headers() {
        let remote = |entry: &str| {
            let server = one(entry);
            let fault = server.fault.clone().unwrap_or_default();
            (server.remote().unwrap().clone(), fault)
        };
        let (to, fault) = remote(
            r#"{"url": "https://${X}.example/mcp?key=$TOKEN", "headers": {"X-Key": "a $TOKEN"},
                "timeout": 5, "connectionTimeout": 7}"#,
        );
        let url = to.url.as_ref().unwrap();
        assert_eq!(url.to_string(), "https://x.example/mcp?key=s3");
        assert_eq!(*to.headers, [("X-Key".into(), "a s3".into())]);
        assert_eq!(fault, "");
        assert!(!format!("{to:?}").contains("s3"), "{to:?}");
        assert_eq!(to.shown(), "https://x.example/mcp?***");
        for (entry, expected) in [
            (
                r#"{"url": "https://${NO}/mcp"}"#,
                "variable NO is not set: set it",
            ),
            (
                r#"{"url": "https://h", "headers": {"A": "${NO}"}}"#,
                "variable NO is not set: set it",
            ),
            (
                r#"{"url": "${X}://h"}"#,
                "\"url\" cannot be used: the URL does not begin with http:// or https://",
            ),
            (
                r#"{"url": "https://$X:%zz$TOKEN@h"}"#,
                "\"url\" cannot be used: the user name or password before the host",
            ),
            (
                r#"{"url": "https://$X:$TOKEN@h", "headers": {"authorization": "x"}}"#,
                "its \"url\" has a user name, its \"headers\" have Authorization: keep one",
            ),
            (
                r#"{"url": "https://h", "headers": {"X-A": "${NO:-a\nb}"}}"#,
                "header \"X-A\" cannot be sent: the value of the header has line ends",
            ),
        ] {
            let (to, fault) = remote(entry);
            assert!(fault.starts_with(expected), "{entry}: {fault}");
            assert!(!fault.contains("s3"), "{fault}");
            assert_eq!(to.spec().is_none(), to.url.is_none());
        }
        let (to, fault) = remote(r#"{"url": "https://$X:$TOKEN@h/mcp", "headers": {"A": "b"}}"#);
        assert_eq!((to.shown().as_str(), fault.as_str()), ("https://h/mcp", ""));
        let sent = [("A", "b"), ("Authorization", "Basic eDpzMw==")];
        assert_eq!(
            *to.headers,
            sent.map(|(name, value)| (name.into(), value.into()))
        );
        let server = one(r#"{"url": "https://h", "timeout": 5, "connectionTimeout": 7}"#);
        assert_eq!((server.connect_ms, server.request_ms), (7, 5));
    }

    #[test]
    fn contract_2_a_password_of_a_variable_cannot_move_the_borders_of_the_url() {
        for password in [
            "12/bSECRET",
            "x@ss#SECRET",
            "a?SECRET",
            "a\\SECRET",
            "@SECRET:1/",
        ] {
            let vars = [("PW".into(), password.into()), ("H".into(), "h:1".into())];
            let environment = Environment::new(vars, b"");
            for url in ["http://bob:${PW}@h:1/mcp", "http://bob:${NO:-$PW}@${H}/mcp"] {
                let text = format!(r#"{{"mcpServers": {{"s": {{"url": "{url}"}}}}}}"#);
                let config = read(text.as_bytes(), &environment).unwrap();
                let server = config.servers.first().unwrap();
                let remote = server.remote().unwrap();
                assert_eq!(server.fault, None, "{password}");
                assert_eq!(remote.shown(), "http://h:1/mcp");
                let basic = crate::http1::proxy::basic(&format!("bob:{password}")).unwrap();
                assert_eq!(*remote.headers, [("Authorization".into(), (*basic).into())]);
            }
            // Nor can the host make what precedes it a user name.
            let text = r#"{"mcpServers": {"s": {"url": "http://bob:x@$PW@h/mcp"}}}"#;
            let config = read(text.as_bytes(), &environment).unwrap();
            let server = config.servers.first().unwrap();
            assert_eq!(server.remote().unwrap().shown(), "http://h/mcp");
        }
        let vars = [("H".into(), "evil@SECRET".into())];
        let text = r#"{"mcpServers": {"s": {"url": "http://bob:x@$H/mcp"}}}"#;
        let config = read(text.as_bytes(), &Environment::new(vars, b"")).unwrap();
        let fault = config.servers.first().unwrap().fault.as_deref().unwrap();
        assert!(fault.contains("the user name or password") && !fault.contains("SECRET"));
    }

    #[test]
    fn contract_2_bad_urls_and_headers_are_named_with_line_and_column() {
        for (entry, expected) in [
            (r#"{"url": "localhost:3000/mcp"}"#, "does not begin with"),
            (
                r#"{"url": "https://u:p4ss%@h/"}"#,
                "the user name or password",
            ),
            (r#"{"url": "https://h:99999"}"#, "the port of the URL"),
            (
                r#"{"url": "https://h", "headers": {"Host": "p4ss"}}"#,
                r#""headers" cannot have "Host": this header is written by 1mcp itself"#,
            ),
            (
                r#"{"url": "https://h", "headers": {"A b": "p4ss"}}"#,
                r#""headers" cannot have "A b": the name of the header"#,
            ),
            (
                r#"{"url": "https://h", "headers": {"A": "p4ss\r\nB: c"}}"#,
                r#""headers" cannot have "A": the value of the header has line ends"#,
            ),
            (
                r#"{"url": "https://h", "headers": {"A": "p4ss", "a": "p4ss"}}"#,
                r#""headers" names "a" twice"#,
            ),
        ] {
            let text = problem(entry);
            assert!(text.contains(expected), "{entry}: {text}");
            assert!(!text.contains("p4ss"), "{text}");
        }
        let config = config("{\n \"mcpServers\": {\n  \"s\": {\"url\": \"ftp://h\"}\n }\n}");
        assert_eq!(
            config.problems[0].to_string(),
            "line 3, column 16: server \"s\" is skipped: \"url\" cannot be used: the URL does not \
             begin with http:// or https://"
        );
    }

    #[test]
    fn contract_2_wrong_types_are_named_with_line_and_column() {
        for (entry, expected) in [
            ("[]", "must be an object, found an array"),
            (
                r#"{"command": 1}"#,
                r#""command" must be a string, found a number"#,
            ),
            (r#"{"command": ""}"#, r#""command" must not be empty"#),
            (
                r#"{"command": "a\u0000"}"#,
                r#""command" must not hold a NUL"#,
            ),
            (
                r#"{"command": "c", "args": "x"}"#,
                r#""args" must be an array of strings"#,
            ),
            (
                r#"{"command": "c", "args": [1]}"#,
                r#""args" must be an array of strings"#,
            ),
            (r#"{"command": "c", "env": {"A": 1}}"#, r#""env" must be"#),
            (r#"{"command": "c", "env": "A=1"}"#, r#""env" must be"#),
            (r#"{"command": "c", "env": ["=1"]}"#, r#""env" holds """#),
            (
                r#"{"command": "c", "env": {"A": "1", "A": "2"}}"#,
                r#""env" names "A" twice"#,
            ),
            (
                r#"{"command": "c", "disabled": "yes"}"#,
                r#""disabled" must be true or false"#,
            ),
            (
                r#"{"command": "c", "timeout": "5"}"#,
                r#""timeout" must be a whole number"#,
            ),
            (
                r#"{"command": "c", "timeout": -5}"#,
                r#""timeout" must be a whole number"#,
            ),
            (
                r#"{"command": "c", "timeout": 1.5}"#,
                r#""timeout" must be a whole number"#,
            ),
            (
                r#"{"command": "c", "timeout": 0}"#,
                r#""timeout" must be at least 1"#,
            ),
            (
                r#"{"command": "c", "maxRestarts": 99999999999}"#,
                r#""maxRestarts" must be"#,
            ),
            (
                r#"{"command": "c", "isolation": "none"}"#,
                "one of auto, shared, session",
            ),
            (r#"{"command": "c", "type": "tcp"}"#, "one of stdio, http"),
            (
                r#"{"command": "c", "headers": []}"#,
                r#""headers" must be an object"#,
            ),
            (r#"{"command": "c", "roots": [{}]}"#, r#""roots" must be"#),
            (
                r#"{"command": "c", "command": "d"}"#,
                r#""command" appears twice"#,
            ),
        ] {
            let text = problem(entry);
            assert!(text.contains(expected), "{entry}: {text}");
        }
        let config = config("{\n \"mcpServers\": {\n  \"s\": {\"tags\": 5}\n }\n}");
        assert_eq!(
            config.problems[0].to_string(),
            "line 3, column 17: server \"s\" is skipped: \"tags\" must be an array of strings, \
             found a number"
        );
    }

    #[test]
    fn contract_1_names() {
        let long = "x".repeat(51);
        for bad in ["", "a b", "ä", "a.b", "1mcp", "a_1mcp_b", long.as_str()] {
            let config = servers(&format!("\"{bad}\": {{\"command\": \"c\"}}"));
            assert!(
                config.servers.is_empty() && config.problems.len() == 1,
                "{bad}"
            );
        }
        for good in ["a", "1mcp2", "_", "A-b_9", &long[1..]] {
            assert_eq!(check(good), Ok(()));
        }
    }

    fn check(name: &str) -> Result<(), &'static str> {
        resolve::check_name(name)
    }

    #[test]
    fn of_two_servers_with_one_name_the_first_wins() {
        let config =
            servers(r#""a": {"command": "1"}, "b": {"command": "2"}, "a": {"command": "3"}"#);
        assert_eq!(spec(&config.servers[0]).program, "1");
        assert_eq!(config.servers.len(), 2);
        assert!(config.problems[0].text.contains("appears twice"));
    }

    #[test]
    fn a_bad_default_is_reported_once_and_left_out() {
        let config = config(
            r#"{"serverDefaults": {"timeout": "x", "env": {"A": "1"}, "command": "never"},
                "mcpServers": {"a": {"command": "c"}, "b": {}}}"#,
        );
        assert_eq!(config.servers.len(), 1);
        assert_eq!(env(&config.servers[0], "A"), Some(OsStr::new("1")));
        assert_eq!(config.problems.len(), 2, "{:?}", config.problems);
    }

    #[test]
    fn a_file_of_which_nothing_can_be_trusted_is_an_error() {
        assert_eq!(
            error("{\n  \"a\": }").to_string(),
            "line 2, column 8: expected a value"
        );
        assert!(error("").message.contains("empty"));
        assert!(error("// only\n").message.contains("empty"));
        assert!(error("[]").message.contains("must be an object"));
        assert!(
            error(r#"{"mcpServers": []}"#)
                .message
                .contains("\"mcpServers\" must be")
        );
        assert!(
            error(r#"{"mcpServers": {}, "mcpServers": {}}"#)
                .message
                .contains("twice")
        );
        assert!(error(r#"{"mcpServers": {}"#).message.contains("too early"));
        assert_eq!(config("{}"), Config::default());
    }

    #[test]
    fn servers_and_problems_are_bounded() {
        let many = |count: usize, entry: &str| {
            let entries: Vec<String> = (0..count).map(|n| format!("\"s{n}\": {entry}")).collect();
            servers(&entries.join(","))
        };
        let config = many(SERVERS_MAX + 1, r#"{"command": "c"}"#);
        assert_eq!(
            (config.servers.len(), config.problems.len()),
            (SERVERS_MAX, 1)
        );
        let config = many(CONFIG_PROBLEMS_MAX + 5, "1");
        assert_eq!(config.problems.len(), CONFIG_PROBLEMS_MAX);
        let last = &config.problems[CONFIG_PROBLEMS_MAX - 1].text;
        assert!(last.ends_with("(and 5 more problems)"), "{last}");
    }

    #[test]
    fn the_process_hash_covers_what_matters_to_the_process_and_nothing_else() {
        let base = one(r#"{"command": "c", "args": ["a", "b"]}"#).process_hash;
        assert_eq!(base.len(), 64);
        for same in [
            r#"{"args": ["a", "b"], "command": "c", "tags": ["t"], "timeout": 5, "prefix": ""}"#,
            r#"{"command": "c", "args": ["${NONE:-a}", "b"], "disabled": true}"#,
        ] {
            assert_eq!(one(same).process_hash, base);
        }
        let mut seen = vec![base];
        for other in [
            r#"{"command": "d", "args": ["a", "b"]}"#,
            r#"{"command": "c", "args": ["ab"]}"#,
            r#"{"command": "c", "args": ["a"], "cwd": "b"}"#,
            r#"{"command": "c", "args": ["a", "b"], "env": {"A": "1"}}"#,
            r#"{"command": "c", "args": ["a", "b"], "env": {"A": "$X"}}"#,
            r#"{"command": "c", "args": ["a", "b"], "inheritParentEnv": true}"#,
            r#"{"command": "c", "args": ["a", "b"], "envFilter": ["x"]}"#,
            r#"{"command": "c", "args": ["a", "$NONE"]}"#,
            r#"{"command": "c", "args": ["a", "$NONE2"]}"#,
            r#"{"url": "https://h"}"#,
            r#"{"url": "https://h", "type": "sse"}"#,
            r#"{"url": "https://h", "headers": {"a": "b"}}"#,
        ] {
            let hash = one(other).process_hash;
            assert!(!seen.contains(&hash), "{other}");
            seen.push(hash);
        }
    }
}
