//! The socket on which an instance answers `mcp status`: one for each running `serve`, found by
//! the hash of its configuration directory, never a TCP port, for its owner alone.
//!
//! Names and checks directories, listens, finds the sockets of others and asks there. Knows no
//! question and no answer. Without a socket everything else works as well.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant, SystemTime};

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use onemcp::limits::{INSTANCE_ANSWER_BYTES_MAX, INSTANCES_ASKED_MAX};

use crate::shell::configuration::hash_of_directory;
use crate::shell::disk::reason;
use crate::shell::sys;

/// Length of a socket's path: `sun_path` has 108 bytes on Linux and 104 elsewhere, with a zero at
/// the end.
const PATH_BYTES_MAX: usize = 103;
/// Names that are tried if ours is taken: a container has process numbers of its own.
const NAMES_MAX: u32 = 4;
/// A socket that is being made has this in front of its name, so that nobody takes it for one that
/// nobody listens on.
const UNFINISHED: &str = ".";
/// An unfinished socket of this age is one whose maker was killed.
const UNFINISHED_MAX: Duration = Duration::from_secs(60);

/// Our own socket, removed with it.
#[derive(Debug)]
pub(crate) struct InstanceSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl InstanceSocket {
    /// Listens. The error is one line that says why there is no socket.
    pub(crate) fn open(config_dir: &Path) -> Result<Self, String> {
        let hash = hash_of_directory(config_dir);
        let mut why = Vec::new();
        for place in Place::all_for_us() {
            match place.make().and_then(|()| listen(&place.directory, &hash)) {
                Ok(socket) => return Ok(socket),
                Err(error) => why.push(error),
            }
        }
        Err(why.join("; "))
    }

    /// Asks for events.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Takes one connection; `None` if nobody waits. Only our own user's are kept.
    pub(crate) fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) if is_ours(stream.as_fd()) => return Ok(Some(stream)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for InstanceSocket {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// Whether the process at the other end is our own user's.
fn is_ours(socket: std::os::fd::BorrowedFd<'_>) -> bool {
    sys::peer_user(socket) == Some(sys::effective_user())
}

/// A directory for sockets.
#[derive(Debug)]
struct Place {
    /// What must be there already; `None`: whatever is.
    runtime_dir: Option<PathBuf>,
    directory: PathBuf,
}

impl Place {
    /// `$XDG_RUNTIME_DIR/1mcp`, else a directory of ours below TMPDIR, else below /tmp.
    fn all_for_us() -> Vec<Self> {
        let runtime_dir = absolute("XDG_RUNTIME_DIR").map(Self::in_runtime_dir);
        runtime_dir.into_iter().chain(Self::temporary()).collect()
    }

    /// Where somebody with another environment than ours may have found a place: an application
    /// that starts us often passes nothing but HOME and PATH.
    fn all_for_others() -> Vec<Self> {
        let mut places = Self::all_for_us();
        let usual = format!("/run/user/{}", sys::effective_user());
        places.push(Self::in_runtime_dir(usual.into()));
        let mut seen: Vec<PathBuf> = Vec::new();
        places.retain(|place| {
            let new = !seen.contains(&place.directory);
            seen.push(place.directory.clone());
            new
        });
        places
    }

    fn in_runtime_dir(runtime_dir: PathBuf) -> Self {
        Self {
            directory: runtime_dir.join("1mcp"),
            runtime_dir: Some(runtime_dir),
        }
    }

    fn temporary() -> impl Iterator<Item = Self> {
        let name = format!("1mcp-{}", sys::effective_user());
        let usual = Some(PathBuf::from("/tmp"));
        let own = absolute("TMPDIR").filter(|path| Some(path) != usual.as_ref());
        own.into_iter().chain(usual).map(move |parent| Self {
            runtime_dir: None,
            directory: parent.join(&name),
        })
    }

    /// Makes sure that the directory is there and ours alone.
    fn make(&self) -> Result<(), String> {
        if let Some(runtime_dir) = &self.runtime_dir {
            let found = fs::metadata(runtime_dir).map_err(cannot(runtime_dir))?;
            if found.uid() != sys::effective_user() {
                return Err(format!("{} is another user's", runtime_dir.display()));
            }
        }
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(cannot(&self.directory)(error));
            }
            Ok(()) | Err(_) => {}
        }
        self.check()
    }

    /// Whether the directory is ours alone: what somebody else has put there is left alone.
    fn check(&self) -> Result<(), String> {
        let shown = self.directory.display();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&self.directory);
        let found = opened.and_then(|directory: File| directory.metadata());
        let found = found.map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP | libc::ENOTDIR) => {
                format!("{shown} is no directory of ours: remove it")
            }
            _ => cannot(&self.directory)(error),
        })?;
        if found.uid() != sys::effective_user() {
            return Err(format!("{shown} is another user's: remove it"));
        }
        match found.mode() & 0o7777 {
            mode if mode & 0o077 == 0 => Ok(()),
            mode => Err(format!(
                "{shown} is open to others (mode {mode:o}): chmod 700 {shown}"
            )),
        }
    }
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}

fn cannot(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("cannot use {}: {}", path.display(), reason(&error))
}

