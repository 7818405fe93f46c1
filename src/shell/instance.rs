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
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

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
/// Entries that are looked at for sockets of the dead; the rest is the next one's.
const SWEPT_MAX: usize = 1024;

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
                Ok(socket) => {
                    sweep(&place.directory);
                    return Ok(socket);
                }
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
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => remove_socket(path),
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(_answers) => false,
    }
}

/// A file that is no socket refuses too, and is nobody's to remove.
fn remove_socket(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_ok_and(|found| found.file_type().is_socket()) && fs::remove_file(path).is_ok()
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
    ask_each(&paths, question, Instant::now() + patience)
}

fn ask_each(paths: &[PathBuf], question: &str, until: Instant) -> Vec<Asked> {
    let who = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.split('-').nth(1).unwrap_or_default().to_owned()
    };
    let (mut open_ones, mut asked) = (Vec::new(), Vec::new());
    let mut left = paths.iter();
    // All are asked before the first answer is awaited: those that hang, hang at once.
    for path in left.by_ref() {
        match open(path, question) {
            Ok(None) => {}
            Ok(Some(stream)) => open_ones.push((path, stream)),
            Err(error) => asked.push(Asked::Silent(who(path), reason(&error))),
        }
        if open_ones.len() + asked.len() >= INSTANCES_ASKED_MAX {
            break;
        }
    }
    for (path, stream) in open_ones {
        asked.push(match read(stream, until) {
            Ok(answer) => Asked::Answer(answer),
            Err(error) => Asked::Silent(who(path), reason(&error)),
        });
    }
    let left = left.len();
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
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let mut found: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Removes the sockets of processes that are gone, of whatever configuration. A number says
/// nothing about a process of another container, so the socket has the last word.
fn sweep(directory: &Path) {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    for entry in entries.take(SWEPT_MAX) {
        let name = entry.file_name();
        let pid = name.to_string_lossy().split('-').nth(1).map(str::parse);
        if let Some(Ok(pid)) = pid
            && !sys::process_exists(pid)
        {
            remove_if_stale(&entry.path());
        }
    }
}

