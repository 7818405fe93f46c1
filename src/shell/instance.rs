//! The socket on which an instance answers `mcp status`: one for each running `serve`, found by
//! the hash of its configuration directory, never a TCP port, for its owner alone.
//!
//! Listens, and sweeps away what killed instances left; `place` knows the directories, `ask` asks
//! the sockets of others. Knows no question and no answer. Without a socket everything else works
//! as well.

mod ask;
mod place;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

pub(crate) use ask::{Asked, ask_all};
use place::{Place, cannot};

use crate::shell::configuration::hash_of_directory;
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

#[cfg(test)]
mod tests {
    use super::ask::sockets;
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::os::unix::net::UnixListener as Listening;

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
}
