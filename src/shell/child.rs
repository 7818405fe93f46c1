//! Starting one child: finding the program in the PATH of its own environment, three pipes, a
//! session of its own; and one sentence that says which of the many things went wrong.
//!
//! Never decides when a child is started or stopped.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mio::unix::pipe::{Receiver, Sender};
use onemcp::config::mask;
use onemcp::effect::SpawnSpec;
use onemcp::limits::CHILD_PIPE_BYTES;

use crate::shell::disk::reason;
use crate::shell::sys::{self, ChildSetup};

/// Where programs are looked for if the environment has no PATH.
const PATH_IF_NONE: &str = "/usr/local/bin:/usr/bin:/bin";

/// A child that runs.
#[derive(Debug)]
pub(crate) struct Started {
    /// For waiting.
    pub(crate) process: Child,
    /// What we write.
    pub(crate) stdin: Sender,
    /// What we read.
    pub(crate) stdout: Receiver,
    /// What goes to the log.
    pub(crate) stderr: Receiver,
}

/// Why a child could not be started. Each prints as one sentence that names the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No directory of PATH has it.
    NotInPath {
        /// As written in the configuration.
        program: String,
        /// Where it was looked for.
        path: String,
    },
    /// It was given with a path, and nothing is there.
    NoSuchFile(String),
    /// It is there but may not be executed.
    NotExecutable(String, PathBuf),
    /// It is a directory.
    IsDirectory(String, PathBuf),
    /// The working directory is missing or no directory.
    NoDirectory(String, PathBuf),
    /// The first line of the script names an interpreter that is missing.
    NoInterpreter(String, PathBuf),
    /// Neither a binary for this machine nor a script.
    NotAProgram(String, PathBuf),
    /// What the kernel said.
    Other(String, String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInPath { program, path } => {
                let (program, hint) = with_hint(program);
                write!(
                    f,
                    "cannot start \"{program}\": not found in PATH ({path}){hint}"
                )
            }
            Self::NoSuchFile(program) => {
                let (program, hint) = with_hint(program);
                write!(f, "cannot start \"{program}\": there is no such file{hint}")
            }
            Self::NotExecutable(program, file) => write!(
                f,
                "cannot start \"{program}\": no permission to execute {}",
                file.display()
            ),
            Self::IsDirectory(program, file) => write!(
                f,
                "cannot start \"{program}\": {} is a directory",
                file.display()
            ),
            Self::NoDirectory(program, cwd) => write!(
                f,
                "cannot start \"{program}\": its working directory {} does not exist",
                cwd.display()
            ),
            Self::NoInterpreter(program, file) => write!(
                f,
                "cannot start \"{program}\": the interpreter that {} names is not there",
                file.display()
            ),
            Self::NotAProgram(program, file) => write!(
                f,
                "cannot start \"{program}\": {} is neither a program for this machine nor a \
                 script that begins with #!",
                file.display()
            ),
            Self::Other(program, why) => write!(f, "cannot start \"{program}\": {why}"),
        }
    }
}

/// Some write the whole command line in the place of the program, keys included.
fn with_hint(program: &str) -> (String, &'static str) {
    let hint = match program.contains(' ') {
        true => "; what follows the program belongs into \"args\", one by one",
        false => "",
    };
    (mask::arguments(&[program.to_owned()]).concat(), hint)
}