/// Listens below a name of its own first, so that it is found only when it answers.
fn listen(directory: &Path, hash: &str) -> Result<InstanceSocket, String> {
    let pid = process::id();
    let mut last = format!(
        "all names of {hash}-{pid} in {} are taken",
        directory.display()
    );
    for try_number in 0..NAMES_MAX {
        let name = match try_number {
            0 => format!("{hash}-{pid}"),
            more => format!("{hash}-{pid}-{more}"),
        };
        let path = directory.join(&name);
        let unfinished = directory.join(format!("{UNFINISHED}{name}"));
        let length = unfinished.as_os_str().as_bytes().len();
        if length > PATH_BYTES_MAX {
            return Err(format!(
                "{} is too long for a socket ({length} of {PATH_BYTES_MAX} bytes)",
                unfinished.display()
            ));
        }
        if path.symlink_metadata().is_ok() && !remove_if_stale(&path) {
            continue;
        }
        // Whoever had our number and died while he made his.
        let _left = fs::remove_file(&unfinished);
        match finish(&unfinished, &path) {
            Ok(listener) => return Ok(InstanceSocket { listener, path }),
            Err(error) => {
                let _unfinished = fs::remove_file(&unfinished);
                last = cannot(&path)(error);
            }
        }
    }
    Err(last)
}

fn finish(unfinished: &Path, path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(unfinished)?;
    fs::set_permissions(unfinished, fs::Permissions::from_mode(0o600))?;
    fs::rename(unfinished, path)?;
    Ok(listener)
}

/// Removes a socket that nobody listens on: its owner was killed. `true` if the name is free.
fn remove_if_stale(path: &Path) -> bool {
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(_answers) => false,
    }
}

/// What came of asking one instance.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Its answer.
    Answer(Vec<u8>),
    /// It is there and does not answer: its process id, and why.
    Silent(String, String),
}

/// Asks all instances of a configuration directory, each at most until `patience` is over. Sockets
/// that nobody listens on are removed.
pub(crate) fn ask_all(config_dir: &Path, question: &str, patience: Duration) -> Vec<Asked> {
    let prefix = format!("{}-", hash_of_directory(config_dir));
    let mut paths = Vec::new();
    for place in Place::all_for_others() {
        // What is not ours alone may hold anybody's sockets.
        if place.check().is_ok() {
            paths.extend(sockets(&place.directory, &prefix));
        }
    }
    let left = paths.len().saturating_sub(INSTANCES_ASKED_MAX);
    paths.truncate(INSTANCES_ASKED_MAX);
    let until = Instant::now() + patience;
    // All are asked before the first answer is awaited: those that hang, hang at once.
    let open: Vec<_> = paths
        .iter()
        .map(|path| (path, open(path, question)))
        .collect();
    let mut asked = Vec::new();
    for (path, opened) in open {
        let who = || {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.split('-').nth(1).unwrap_or_default().to_owned()
        };
        match opened.and_then(|stream| stream.map(|stream| read(stream, until)).transpose()) {
            Ok(Some(answer)) => asked.push(Asked::Answer(answer)),
            Ok(None) => {}
            Err(error) => asked.push(Asked::Silent(who(), reason(&error))),
        }
    }
    if left > 0 {
        asked.push(Asked::Silent(
            format!("{left} more"),
            "not asked".to_owned(),
        ));
    }
    asked
}

/// The sockets of one configuration in a directory, in the order of their names.
fn sockets(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) {
            found.push(entry.path());
        } else if name
            .strip_prefix(UNFINISHED)
            .is_some_and(|rest| rest.starts_with(prefix))
        {
            let age = entry.metadata().and_then(|found| found.modified());
            let age = age.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
            if age.is_ok_and(|age| age > UNFINISHED_MAX) {
                remove_if_stale(&entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Connects and asks; `None` if nobody is there.
fn open(path: &Path, question: &str) -> io::Result<Option<Blocking>> {
    // Without waiting: a process that was stopped may have a full queue.
    let stream = match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            let _gone = fs::remove_file(path);
            return Ok(None);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !is_ours(stream.as_fd()) {
        return Err(io::Error::other("it is another user's"));
    }
    let mut stream = Blocking::from(stream);
    // A short line always fits into a fresh socket.
    stream.write_all(question.as_bytes())?;
    stream.set_nonblocking(false)?;
    Ok(Some(stream))
}

/// Reads to the end.
fn read(stream: Blocking, until: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = [0; 64 * 1024];
    let mut stream = stream.take(INSTANCE_ANSWER_BYTES_MAX);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // Zero would mean for ever.
        let left = left.max(Duration::from_millis(1));
        stream.get_ref().set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) if answer.ends_with(b"\n") => return Ok(answer),
            Ok(0) => return Err(io::Error::other("it gives no whole answer")),
            Ok(n) => answer.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // It may have been closed with bytes of ours unread.
            Err(_) if answer.ends_with(b"\n") => return Ok(answer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::other("it does not answer in time"));
            }
            Err(error) => return Err(error),
        }
        if Instant::now() >= until && !answer.ends_with(b"\n") {
            return Err(io::Error::other("it does not answer in time"));
        }
    }
}
