//! Reads `mcp.json` and, beside it, `presets.json` and `.env`, and tells whether they say something
//! new. What they mean is the core's business.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{env, iter};

use onemcp::base::digest::{Sha256, hex, sha256};
use onemcp::base::parents::Parents;
use onemcp::config::{Config, Environment, demo_config, presets, read};
use onemcp::filter::Presets;
use onemcp::limits::CONFIG_BYTES_MAX;

use crate::shell::child::own_program;
use crate::shell::disk::{read_bounded, reason};

/// The three files, and what they said last.
pub(crate) struct Configuration {
    file: PathBuf,
    presets_file: PathBuf,
    dot_env: PathBuf,
    environment: Environment,
    demo: bool,
    /// SHA-256 over all files as they were read last, whether they could be understood or not:
    /// our own write, or a `touch`, causes nothing, and the same error is not told twice.
    known: Option<[u8; 32]>,
    /// Whether there has been an `mcp.json`.
    found: bool,
    /// What `mcp.json` and `.env` said when they could be understood last, without presets.
    servers: Option<Config>,
    /// What `presets.json` said when it could be understood last.
    presets: Rc<Presets>,
    /// Why it could not be, if that is so now.
    presets_fault: Option<String>,
    /// What is wrong with parts of the files, or with `presets.json` as a whole: lines for the log.
    complaints: Vec<String>,
}

/// What a look at the files gave.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// They say something new.
    New(Box<Config>),
    /// They say what they said.
    Unchanged,
    /// `mcp.json` is gone.
    Missing,
}

impl Configuration {
    /// Names the files: `mcp.json`, and what lies beside it. `demo` serves the built-in server in
    /// place of what they say.
    pub(crate) fn new(file: PathBuf, config_dir: &Path, demo: bool) -> Self {
        Self {
            presets_file: file.with_file_name("presets.json"),
            dot_env: file.with_file_name(".env"),
            file,
            environment: environment(config_dir),
            demo,
            known: None,
            found: false,
            servers: None,
            presets: Rc::default(),
            presets_fault: None,
            complaints: Vec::new(),
        }
    }

    /// Whether an instance with the same configuration started us: serving would never end.
    /// The demo serves none of it, so it may stand in the configuration itself.
    pub(crate) fn is_loop(&self, config_dir: &Path) -> bool {
        !self.demo && self.environment.is_below(&hash_of_directory(config_dir))
    }

    /// Gives this process a name by which other gateways know it: children are told it beside the
    /// directory, so that what comes round through one of them over HTTP is recognised.
    pub(crate) fn introduce(&mut self, own: &str, config_dir: &Path) -> Parents {
        let parents = Parents::new(own, self.environment.parents());
        let above = format!("{}:{own}", hash_of_directory(config_dir));
        self.environment = self.environment.clone().with_parent_hash(&above);
        parents
    }

    /// Whether there has been an `mcp.json`, or none is needed.
    pub(crate) const fn is_found(&self) -> bool {
        self.found || self.demo
    }