/// Starts a child. Its ends of the pipes block, as programs expect; ours do not.
pub(crate) fn spawn(spec: &SpawnSpec, setup: ChildSetup) -> Result<Started, Failure> {
    let name = || spec.program.to_string_lossy().into_owned();
    let other = |error: io::Error| Failure::Other(name(), reason(&error));
    let cwd = match &spec.cwd {
        Some(cwd) => absolute(Path::new(cwd)),
        None => env::current_dir().map_err(other)?,
    };
    if !cwd.is_dir() {
        return Err(Failure::NoDirectory(name(), cwd));
    }
    let file = find_program(spec, &cwd)?;
    let mut command = Command::new(&file);
    command
        .arg0(&spec.program)
        .args(&spec.args)
        .env_clear()
        .envs(spec.env.iter().map(|(key, value)| (key, value)))
        .current_dir(&cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    sys::set_up_child(&mut command, setup);
    let mut process = command
        .spawn()
        .map_err(|error| exec_failed(&error, name(), file))?;
    let pipes = (
        process.stdin.take(),
        process.stdout.take(),
        process.stderr.take(),
    );
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        // Cannot happen: all three were asked for.
        return Err(Failure::Other(name(), "it has no pipes".to_owned()));
    };
    let started = Started {
        process,
        stdin: stdin.into(),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    started.stdin.set_nonblocking(true).map_err(other)?;
    started.stdout.set_nonblocking(true).map_err(other)?;
    started.stderr.set_nonblocking(true).map_err(other)?;
    sys::grow_pipe(started.stdin.as_fd(), CHILD_PIPE_BYTES);
    sys::grow_pipe(started.stdout.as_fd(), CHILD_PIPE_BYTES);
    Ok(started)
}

fn exec_failed(error: &io::Error, name: String, file: PathBuf) -> Failure {
    match error.raw_os_error() {
        // The file was there a moment ago: what is missing is what its first line names.
        Some(libc::ENOENT) => Failure::NoInterpreter(name, file),
        Some(libc::EACCES | libc::EPERM) => Failure::NotExecutable(name, file),
        Some(libc::ENOEXEC) => Failure::NotAProgram(name, file),
        Some(libc::E2BIG) => {
            let why = "its arguments and environment are longer than the system allows";
            Failure::Other(name, why.to_owned())
        }
        Some(libc::EAGAIN) => Failure::Other(name, "too many processes run already".to_owned()),
        _ => Failure::Other(name, reason(error)),
    }
}

/// The file to execute. A name with a slash is taken relative to the child's working directory;
/// any other is looked for in the PATH that the child will have.
fn find_program(spec: &SpawnSpec, cwd: &Path) -> Result<PathBuf, Failure> {
    let name = || spec.program.to_string_lossy().into_owned();
    let program = Path::new(&spec.program);
    if spec.program.is_empty() {
        return Err(Failure::NoSuchFile(name()));
    }
    if spec.program.to_string_lossy().contains('/') {
        let file = cwd.join(program);
        return match file.metadata() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(Failure::NotExecutable(name(), file))
            }
            Err(_) => Err(Failure::NoSuchFile(name())),
            Ok(found) if found.is_dir() => Err(Failure::IsDirectory(name(), file)),
            Ok(_) if !sys::may_execute(&file) => Err(Failure::NotExecutable(name(), file)),
            Ok(_) => Ok(file),
        };
    }
    let path = path_of(&spec.env);
    let mut refused = None;
    for directory in env::split_paths(&path) {
        // An empty entry means the working directory; join does that.
        let file = cwd.join(directory).join(program);
        if file.is_file() {
            if sys::may_execute(&file) {
                return Ok(file);
            }
            refused.get_or_insert(file);
        }
    }
    Err(match refused {
        Some(file) => Failure::NotExecutable(name(), file),
        None => Failure::NotInPath {
            program: name(),
            path: path.to_string_lossy().into_owned(),
        },
    })
}

/// This very binary, for starting it once more. Without /proc (an empty chroot) it is what we were
/// started as, looked for as the one who started us did.
pub(crate) fn own_program() -> OsString {
    if let Ok(path) = env::current_exe() {
        return path.into();
    }
    let program = env::args_os().next().unwrap_or_else(|| "1mcp".into());
    let spec = SpawnSpec {
        program: program.clone(),
        env: env::vars_os().filter(|(key, _)| key == "PATH").collect(),
        ..SpawnSpec::default()
    };
    let cwd = env::current_dir().unwrap_or_default();
    find_program(&spec, &cwd).map_or(program, OsString::from)
}

