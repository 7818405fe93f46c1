//! Notices that a configuration file changed (DESIGN 6, config watch): by inotify where that
//! serves, else by looking once a second.
//!
//! Any event only means "look". A change is acted on when two looks agree, so that a file is not
//! read while it is being written. What changed is decided by the reader, who compares content.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use onemcp::limits::{CONFIG_SETTLE_MS, CONFIG_STAT_EVERY_MS};
use onemcp::now::Tick;

use crate::shell::sys;
use crate::shell::watch_paths::Places;

/// What a look at a file shows; two equal ones mean that nobody is writing.
type Look = Vec<Option<[u64; 6]>>;

/// The watch over a few files.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    /// A directory in which files come and go.
    directory: Option<PathBuf>,
    means: Means,
    /// What the files looked like when they were last found at rest.
    known: Look,
    phase: Phase,
}

#[derive(Debug)]
enum Means {
    /// Events, and the numbers of what is watched.
    Inotify { queue: File, watches: Vec<i32> },
    /// A look at this moment and every second after it.
    Stat { at: Tick },
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing happened since the last look.
    Quiet,
    /// Something did; at `at` we look again, and act if it shows the same.
    Settling { seen: Look, at: Tick },
}

impl Watch {
    /// Begins to watch. What was read before this call is not looked at again.
    pub(crate) fn new(files: Vec<PathBuf>, registry: &Registry, token: Token, now: Tick) -> Self {
        let files = files.into_iter().map(absolute).collect();
        Self::over(files, None, registry, token, now)
    }

    /// Begins to watch what comes into a directory and goes out of it. The files that are in it
    /// are watched once they are named: [`Watch::watch_files`].
    pub(crate) fn of_directory(
        directory: PathBuf,
        registry: &Registry,
        token: Token,
        now: Tick,
    ) -> Self {
        let directory = Some(absolute(directory));
        Self::over(Vec::new(), directory, registry, token, now)
    }

    fn over(
        files: Vec<PathBuf>,
        directory: Option<PathBuf>,
        registry: &Registry,
        token: Token,
        now: Tick,
    ) -> Self {
        let paths = watched(&files, directory.as_deref());
        let means = inotify(&paths, registry, token).unwrap_or(Means::Stat {
            at: now.after(CONFIG_STAT_EVERY_MS),
        });
        let known = look(&looked_at(&files, directory.as_deref()));
        Self {
            files,
            directory,
            means,
            known,
            phase: Phase::Quiet,
        }
    }

    /// From now on these files are watched. If they are others than before, there will be another
    /// look: what became of them until now has gone unnoticed.
    pub(crate) fn watch_files(&mut self, files: Vec<PathBuf>, now: Tick) {
        let files: Vec<PathBuf> = files.into_iter().map(absolute).collect();
        if files == self.files {
            return;
        }
        self.files = files;
        let paths = watched(&self.files, self.directory.as_deref());
        if let Means::Inotify { queue, watches } = &mut self.means {
            rewatch(queue, watches, &paths);
        }
        self.known = Look::new();
        self.begin(now);
    }

    fn look(&self) -> Look {
        look(&looked_at(&self.files, self.directory.as_deref()))
    }

    /// Whether the files are looked at once a second, for want of events.
    pub(crate) fn needs_timer(&self) -> bool {
        matches!(self.means, Means::Stat { .. })
    }