/// Connects and asks; `None` if nobody is there.
fn open(path: &Path, question: &str) -> io::Result<Option<Blocking>> {
    // Without waiting: a process that was stopped may have a full queue.
    let stream = match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            remove_socket(path);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener as Listening;
    use std::thread;

    use crate::shell::disk::tests::TempDir;

    const HASH: &str = "0123456789abcdef";

    fn place(dir: &TempDir) -> Place {
        Place {
            runtime_dir: None,
            directory: dir.path().join("1mcp-0"),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    /// A number that no process has: above every limit of the kernel.
    const NOBODY: u32 = 99_999_999;

    #[test]
    fn the_directory_and_the_socket_are_the_owners_alone_and_the_socket_goes_with_us() {
        let dir = TempDir::new();
        let place = place(&dir);
        place.make().unwrap();
        place.make().unwrap();
        assert_eq!(mode(&place.directory), 0o700);
        let first = listen(&place.directory, HASH).unwrap();
        // A container has process numbers of its own: the same name may be taken.
        let second = listen(&place.directory, HASH).unwrap();
        assert_eq!(mode(&first.path), 0o600);
        assert!(second.path.to_str().unwrap().ends_with("-1"));
        let path = first.path.clone();
        drop(first);
        assert!(!path.exists() && second.path.exists());
        let names = fs::read_dir(&place.directory).unwrap().count();
        assert_eq!(names, 1);
    }

    #[test]
    fn a_directory_that_is_not_ours_alone_is_refused_and_left_alone() {
        let dir = TempDir::new();
        let place = place(&dir);
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&elsewhere, &place.directory).unwrap();
        let error = place.make().unwrap_err();
        assert!(
            error.ends_with("is no directory of ours: remove it"),
            "{error}"
        );
        fs::remove_file(&place.directory).unwrap();
        fs::write(&place.directory, "").unwrap();
        assert!(place.make().is_err());
        fs::remove_file(&place.directory).unwrap();
        place.make().unwrap();
        for open in [0o755, 0o701, 0o770] {
            let wanted = fs::Permissions::from_mode(open);
            fs::set_permissions(&place.directory, wanted).unwrap();
            let error = place.make().unwrap_err();
            assert!(error.contains("chmod 700"), "{error}");
            assert_eq!(mode(&place.directory), open);
        }
        let absent = Place::in_runtime_dir(dir.path().join("absent"));
        assert!(absent.make().unwrap_err().starts_with("cannot use "));
        let root = Place::in_runtime_dir("/proc/1/root/nowhere".into());
        assert!(root.make().is_err());
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_told_with_its_length() {
        let dir = TempDir::new();
        let long = dir.path().join("x".repeat(PATH_BYTES_MAX));
        fs::create_dir(&long).unwrap();
        let error = listen(&long, HASH).unwrap_err();
        assert!(error.contains("is too long for a socket"), "{error}");
    }

    #[test]
    fn sockets_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let dir = TempDir::new();
        let at = |name: String| dir.path().join(name);
        let dead = at(format!("{HASH}-{NOBODY}"));
        let unfinished = at(format!(".{HASH}-{NOBODY}"));
        let contained = at(format!("{HASH}-{NOBODY}-1"));
        let living = at(format!("{HASH}-{}", process::id()));
        drop(Listening::bind(&dead).unwrap());
        drop(Listening::bind(&unfinished).unwrap());
        let _listens = Listening::bind(&contained).unwrap();
        drop(Listening::bind(&living).unwrap());
        fs::write(at("notes-1x".to_owned()), "").unwrap();
        sweep(dir.path());
        assert!(!dead.exists() && !unfinished.exists());
        assert!(contained.exists() && living.exists());
        assert_eq!(
            sockets(dir.path(), &format!("{HASH}-")),
            [living, contained]
        );
    }

    /// What [`open`] and [`read`] make of a peer that does this.
    fn asked(peer: impl FnOnce(Blocking) + Send + 'static) -> io::Result<Vec<u8>> {
        let dir = TempDir::new();
        let path = dir.path().join("s");
        let listener = Listening::bind(&path).unwrap();
        let other = thread::spawn(move || peer(listener.accept().unwrap().0));
        let stream = open(&path, "status\n").unwrap().unwrap();
        let answer = read(stream, Instant::now() + Duration::from_millis(300));
        other.join().unwrap();
        answer
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_what_is_none_is_told() {
        let answer = asked(|mut peer| {
            let mut question = [0; 7];
            peer.read_exact(&mut question).unwrap();
            peer.write_all(&question).unwrap();
        });
        assert_eq!(answer.unwrap(), b"status\n");
        // Closed with the question unread: what was answered before counts.
        let answer = asked(|mut peer| peer.write_all(b"{}\n").unwrap());
        assert_eq!(answer.unwrap(), b"{}\n");
        let half = asked(|mut peer| {
            let mut question = [0; 7];
            peer.read_exact(&mut question).unwrap();
            peer.write_all(b"{").unwrap();
        });
        assert!(half.unwrap_err().to_string().contains("no whole answer"));
        let silent = asked(|mut peer| {
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).unwrap();
        });
        assert!(silent.unwrap_err().to_string().contains("in time"));
    }

    #[test]
    fn instance_answer_bytes_max_more_than_that_is_no_answer() {
        let answer = asked(|mut peer| {
            let piece = vec![b'x'; 1024 * 1024];
            while peer.write_all(&piece).is_ok() {}
        });
        assert!(answer.is_err());
    }

    #[test]
    fn instances_asked_max_dead_ones_do_not_count_and_the_rest_is_told() {
        let dir = TempDir::new();
        let paths: Vec<PathBuf> = (100..102 + INSTANCES_ASKED_MAX * 2)
            .map(|pid| dir.path().join(format!("{HASH}-{pid}")))
            .collect();
        let (dead, living) = paths.split_at(INSTANCES_ASKED_MAX);
        for path in dead {
            drop(Listening::bind(path).unwrap());
        }
        let listen = |path| Listening::bind(path).unwrap();
        let _listeners: Vec<Listening> = living.iter().map(listen).collect();
        let asked = ask_each(&paths, "status\n", Instant::now());
        assert_eq!(asked.len(), INSTANCES_ASKED_MAX + 1);
        let last = asked.last().unwrap();
        assert!(
            matches!(last, Asked::Silent(who, _) if who == "2 more"),
            "{last:?}"
        );
        assert!(dead.iter().all(|path| !path.exists()));
    }

    #[test]
    fn nobody_there_is_no_answer_and_a_dead_socket_is_removed() {
        let dir = TempDir::new();
        let path = dir.path().join("s");
        assert!(open(&path, "status\n").unwrap().is_none());
        drop(Listening::bind(&path).unwrap());
        assert!(open(&path, "status\n").unwrap().is_none());
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        // A file refuses as well; it was not made by us and is left alone.
        assert!(open(&path, "status\n").unwrap().is_none());
        assert!(path.exists());
    }
}