fn path_of(environment: &[(OsString, OsString)]) -> OsString {
    let found = environment.iter().rev().find(|(key, _)| key == "PATH");
    found.map_or_else(
        || OsStr::new(PATH_IF_NONE).to_owned(),
        |(_, value)| value.clone(),
    )
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::shell::disk::tests::TempDir;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    pub(crate) fn setup() -> ChildSetup {
        ChildSetup {
            announce: None,
            parent: std::process::id(),
            // It follows the thread, and test threads end.
            die_with_parent: false,
            open_files: None,
        }
    }

    pub(crate) fn spec(program: impl Into<OsString>, args: &[&str]) -> SpawnSpec {
        SpawnSpec {
            program: program.into(),
            args: args.iter().map(OsString::from).collect(),
            cwd: None,
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        }
    }

    fn script(dir: &TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn output(spec: &SpawnSpec) -> String {
        let mut started = spawn_when_free(spec);
        started.stdout.set_nonblocking(false).unwrap();
        let mut text = String::new();
        started.stdout.read_to_string(&mut text).unwrap();
        started.process.wait().unwrap();
        text
    }

    /// A script that was just written may be open for writing in a child that another test's
    /// thread forked meanwhile.
    fn spawn_when_free(spec: &SpawnSpec) -> Started {
        loop {
            match spawn(spec, setup()) {
                Err(Failure::Other(_, why)) if why == "text file busy" => {}
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn a_child_has_its_own_environment_directory_and_session() {
        let mut spec = spec(
            "sh",
            &[
                "-c",
                "echo $0 $A; pwd; env | grep -c .; cut -d ' ' -f 5,6 /proc/$$/stat; echo $$",
            ],
        );
        spec.env.push(("A".into(), "b c".into()));
        spec.cwd = Some("/usr".into());
        let text = output(&spec);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["sh b c", "/usr"]);
        // PATH, A and what the shell itself adds: PWD, at most OLDPWD, SHLVL and _.
        assert!(lines[2].parse::<u32>().unwrap() <= 6);
        let pid = lines[4];
        assert_eq!(
            lines[3],
            format!("{pid} {pid}"),
            "its group and its session"
        );
    }

    #[test]
    fn our_own_program_is_a_file() {
        assert!(Path::new(&own_program()).is_file());
    }

    #[test]
    fn not_in_path_names_the_program_and_where_it_was_looked_for() {
        let failure = spawn(&spec("no-such-npx", &[]), setup()).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot start \"no-such-npx\": not found in PATH (/usr/bin:/bin)"
        );
        let failure = spawn(&spec("no-such-npx -y --token abc", &[]), setup()).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot start \"no-such-npx -y --token ***\": not found in PATH (/usr/bin:/bin); what \
             follows the program belongs into \"args\", one by one"
        );
        let mut without = spec("sh", &[]);
        without.env.clear();
        assert!(find_program(&without, Path::new("/")).is_ok());
    }

    #[test]
    fn the_path_of_the_spec_decides_and_an_empty_entry_is_the_directory() {
        let dir = TempDir::new();
        script(&dir, "tool", "#!/bin/sh\necho tool $1\n", 0o755);
        let mut spec = spec("tool", &["x"]);
        assert!(matches!(
            spawn(&spec, setup()).unwrap_err(),
            Failure::NotInPath { .. }
        ));
        spec.env = vec![("PATH".into(), dir.path().into())];
        assert_eq!(output(&spec), "tool x\n");
        spec.env = vec![("PATH".into(), "/bin:".into())];
        spec.cwd = Some(dir.path().into());
        assert_eq!(output(&spec), "tool x\n");
        spec.program = "./tool".into();
        assert_eq!(output(&spec), "tool x\n");
    }

    #[test]
    fn not_executable_is_said_with_and_without_path() {
        let dir = TempDir::new();
        let file = script(&dir, "tool", "#!/bin/sh\n", 0o644);
        let mut spec = spec("tool", &[]);
        spec.env = vec![("PATH".into(), dir.path().into())];
        for program in ["tool", file.to_str().unwrap()] {
            spec.program = program.into();
            let failure = spawn(&spec, setup()).unwrap_err();
            assert!(matches!(failure, Failure::NotExecutable(..)));
            assert!(failure.to_string().contains("no permission to execute"));
        }
    }

    #[test]
    fn no_such_file_is_directory_and_no_directory_are_told_apart() {
        let failure = spawn(&spec("/nowhere/npx", &[]), setup()).unwrap_err();
        assert_eq!(failure, Failure::NoSuchFile("/nowhere/npx".to_owned()));
        assert!(failure.to_string().ends_with("there is no such file"));
        let failure = spawn(&spec("", &[]), setup()).unwrap_err();
        assert_eq!(failure, Failure::NoSuchFile(String::new()));
        let failure = spawn(&spec("/usr", &[]), setup()).unwrap_err();
        assert!(matches!(failure, Failure::IsDirectory(..)));
        assert!(failure.to_string().ends_with("/usr is a directory"));
        let mut spec = spec("sh", &[]);
        spec.cwd = Some("/nowhere".into());
        let failure = spawn(&spec, setup()).unwrap_err();
        assert!(matches!(failure, Failure::NoDirectory(..)));
        assert!(failure.to_string().contains("directory /nowhere does not"));
    }

    #[test]
    fn no_interpreter_and_not_a_program_are_told_apart() {
        let dir = TempDir::new();
        let file = script(&dir, "lost", "#!/nowhere/python\n", 0o755);
        let failure = spawn(&spec(file, &[]), setup()).unwrap_err();
        assert!(matches!(failure, Failure::NoInterpreter(..)), "{failure}");
        assert!(failure.to_string().contains("interpreter"));
        let why = io::Error::from_raw_os_error(libc::ENOEXEC);
        let failure = exec_failed(&why, "x".to_owned(), PathBuf::from("/x"));
        assert!(matches!(failure, Failure::NotAProgram(..)));
        assert!(failure.to_string().contains("neither a program"));
    }

    #[test]
    fn other_failures_say_what_the_kernel_said() {
        let spec = spec("sh", &["nul\0inside"]);
        let failure = spawn(&spec, setup()).unwrap_err();
        assert!(matches!(failure, Failure::Other(..)));
        let long = "x".repeat(3 * 1024 * 1024);
        let mut spec = spec;
        spec.args = vec![long.into()];
        let failure = spawn(&spec, setup()).unwrap_err().to_string();
        assert!(
            failure.contains("longer than the system allows"),
            "{failure}"
        );
    }
}
