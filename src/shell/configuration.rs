//! Reads `mcp.json` and the `.env` beside it, and tells whether they say something new. What they
//! mean is the core's business.

use std::env;
use std::path::{Path, PathBuf};

use onemcp::base::parents::Parents;
use onemcp::config::{Config, Environment, demo_config, read};
use onemcp::limits::CONFIG_BYTES_MAX;
use ring::digest::{Context, SHA256, digest};

use crate::shell::child::own_program;
use crate::shell::disk::{read_bounded, reason};

/// The two files, and what they said last.
pub(crate) struct Configuration {
    file: PathBuf,
    dot_env: PathBuf,
    environment: Environment,
    demo: bool,
    /// SHA-256 over both files as they were read last, whether they could be understood or not:
    /// our own write, or a `touch`, causes nothing, and the same error is not told twice.
    known: Option<Vec<u8>>,
}

/// What a look at the files gave.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// They say something new.
    New(Box<Config>),
    /// They say what they said.
    Unchanged,
    /// There is no `mcp.json`.
    Missing,
}

impl Configuration {
    /// Names the files. `demo` serves the built-in server in place of what they say.
    pub(crate) fn new(file: PathBuf, config_dir: &Path, demo: bool) -> Self {
        let dot_env = file.with_file_name(".env");
        Self {
            file,
            dot_env,
            environment: environment(config_dir),
            demo,
            known: None,
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

    /// Where `mcp.json` is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The files that decide, for watching.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        if self.demo {
            return Vec::new();
        }
        vec![self.file.clone(), self.dot_env.clone()]
    }

    /// Reads the files. The error is one line that names the file and, where it can, line and
    /// column.
    pub(crate) fn load(&mut self) -> Result<Loaded, String> {
        if self.demo {
            return Ok(Loaded::New(Box::new(demo_config(&own_program()))));
        }
        let text = self.read(&self.file)?;
        let dot_env = self.read(&self.dot_env)?.unwrap_or_default();
        let hash = hash_of_files(text.as_deref(), &dot_env);
        if self.known.as_deref() == Some(&hash) {
            return Ok(Loaded::Unchanged);
        }
        self.known = Some(hash);
        let Some(text) = text else {
            return Ok(Loaded::Missing);
        };
        let environment = self.environment.clone().with_dot_env(&dot_env);
        match read(&text, &environment) {
            Ok(config) => Ok(Loaded::New(Box::new(config))),
            Err(error) => Err(format!("{}: {error}", self.file.display())),
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

fn hash_of_files(text: Option<&[u8]>, dot_env: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    let length = text.map_or(u64::MAX, |text| text.len() as u64);
    context.update(&length.to_le_bytes());
    context.update(text.unwrap_or_default());
    context.update(dot_env);
    context.finish().as_ref().to_vec()
}

/// 16 hexadecimal digits that stand for a configuration directory, however it is spelled.
pub(crate) fn hash_of_directory(path: &Path) -> String {
    let path = path
        .canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_path_buf());
    let hash = digest(&SHA256, path.as_os_str().as_encoded_bytes());
    let digits = hash.as_ref().iter().take(8);
    digits.map(|byte| format!("{byte:02x}")).collect()
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
        assert!(matches!(files.load(), Ok(Loaded::Missing)));
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
        assert!(matches!(files.load(), Ok(Loaded::Missing)));
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