    /// Where `mcp.json` is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The files that decide, for watching.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        if self.demo {
            return Vec::new();
        }
        vec![
            self.file.clone(),
            self.presets_file.clone(),
            self.dot_env.clone(),
        ]
    }

    /// What is wrong with parts of what was read since the last time.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// Reads the files for the first time. There must be a preset of this name: whoever wants to
    /// serve a few servers must not find none, or all, because of a slip.
    pub(crate) fn begin(&mut self, preset: Option<&str>) -> Result<Loaded, String> {
        let loaded = self.load()?;
        preset.map_or(Ok(()), |name| self.need_preset(name))?;
        Ok(loaded)
    }

    fn need_preset(&self, name: &str) -> Result<(), String> {
        if self.demo {
            return Err(format!("the demo has no presets, so also no {name}"));
        }
        if let Some(fault) = &self.presets_fault {
            return Err(format!("{fault}; so there is no preset {name}"));
        }
        if self.presets.get(name).is_some() {
            return Ok(());
        }
        let file = self.presets_file.display();
        let names: Vec<&str> = self.presets.names().take(PRESETS_SHOWN_MAX).collect();
        let more = self.presets.names().len().saturating_sub(names.len());
        let there = match (&names[..], more) {
            ([], _) => "it has none; 1mcp preset create NAME --filter EXPR makes one".to_owned(),
            (names, 0) => format!("it has {}", names.join(", ")),
            (names, more) => format!("it has {} and {more} more", names.join(", ")),
        };
        Err(format!("there is no preset {name} in {file}: {there}"))
    }

    /// Reads the files. The error is one line that names the file and, where it can, line and
    /// column.
    pub(crate) fn load(&mut self) -> Result<Loaded, String> {
        if self.demo {
            return Ok(Loaded::New(Box::new(demo_config(&own_program()))));
        }
        let files = [&self.file, &self.presets_file, &self.dot_env];
        let [text, presets, dot_env] = files.map(|file| self.read(file));
        let hash = hash_of_files([seen(&text), seen(&presets), seen(&dot_env)]);
        if self.known == Some(hash) {
            return Ok(Loaded::Unchanged);
        }
        let is_first = self.known.replace(hash).is_none();
        let before = Rc::clone(&self.presets);
        let said = self.load_presets(presets, is_first);
        let has_news = before != self.presets || !said.is_empty();
        let file = self.file.display().to_string();
        let (kept, line) = match self.load_servers(text, dot_env) {
            Ok(Some(config)) => {
                let problems = config.problems.iter();
                let problems = problems.map(|problem| format!("{file}: {problem}"));
                self.complaints = problems.chain(said).collect();
                self.servers = Some(config.clone());
                return Ok(Loaded::New(self.with_presets(config)));
            }
            Ok(None) => {
                let line = format!("{file} is gone; what it said last stays in force");
                (Ok(Loaded::Missing), line)
            }
            Err(why) => {
                let line = format!("{why}; the old servers stay in force");
                (Err(why), line)
            }
        };
        // Whatever is wrong with the servers: a preset that was deleted must admit nobody more.
        let servers = self.servers.clone().filter(|_| has_news);
        servers.map_or(kept, |servers| {
            self.complaints = iter::once(line).chain(said).collect();
            Ok(Loaded::New(self.with_presets(servers)))
        })
    }

    /// What `mcp.json` and `.env` say; `None` if `mcp.json` is gone.
    fn load_servers(
        &mut self,
        text: Result<Option<Vec<u8>>, String>,
        dot_env: Result<Option<Vec<u8>>, String>,
    ) -> Result<Option<Config>, String> {
        let (text, dot_env) = (text?, dot_env?.unwrap_or_default());
        let Some(text) = text else {
            // Presets may be made before there is a server.
            return Ok((!self.found).then(Config::default));
        };
        self.found = true;
        let environment = self.environment.clone().with_dot_env(&dot_env);
        let file = self.file.display();
        let config = read(&text, &environment).map_err(|error| format!("{file}: {error}"))?;
        Ok(Some(config))
    }
}

/// Names that are shown where an unknown one was given.
const PRESETS_SHOWN_MAX: usize = 20;

/// What is hashed of a file that may be unreadable: the reason counts as its text.
fn seen(file: &Result<Option<Vec<u8>>, String>) -> Option<&[u8]> {
    match file {
        Ok(text) => text.as_deref(),
        Err(why) => Some(why.as_bytes()),
    }
}

impl Configuration {
    fn with_presets(&self, config: Config) -> Box<Config> {
        let presets = Rc::clone(&self.presets);
        Box::new(Config { presets, ..config })
    }

    /// Takes the presets over, or keeps the old ones if nothing can be made of the file; the lines
    /// about that.
    fn load_presets(
        &mut self,
        text: Result<Option<Vec<u8>>, String>,
        is_first: bool,
    ) -> Vec<String> {
        let file = self.presets_file.display();
        let read = text.and_then(|text| match text {
            Some(text) => presets::read(&text).map_err(|error| format!("{file}: {error}")),
            None => Ok((Presets::default(), Vec::new())),
        });
        match read {
            Ok((presets, problems)) => {
                let lines = problems.iter().map(|problem| format!("{file}: {problem}"));
                let lines = lines.collect();
                self.presets = Rc::new(presets);
                self.presets_fault = None;
                lines
            }
            Err(why) => {
                let state = match is_first {
                    true => "there are no presets",
                    false => "the old presets stay in force",
                };
                let line = format!("{why}; {state}");
                self.presets_fault = Some(why);
                vec![line]
            }
        }
    }
}