    /// When [`Watch::poll`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let settle = match &self.phase {
            Phase::Quiet => None,
            Phase::Settling { at, .. } => Some(*at),
        };
        let stat = match &self.means {
            Means::Inotify { .. } => None,
            Means::Stat { at } => Some(*at),
        };
        [settle, stat].into_iter().flatten().min()
    }

    /// There are events: takes them, and begins to look.
    pub(crate) fn on_event(&mut self, now: Tick) {
        let Means::Inotify { queue, watches } = &mut self.means else {
            return;
        };
        let mut events = [0; 4096];
        let mut any = false;
        while let Ok(1..) = queue.read(&mut events) {
            any = true;
        }
        if any {
            // Directories and links may be others now. Watched first and looked at afterwards, so
            // that no change falls between.
            let paths = watched(&self.files, self.directory.as_deref());
            rewatch(queue, watches, &paths);
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Tick) {
        self.phase = Phase::Settling {
            seen: self.look(),
            at: now.after(CONFIG_SETTLE_MS),
        };
    }

    /// Does what is due. `true` = the files changed and are at rest: read them.
    pub(crate) fn poll(&mut self, now: Tick) -> bool {
        if let Means::Stat { at } = &mut self.means
            && *at <= now
        {
            *at = now.after(CONFIG_STAT_EVERY_MS);
            if self.phase == Phase::Quiet && self.look() != self.known {
                self.begin(now);
            }
        }
        match &self.phase {
            Phase::Settling { seen, at } if *at <= now => {
                let found = self.look();
                if found != *seen {
                    self.begin(now);
                    return false;
                }
                self.phase = Phase::Quiet;
                let changed = found != self.known;
                self.known = found;
                changed
            }
            Phase::Settling { .. } | Phase::Quiet => false,
        }
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The paths whose every turn is watched. In a directory stands what never exists for all that may
/// come.
fn watched(files: &[PathBuf], directory: Option<&Path>) -> Vec<PathBuf> {
    let anything = directory.map(|directory| directory.join(".1mcp-any"));
    files.iter().cloned().chain(anything).collect()
}

/// The paths whose looks tell a change.
fn looked_at(files: &[PathBuf], directory: Option<&Path>) -> Vec<PathBuf> {
    let directory = directory.map(Path::to_path_buf);
    files.iter().cloned().chain(directory).collect()
}

fn inotify(files: &[PathBuf], registry: &Registry, token: Token) -> Option<Means> {
    let remote = |file: &PathBuf| sys::is_remote_file_system(nearest_existing(file));
    if files.iter().any(remote) || places(files).has_mounted_file() {
        return None;
    }
    let queue = sys::inotify_open().ok()?;
    let mut watches = Vec::new();
    if !rewatch(&queue, &mut watches, files) {
        return None;
    }
    SourceFd(&queue.as_raw_fd())
        .register_with(registry, token)
        .then_some(Means::Inotify { queue, watches })
}

trait RegisterWith {
    fn register_with(&mut self, registry: &Registry, token: Token) -> bool;
}

impl RegisterWith for SourceFd<'_> {
    fn register_with(&mut self, registry: &Registry, token: Token) -> bool {
        registry.register(self, token, Interest::READABLE).is_ok()
    }
}

fn places(files: &[PathBuf]) -> Places {
    let mut places = Places::default();
    for file in files {
        places.add(file);
    }
    places
}

/// Watches what has to be watched now, and nothing else. `false` if some of it cannot be.
fn rewatch(queue: &File, watches: &mut Vec<i32>, files: &[PathBuf]) -> bool {
    let places = places(files);
    let mut new = Vec::new();
    let mut complete = true;
    let directories = places.directories.iter().map(|path| (path, DIRECTORY));
    let files = places.files.iter().map(|path| (path, FILE));
    for (path, mask) in directories.chain(files) {
        match sys::inotify_add(queue, path, mask) {
            // Adding what is watched already gives its number again.
            Ok(watch) => new.push(watch),
            Err(error) => complete &= error.kind() == std::io::ErrorKind::NotFound,
        }
    }
    for old in watches.iter().filter(|old| !new.contains(old)) {
        sys::inotify_remove(queue, *old);
    }
    *watches = new;
    complete
}

/// Without IN_MODIFY: a log file in the same directory would wake us with every line.
#[cfg(target_os = "linux")]
const DIRECTORY: u32 = libc::IN_CREATE
    | libc::IN_MOVED_TO
    | libc::IN_MOVED_FROM
    | libc::IN_DELETE
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;
/// The file itself, written in place by somebody who keeps it open.
#[cfg(target_os = "linux")]
const FILE: u32 = libc::IN_MODIFY | libc::IN_CLOSE_WRITE | libc::IN_ATTRIB;
#[cfg(not(target_os = "linux"))]
const DIRECTORY: u32 = 0;
#[cfg(not(target_os = "linux"))]
const FILE: u32 = 0;

fn look(files: &[PathBuf]) -> Look {
    let time = |seconds: i64, nanos: i64| {
        seconds
            .wrapping_mul(1_000_000_000)
            .wrapping_add(nanos)
            .cast_unsigned()
    };
    files
        .iter()
        .map(|file| {
            let found = fs::metadata(file).ok()?;
            Some([
                found.dev(),
                found.ino(),
                found.size(),
                u64::from(found.mode()),
                time(found.mtime(), found.mtime_nsec()),
                time(found.ctime(), found.ctime_nsec()),
            ])
        })
        .collect()
}

fn nearest_existing(path: &Path) -> &Path {
    path.ancestors()
        .find(|ancestor| ancestor.exists())
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::disk::{replace_atomically, tests::TempDir};
    use mio::{Events, Poll};
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    struct Watched {
        poll: Poll,
        watch: Watch,
        now: Tick,
    }

    impl Watched {
        fn new(files: &[PathBuf]) -> Self {
            let poll = Poll::new().unwrap();
            let watch = Watch::new(files.to_vec(), poll.registry(), Token(1), Tick(0));
            assert!(
                !watch.needs_timer(),
                "inotify serves in a temporary directory"
            );
            Self {
                poll,
                watch,
                now: Tick(0),
            }
        }

        /// Waits for events, and lets the virtual clock pass until the watch is at rest.
        fn changed(&mut self) -> bool {
            let mut events = Events::with_capacity(8);
            self.poll.poll(&mut events, None).unwrap();
            self.settle()
        }

        fn settle(&mut self) -> bool {
            self.watch.on_event(self.now);
            while let Some(at) = self.watch.deadline() {
                self.now = at;
                if self.watch.poll(self.now) {
                    return true;
                }
                self.watch.on_event(self.now);
            }
            false
        }

        fn is_silent(&mut self) -> bool {
            let mut events = Events::with_capacity(8);
            self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            events.is_empty() && self.watch.deadline().is_none()
        }
    }

    #[test]
    fn a_file_that_is_created_replaced_written_in_place_or_removed_is_noticed() {
        let dir = TempDir::new();
        let file = dir.path().join("mcp.json");
        let mut watched = Watched::new(&[file.clone(), dir.path().join(".env")]);
        assert!(watched.is_silent());
        fs::write(&file, "{}").unwrap();
        assert!(watched.changed());
        replace_atomically(&file, b"{ }", 0o600).unwrap();
        assert!(watched.changed());
        let mut open = File::options().append(true).open(&file).unwrap();
        open.write_all(b"\n").unwrap();
        assert!(watched.changed(), "though it is still open");
        fs::write(dir.path().join(".env"), "A=1").unwrap();
        assert!(watched.changed());
        fs::remove_file(&file).unwrap();
        assert!(watched.changed());
    }

    #[test]
    fn other_files_in_the_directory_cause_a_look_and_nothing_more() {
        let dir = TempDir::new();
        let file = dir.path().join("mcp.json");
        fs::write(&file, "{}").unwrap();
        let mut watched = Watched::new(&[file]);
        let mut log = File::create(dir.path().join("log")).unwrap();
        assert!(!watched.changed());
        log.write_all(b"line\n").unwrap();
        assert!(watched.is_silent(), "a log line is not even an event");
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_is_awaited() {
        let dir = TempDir::new();
        let file = dir.path().join("a/b/mcp.json");
        let mut watched = Watched::new(std::slice::from_ref(&file));
        fs::create_dir(dir.path().join("a")).unwrap();
        assert!(!watched.changed());
        fs::create_dir(dir.path().join("a/b")).unwrap();
        assert!(!watched.changed());
        fs::write(&file, "{}").unwrap();
        assert!(watched.changed());
    }

    #[test]
    fn a_link_that_is_turned_to_another_directory_is_noticed() {
        let dir = TempDir::new();
        let d = dir.path();
        for name in ["one", "two"] {
            fs::create_dir(d.join(name)).unwrap();
            fs::write(d.join(name).join("mcp.json"), name).unwrap();
        }
        symlink("one", d.join("..data")).unwrap();
        symlink("..data/mcp.json", d.join("mcp.json")).unwrap();
        let mut watched = Watched::new(&[d.join("mcp.json")]);
        symlink("two", d.join("..tmp")).unwrap();
        fs::rename(d.join("..tmp"), d.join("..data")).unwrap();
        assert!(watched.changed());
        fs::write(d.join("two/mcp.json"), "changed").unwrap();
        assert!(watched.changed(), "the new target is watched as well");
    }

    #[test]
    fn a_directory_that_is_moved_away_and_made_anew_is_noticed() {
        let dir = TempDir::new();
        let d = dir.path().join("config");
        fs::create_dir(&d).unwrap();
        let mut watched = Watched::new(&[d.join("mcp.json")]);
        fs::rename(&d, dir.path().join("away")).unwrap();
        assert!(!watched.changed());
        fs::create_dir(&d).unwrap();
        assert!(!watched.changed());
        fs::write(d.join("mcp.json"), "{}").unwrap();
        assert!(watched.changed());
    }

    #[test]
    fn a_change_is_acted_on_only_when_two_looks_agree() {
        let dir = TempDir::new();
        let file = dir.path().join("mcp.json");
        fs::write(&file, "{").unwrap();
        let mut watched = Watched::new(std::slice::from_ref(&file));
        fs::write(&file, "{ \"mcpServers\"").unwrap();
        watched.watch.on_event(Tick(10));
        assert_eq!(watched.watch.deadline(), Some(Tick(10 + CONFIG_SETTLE_MS)));
        assert!(!watched.watch.poll(Tick(11)));
        fs::write(&file, "{ \"mcpServers\": {} }").unwrap();
        let at = Tick(10 + CONFIG_SETTLE_MS);
        assert!(!watched.watch.poll(at), "it is still being written");
        assert!(watched.watch.poll(at.after(CONFIG_SETTLE_MS)));
    }

    #[test]
    fn without_inotify_the_files_are_looked_at_once_a_second() {
        let dir = TempDir::new();
        let file = dir.path().join("mcp.json");
        let mut watch = Watch {
            files: vec![file.clone()],
            directory: None,
            means: Means::Stat { at: Tick(1000) },
            known: vec![None],
            phase: Phase::Quiet,
        };
        assert!(watch.needs_timer());
        assert_eq!(watch.deadline(), Some(Tick(1000)));
        assert!(!watch.poll(Tick(1000)));
        assert_eq!(watch.deadline(), Some(Tick(2000)));
        fs::write(&file, "{}").unwrap();
        assert!(!watch.poll(Tick(2000)));
        assert_eq!(watch.deadline(), Some(Tick(2000 + CONFIG_SETTLE_MS)));
        assert!(watch.poll(Tick(2000 + CONFIG_SETTLE_MS)));
        assert!(!watch.poll(Tick(3000)));
    }
}
