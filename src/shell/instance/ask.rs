//! Asking the instances of others: finds their sockets, asks all at once, reads what they answer.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use onemcp::limits::{INSTANCE_ANSWER_BYTES_MAX, INSTANCES_ASKED_MAX};

use super::place::Place;
use super::{is_ours, remove_socket};
use crate::shell::configuration::hash_of_directory;
use crate::shell::disk::reason;

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
pub(super) fn sockets(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let mut found: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
    found.sort();
    found
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
    use std::fs;
    use std::os::unix::net::UnixListener as Listening;
    use std::thread;

    use crate::shell::disk::tests::TempDir;

    const HASH: &str = "0123456789abcdef";

    /// What [`open`] and [`read`] make of a peer that does this.
    fn asked(
        patience: Duration,
        peer: impl FnOnce(Blocking) + Send + 'static,
    ) -> io::Result<Vec<u8>> {
        let dir = TempDir::new();
        let path = dir.path().join("s");
        let listener = Listening::bind(&path).unwrap();
        let other = thread::spawn(move || peer(listener.accept().unwrap().0));
        let stream = open(&path, "status\n").unwrap().unwrap();
        let answer = read(stream, Instant::now() + patience);
        other.join().unwrap();
        answer
    }

    /// Longer than a machine is busy with others.
    const LONG: Duration = Duration::from_secs(60);
    /// For peers that say nothing.
    const SHORT: Duration = Duration::from_millis(300);

    #[test]
    fn an_answer_is_read_to_its_end_and_what_is_none_is_told() {
        let answer = asked(LONG, |mut peer| {
            let mut question = [0; 7];
            peer.read_exact(&mut question).unwrap();
            peer.write_all(&question).unwrap();
        });
        assert_eq!(answer.unwrap(), b"status\n");
        // Closed with the question unread: what was answered before counts.
        let answer = asked(LONG, |mut peer| peer.write_all(b"{}\n").unwrap());
        assert_eq!(answer.unwrap(), b"{}\n");
        let half = asked(LONG, |mut peer| {
            let mut question = [0; 7];
            peer.read_exact(&mut question).unwrap();
            peer.write_all(b"{").unwrap();
        });
        assert!(half.unwrap_err().to_string().contains("no whole answer"));
        let silent = asked(SHORT, |mut peer| {
            let mut rest = Vec::new();
            peer.read_to_end(&mut rest).unwrap();
        });
        assert!(silent.unwrap_err().to_string().contains("in time"));
    }

    #[test]
    fn instance_answer_bytes_max_more_than_that_is_no_answer() {
        let answer = asked(LONG, |mut peer| {
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