impl Configuration {
    fn read(&self, file: &Path) -> Result<Option<Vec<u8>>, String> {
        let cannot = |why: &str| format!("cannot read {}: {why}", file.display());
        // At the start a pipe may be waited for: `--config <(..)`. Later nobody may be at its other
        // end, and everything would stand still.
        let later = self.known.is_some();
        if later
            && file
                .metadata()
                .is_ok_and(|found| !found.is_file() && !found.is_dir())
        {
            return Err(cannot("it is no regular file any more"));
        }
        read_bounded(file, CONFIG_BYTES_MAX).map_err(|error| cannot(&reason(&error)))
    }
}

/// What variables are taken from, and what children of this configuration inherit, but for the
/// `.env`.
pub(crate) fn environment(config_dir: &Path) -> Environment {
    let environment = with_tools(Environment::new(env::vars_os(), &[]));
    environment.with_parent_hash(&hash_of_directory(config_dir))
}

/// A missing file is another one than an empty one.
fn hash_of_files(files: [Option<&[u8]>; 3]) -> [u8; 32] {
    let mut hash = Sha256::default();
    for file in files {
        let length = file.map_or(u64::MAX, |text| text.len() as u64);
        hash.add(&length.to_le_bytes());
        hash.add(file.unwrap_or_default());
    }
    hash.finish()
}

/// 16 hexadecimal digits that stand for a configuration directory, however it is spelled.
pub(crate) fn hash_of_directory(path: &Path) -> String {
    let path = path
        .canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_path_buf());
    let hash = sha256(&[path.as_os_str().as_encoded_bytes()]);
    hex(hash.iter().take(8))
}

/// Without the directories where people's tools are, an instance that was started from a desktop
/// finds no npx.
fn with_tools(environment: Environment) -> Environment {
    environment.with_usual_tool_directories(Path::is_dir, |directory| {
        let entries = directory.read_dir().into_iter().flatten();
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        names.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;
    use std::fs;

    fn configuration(dir: &TempDir) -> Configuration {
        Configuration::new(dir.path().join("mcp.json"), dir.path(), false)
    }

    #[test]
    fn only_what_says_something_new_is_passed_on() {
        let dir = TempDir::new();
        let mut files = configuration(&dir);
        assert!(matches!(files.load(), Ok(Loaded::New(empty)) if empty.servers.is_empty()));
        assert!(matches!(files.load(), Ok(Loaded::Unchanged)));
        let text = r#"{"mcpServers": {"a": {"command": "${A}"}}}"#;
        fs::write(files.file(), text).unwrap();
        let Ok(Loaded::New(first)) = files.load() else {
            panic!("a new file is new");
        };
        assert!(first.servers[0].fault.is_some(), "A is not set");
        fs::write(files.file(), text).unwrap();
        assert!(matches!(files.load(), Ok(Loaded::Unchanged)));
        fs::write(dir.path().join(".env"), "A=cat").unwrap();
        let Ok(Loaded::New(second)) = files.load() else {
            panic!("another .env is new");
        };
        assert_eq!(second.servers[0].spawn().unwrap().program, "cat");
    }

    /// The presets after a load that must bring something new, and what was said about it.
    #[track_caller]
    fn presets_of(files: &mut Configuration) -> (Vec<String>, Vec<String>) {
        let Ok(Loaded::New(config)) = files.load() else {
            panic!("nothing new");
        };
        let names = config.presets.names().map(str::to_owned).collect();
        (names, files.complaints())
    }

    #[test]
    fn contract_4_presets_come_with_the_rest_and_a_broken_file_changes_none() {
        let dir = TempDir::new();
        let mut files = configuration(&dir);
        let write = |text: &str| fs::write(dir.path().join("presets.json"), text).unwrap();
        write(r#"{"presets": {"a": {"tagQuery": "x"}}}"#);
        let (names, said) = presets_of(&mut files);
        assert_eq!((names, said), (vec!["a".to_owned()], Vec::new()));
        assert!(!files.is_found());
        fs::write(files.file(), r#"{"mcpServers": {"s": {}}}"#).unwrap();
        write("{\n \"presets\": {\"b\": {\"tagQuery\": \"x\"}, \"c\": 1}}");
        let (names, said) = presets_of(&mut files);
        assert_eq!(names, ["b"]);
        let [server, preset] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(
            server.contains("mcp.json: line 1, column 17: server \"s\""),
            "{server}"
        );
        assert!(
            preset.contains("presets.json: line 2, column 43: preset \"c\""),
            "{preset}"
        );
        assert!(files.is_found());
        write("{");
        let (names, said) = presets_of(&mut files);
        assert_eq!(names, ["b"]);
        assert!(
            said[1].contains("presets.json: line 1, column 2: "),
            "{said:?}"
        );
        assert!(
            said[1].ends_with("; the old presets stay in force"),
            "{said:?}"
        );
        assert!(matches!(files.load(), Ok(Loaded::Unchanged)));
        // A bad mcp.json keeps the servers as they are, and presets count all the same.
        write("{}");
        fs::write(files.file(), "{").unwrap();
        let (names, said) = presets_of(&mut files);
        assert_eq!(names, [""; 0]);
        assert!(said[0].ends_with("; the old servers stay in force"));
        fs::write(files.file(), "{}").unwrap();
        assert_eq!(presets_of(&mut files), (Vec::new(), Vec::new()));
        fs::remove_file(files.file()).unwrap();
        assert!(matches!(files.load(), Ok(Loaded::Missing)));
    }

    #[test]
    fn contract_4_a_preset_is_deleted_whatever_is_wrong_with_the_servers() {
        let dir = TempDir::new();
        let preset = dir.path().join("presets.json");
        let (main, dot_env) = (dir.path().join("mcp.json"), dir.path().join(".env"));
        let broken: [&dyn Fn(); 3] = [
            &|| fs::write(&main, "{").unwrap(),
            &|| fs::remove_file(&main).unwrap(),
            &|| fs::create_dir(&dot_env).unwrap(),
        ];
        for breaks in broken {
            let mut files = configuration(&dir);
            fs::write(&main, r#"{"mcpServers": {"a": {"command": "cat"}}}"#).unwrap();
            fs::write(&preset, r#"{"presets": {"guest": {"tagQuery": "x"}}}"#).unwrap();
            assert_eq!(presets_of(&mut files).0, ["guest"]);
            breaks();
            assert!(!matches!(
                files.load(),
                Ok(Loaded::New(_) | Loaded::Unchanged)
            ));
            assert!(matches!(files.load(), Ok(Loaded::Unchanged)));
            fs::write(&preset, "{}").unwrap();
            let Ok(Loaded::New(config)) = files.load() else {
                panic!("a preset that is gone is news");
            };
            assert_eq!((config.presets.names().len(), config.servers.len()), (0, 1));
            let [line] = &files.complaints()[..] else {
                panic!("one line says what is wrong");
            };
            assert!(line.ends_with("in force"), "{line}");
        }
    }

    #[test]
    fn contract_4_a_preset_that_must_be_there_is_missed_by_name() {
        let dir = TempDir::new();
        let need = |text: Option<&str>| {
            let mut files = configuration(&dir);
            let file = dir.path().join("presets.json");
            match text {
                Some(text) => fs::write(file, text).unwrap(),
                None => drop(fs::create_dir(file)),
            }
            let Ok(Loaded::New(_)) = files.load() else {
                panic!("a bad file of presets is no reason to fail");
            };
            let needed = files.need_preset("dev");
            (
                needed.err().unwrap_or_default(),
                files.complaints().concat(),
            )
        };
        let good = r#"{"presets": {"a": {"tagQuery": "x"}, "b": {"tagQuery": "x"}}}"#;
        let (error, said) = need(Some(good));
        assert!(error.starts_with("there is no preset dev in /"), "{error}");
        assert!(error.ends_with("presets.json: it has a, b"), "{error}");
        assert_eq!(said, "");
        assert!(
            need(Some("{}"))
                .0
                .contains("it has none; 1mcp preset create")
        );
        assert_eq!(need(Some(&good.replace("\"a\"", "\"dev\""))).0, "");
        let (error, said) = need(Some("["));
        assert!(
            error.contains("presets.json: line 1, column 2: "),
            "{error}"
        );
        assert!(error.ends_with("; so there is no preset dev"), "{error}");
        assert!(said.ends_with("; there are no presets"), "{said}");
        fs::remove_file(dir.path().join("presets.json")).unwrap();
        let (error, _) = need(None);
        assert!(error.starts_with("cannot read /"), "{error}");
        let mut demo = Configuration::new("mcp.json".into(), dir.path(), true);
        assert!(matches!(demo.load(), Ok(Loaded::New(_))));
        assert!(
            demo.need_preset("dev")
                .unwrap_err()
                .contains("the demo has no presets")
        );
    }

    #[test]
    fn what_is_not_json_is_one_line_with_file_line_and_column() {
        let dir = TempDir::new();
        let mut files = configuration(&dir);
        fs::write(files.file(), "{\n  nonsense").unwrap();
        let error = files.load().unwrap_err();
        assert!(error.contains("mcp.json: line 2, column 3: "), "{error}");
        assert!(!error.contains('\n'));
        assert!(matches!(files.load(), Ok(Loaded::Unchanged)));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let dir = TempDir::new();
        let mut files = configuration(&dir);
        fs::create_dir(files.file()).unwrap();
        let error = files.load().unwrap_err();
        assert!(error.starts_with("cannot read "), "{error}");
        assert!(error.ends_with("mcp.json: is a directory"), "{error}");
    }

    #[test]
    fn a_pipe_in_the_place_of_the_file_is_not_waited_for() {
        let dir = TempDir::new();
        let mut files = configuration(&dir);
        assert!(matches!(files.load(), Ok(Loaded::New(_))));
        // A device stands for all that is no file: it needs no system call to be there.
        std::os::unix::fs::symlink("/dev/null", files.file()).unwrap();
        let error = files.load().unwrap_err();
        assert!(error.ends_with("no regular file any more"), "{error}");
    }

    #[test]
    fn a_directory_has_one_hash_however_it_is_spelled() {
        let dir = TempDir::new();
        let twisted = dir.path().join("../").join(dir.path().file_name().unwrap());
        let hash = hash_of_directory(dir.path());
        assert_eq!(hash, hash_of_directory(&twisted));
        assert_eq!(hash.len(), 16);
        let mut files = configuration(&dir);
        assert!(!files.is_loop(dir.path()));
        let above = [("ONE_MCP_PARENTS".into(), hash.into())];
        files.environment = Environment::new(above, &[]);
        assert!(files.is_loop(dir.path()));
    }

    #[test]
    fn contract_2_a_childs_path_has_the_tool_directories_that_exist() {
        let dir = TempDir::new();
        for below in [".local/bin", ".nvm/versions/node/v22.21.1/bin"] {
            fs::create_dir_all(dir.path().join(below)).unwrap();
        }
        let variables = [
            ("HOME".into(), dir.path().into()),
            ("PATH".into(), "/bin".into()),
        ];
        let environment = with_tools(Environment::new(variables, &[]));
        let text = br#"{"mcpServers": {"a": {"command": "a"}}}"#;
        let config = read(text, &environment).unwrap();
        let spawn = config.servers[0].spawn().unwrap();
        let mut path = spawn.env.iter().filter(|(name, _)| name == "PATH");
        let path = path.next().unwrap().1.to_str().unwrap();
        let home = dir.path().display();
        assert!(path.starts_with("/bin"), "{path}");
        assert!(path.contains(&format!(":{home}/.local/bin")), "{path}");
        assert!(path.contains(&format!(":{home}/.nvm/versions/node/v22.21.1/bin")));
        assert!(!path.contains(".cargo"), "{path}");
    }
}
