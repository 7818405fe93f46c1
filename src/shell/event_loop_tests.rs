//! The loop over real sockets, pipes and children, with a core that does what each test says.

use super::*;
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;

use onemcp::base::slab::Key;
use onemcp::effect::Effect;
use onemcp::effect::StopSignal;
use onemcp::input::Port;
use onemcp::links::{Links, Owner};
use onemcp::now::Now;

use crate::shell::bell::Bell;
use crate::shell::child::tests::spec;
use crate::shell::disk::tests::TempDir;
use crate::shell::guard_link::GuardCommand;
use crate::shell::listener;
use crate::shell::lookup;
use crate::shell::own_stdio::{Direction, Standard};
use crate::shell::secrets::Secrets;
use crate::shell::tls;

const POOL: PoolKey = PoolKey(Key {
    index: 0,
    generation: 0,
});

type Script = Box<dyn FnMut(&Input<'_>, &mut Links, &mut Effects)>;

/// Writes down what it is told, and does what the test's script says.
struct ScriptedCore {
    links: Links,
    script: Script,
    seen: Rc<RefCell<Vec<String>>>,
    deadline: Rc<RefCell<Option<Tick>>>,
}

impl Core for ScriptedCore {
    fn handle(&mut self, _now: Now, input: Input<'_>, out: &mut Effects) {
        self.seen.borrow_mut().push(brief(&input));
        match input {
            Input::Accepted { link, .. } => self.links.open(link, Owner::Http),
            Input::Stdio { link } => self.links.open(link, Owner::Stdio),
            Input::Instance { link } => self.links.open(link, Owner::Instance),
            Input::Spawned { pool, link, .. } => self.links.open(link, Owner::Child(pool)),
            Input::Opened { dial, link } => self.links.open(link, Owner::Dialed(dial)),
            Input::Broken { link } => self.links.forget(link),
            Input::Tick => *self.deadline.borrow_mut() = None,
            _ => {}
        }
        (self.script)(&input, &mut self.links, out);
    }
    fn next_deadline(&self) -> Option<Tick> {
        *self.deadline.borrow()
    }
    fn next_dirty(&mut self) -> Option<LinkKey> {
        self.links.next_dirty()
    }
    fn pending(&self, link: LinkKey) -> impl Iterator<Item = &[u8]> {
        self.links.chunks(link)
    }
    fn wrote(&mut self, _now: Now, link: LinkKey, bytes: usize, _out: &mut Effects) -> bool {
        self.links.wrote(link, bytes)
    }
}

/// `bytes 0 abc`: what happened, to which place, and short content.
fn brief(input: &Input<'_>) -> String {
    let place = |link: &LinkKey| link.0.index;
    match input {
        Input::Accepted { link, port, .. } => match port {
            Port::Clients => format!("accepted {}", place(link)),
            Port::Browsers => format!("accepted browser {}", place(link)),
        },
        Input::Stdio { link } => format!("stdio {}", place(link)),
        Input::Instance { link } => format!("instance {}", place(link)),
        Input::Bytes { link, bytes } if bytes.len() < 30 => {
            format!("bytes {} {}", place(link), bytes.escape_ascii())
        }
        Input::Bytes { link, bytes } => format!("bytes {} #{}", place(link), bytes.len()),
        Input::Eof { link } => format!("eof {}", place(link)),
        Input::Broken { link } => format!("broken {}", place(link)),
        Input::Opened { link, .. } => format!("opened {}", place(link)),
        Input::OpenFailed { failure, .. } => format!("unopened {}", failure.why),
        Input::Spawned { link, .. } => format!("spawned {}", place(link)),
        Input::SpawnFailed { why, .. } => format!("failed {why}"),
        Input::Stderr { bytes, .. } => format!("stderr {}", bytes.escape_ascii()),
        Input::Exited { status, .. } => format!("exited {status}"),
        Input::StateLoaded { name, bytes } => format!("state {name} {}", bytes.is_some()),
        Input::Record { name, .. } => format!("record {name}"),
        Input::RecordLocked { ticket, .. } => format!("locked {ticket:?}"),
        Input::RecordStored { ticket, .. } => format!("stored {ticket:?}"),
        Input::Stretched { ticket, .. } => format!("stretched {ticket}"),
        Input::ListeningLocal { port } => format!("local {port:?}"),
        Input::Measured { process, .. } => format!("measured {process:?}"),
        Input::Config(_) => "config".to_owned(),
        Input::Stop => "stop".to_owned(),
        Input::Tick => "tick".to_owned(),
    }
}

struct Harness {
    looped: EventLoop<ScriptedCore>,
    events: Events,
    seen: Rc<RefCell<Vec<String>>>,
    deadline: Rc<RefCell<Option<Tick>>>,
    _dir: TempDir,
}

impl Harness {
    fn new(script: impl FnMut(&Input<'_>, &mut Links, &mut Effects) + 'static) -> Self {
        let (dir, poll) = (TempDir::new(), Poll::new().unwrap());
        let (seen, deadline) = (Rc::default(), Rc::default());
        let core = ScriptedCore {
            links: Links::default(),
            script: Box::new(script),
            seen: Rc::clone(&seen),
            deadline: Rc::clone(&deadline),
        };
        let mut listeners = listener::bind("127.0.0.1", 0).unwrap();
        for (listener, number) in listeners.iter_mut().zip(fixed::LISTENER..) {
            listener
                .register(poll.registry(), fixed_token(number))
                .unwrap();
        }
        let guard = GuardCommand {
            program: "/bin/cat".into(),
            args: Vec::new(),
        };
        let sink = std::fs::File::open("/dev/null").unwrap();
        let looped = EventLoop::new(Parts {
            poll,
            core,
            clock: Clock::new(),
            children: Children::new(guard, None),
            dials: Dials::new(Arc::new(lookup::by_system), tls::tests::trusting()),
            listeners,
            instance: None,
            log: Log::on_descriptor(sink.as_fd(), Level::Error, false),
            signals: None,
            watch: None,
            configuration: Configuration::new(dir.path().join("mcp.json"), dir.path(), false),
            state: StateDir::new(dir.path().join("state")),
            vaults: [
                Vault::new(Secrets::beside(dir.path()), Bell::default()),
                Vault::of_state(Secrets::of_sessions(dir.path()), Bell::default()),
            ],
            notify: Default::default(),
        });
        Self {
            looped,
            events: Events::with_capacity(8),
            seen,
            deadline,
            _dir: dir,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.looped.listeners[0].address().unwrap()).unwrap()
    }

    fn turn(&mut self) -> Option<u8> {
        self.looped.turn(&mut self.events)
    }

    /// Turns until the last thing that was seen is this; everything that was seen.
    fn until(&mut self, last: &str) -> Vec<String> {
        self.looped.finish_turn();
        while self.seen.borrow().last().is_none_or(|seen| seen != last) {
            assert_eq!(self.turn(), None);
            self.looped.finish_turn();
        }
        self.seen.take()
    }

    /// Turns, and reaps as the signal would make it, until all of this was seen.
    fn until_reaped(&mut self, wanted: &[&str]) -> Vec<String> {
        let missing = |seen: &[String]| !wanted.iter().all(|one| seen.iter().any(|s| s == one));
        // There is no SIGCHLD here, since signals belong to the whole test process.
        while missing(&self.seen.borrow()) {
            *self.deadline.borrow_mut() = Some(self.looped.clock.tick());
            assert_eq!(self.turn(), None);
            self.looped.reap();
        }
        self.looped.finish_turn();
        let seen = self.seen.take();
        seen.into_iter().filter(|seen| seen != "tick").collect()
    }
}

#[test]
fn a_connection_is_accepted_read_answered_and_half_closed() {
    let mut harness = Harness::new(|input, links, _| {
        if let Input::Bytes { link, bytes } = input {
            links.send(*link, &["<".into(), (*bytes).into(), ">".into()]);
            links.finish(*link);
        }
    });
    let mut client = harness.connect();
    client.write_all(b"abc").unwrap();
    assert_eq!(harness.until("bytes 0 abc"), ["accepted 0", "bytes 0 abc"]);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "<abc>");
    drop(client);
    assert_eq!(harness.until("eof 0"), ["eof 0"]);
}

#[test]
fn whoever_waits_for_a_descriptor_is_taken_though_no_link_gave_one_back() {
    let mut harness = Harness::new(|_, _, _| {});
    let _client = harness.connect();
    // The event is gone, as after a try that found no descriptor at all.
    harness.looped.poll.poll(&mut harness.events, None).unwrap();
    harness.events.clear();
    let now = harness.looped.clock.tick();
    harness.looped.stuck.put(Ready::Listener(0), now);
    assert_eq!(harness.until("accepted 0"), ["accepted 0"]);
    assert_eq!(harness.looped.timeout(), None);
}

#[test]
fn a_large_answer_waits_for_a_slow_reader_without_spinning() {
    const LENGTH: usize = 20_000_000;
    let mut harness = Harness::new(|input, links, _| {
        if let Input::Bytes { link, .. } = input {
            let answer = Rc::new(vec![b'x'; LENGTH]);
            links.send(
                *link,
                &[onemcp::base::outbox::Part::Share(&answer, 0..LENGTH)],
            );
            links.finish(*link);
        }
    });
    let mut client = harness.connect();
    client.write_all(b"go").unwrap();
    harness.until("bytes 0 go");
    while harness.looped.timeout() == Some(Duration::ZERO) {
        harness.looped.finish_turn();
    }
    assert_eq!(
        harness.looped.timeout(),
        None,
        "sleeps until the reader reads"
    );
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        all.len()
    });
    harness.until("eof 0");
    assert_eq!(reader.join().unwrap(), LENGTH);
}

#[test]
fn read_bytes_per_turn_max_keeps_one_link_from_starving_another() {
    let mut harness = Harness::new(|_, _, _| {});
    let mut big = harness.connect();
    harness.until("accepted 0");
    let mut small = harness.connect();
    harness.until("accepted 1");
    // Fits into the kernel's buffers, so that it all waits there.
    let block = vec![b'x'; 4 * READ_BYTES_PER_TURN_MAX];
    big.set_nonblocking(true).unwrap();
    let sent = big.write(&block).unwrap();
    assert!(sent > 2 * READ_BYTES_PER_TURN_MAX);
    small.write_all(b"hi").unwrap();
    let seen = harness.until("bytes 1 hi");
    let before: usize = seen
        .iter()
        .filter_map(|line| line.strip_prefix("bytes 0 #")?.parse::<usize>().ok())
        .sum();
    assert!(before <= 2 * READ_BYTES_PER_TURN_MAX, "{seen:?}");
}

#[test]
fn a_paused_link_is_not_read_and_a_resumed_one_needs_no_new_event() {
    let resume: Rc<RefCell<Option<LinkKey>>> = Rc::default();
    let kept = Rc::clone(&resume);
    let mut harness = Harness::new(move |input, _, out| {
        if let Input::Accepted { link, .. } = input
            && link.0.index == 0
        {
            *kept.borrow_mut() = Some(*link);
            let (link, paused) = (*link, true);
            out.push(Effect::PauseRead { link, paused });
        } else if let Input::Tick = input {
            let (link, paused) = (kept.borrow().unwrap(), false);
            out.push(Effect::PauseRead { link, paused });
        }
    });
    let mut client = harness.connect();
    client.write_all(b"abc").unwrap();
    harness.until("accepted 0");
    let mut other = harness.connect();
    other.write_all(b"x").unwrap();
    harness.until("accepted 1");
    *harness.deadline.borrow_mut() = Some(Tick(0));
    let seen = harness.until("bytes 0 abc");
    assert!(seen.ends_with(&["tick".to_owned(), "bytes 0 abc".to_owned()]));
    assert!(resume.borrow().is_some());
}

#[test]
fn a_closed_link_gets_no_late_input_and_its_successor_none_of_it() {
    let mut harness = Harness::new(|input, links, out| {
        if let Input::Bytes { link, .. } = input {
            links.forget(*link);
            out.push(Effect::Close { link: *link });
            out.push(Effect::Close { link: *link });
        }
    });
    let mut first = harness.connect();
    harness.until("accepted 0");
    first.write_all(b"a").unwrap();
    harness.until("bytes 0 a");
    assert_eq!(first.read(&mut [0; 1]).unwrap_or(0), 0);
    let _second = harness.connect();
    harness.until("accepted 0");
    let (key, link) = harness.looped.links.iter().next().unwrap();
    assert_eq!((key.0.generation, link.reading), (1, Reading::Waiting));
}

#[test]
fn a_reset_connection_is_broken_once() {
    let mut harness = Harness::new(|input, links, _| {
        if let Input::Accepted { link, .. } = input {
            links.send(*link, &["never read".into()]);
        }
    });
    let client = harness.connect();
    harness.until("accepted 0");
    // Closing with unread bytes resets.
    drop(client);
    assert_eq!(harness.until("broken 0"), ["broken 0"]);
    assert!(harness.looped.links.is_empty());
}

fn with_child(program: &'static str, args: &'static [&'static str]) -> Harness {
    Harness::new(move |input, links, out| match input {
        Input::Config(_) => out.push(Effect::Spawn {
            pool: POOL,
            spec: Box::new(spec(program, args)),
        }),
        Input::Spawned { link, .. } => links.send(*link, &["hello\n".into()]),
        Input::Eof { link } => {
            links.forget(*link);
            out.push(Effect::Close { link: *link });
        }
        Input::Bytes { link, .. } => links.finish(*link),
        _ => {}
    })
}

#[test]
fn a_child_is_spawned_written_read_finished_and_reaped() {
    let mut harness = with_child("sh", &["-c", "cat; echo done >&2; exit 3"]);
    harness.looped.configure(Box::default());
    let seen = harness.until_reaped(&["exited exit code 3", "eof 0"]);
    assert_eq!(seen[..3], ["config", "spawned 0", "bytes 0 hello\\n"]);
    let at = |what: &str| seen.iter().position(|line| line == what).unwrap();
    assert!(at("stderr done\\n") < at("exited exit code 3"), "{seen:?}");
    assert!(at("eof 0") > 2);
    assert!(harness.looped.links.is_empty());
    assert!(harness.looped.children.is_empty());
}

#[test]
fn a_child_that_closed_its_stdin_is_read_to_its_last_answer_and_then_broken() {
    let mut deaf = None;
    let mut harness = Harness::new(move |input, links, out| match input {
        Input::Config(_) => out.push(Effect::Spawn {
            pool: POOL,
            spec: Box::new(spec("sh", &["-c", "exec <&-; echo last; sleep 1000"])),
        }),
        Input::Bytes { link, .. } => deaf = Some(*link),
        // Again and again: a process that another test's thread just forked may still hold the
        // other end of the pipe for a moment.
        Input::Tick => {
            if let Some(link) = deaf {
                links.send(link, &["refused".into()]);
            }
        }
        Input::Broken { .. } => out.push(Effect::Signal {
            pool: POOL,
            signal: StopSignal::Kill,
        }),
        _ => {}
    });
    harness.looped.configure(Box::default());
    let seen = harness.until_reaped(&["exited signal 9"]);
    let told: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "config",
            "spawned 0",
            "bytes 0 last\\n",
            "broken 0",
            "exited signal 9"
        ]
    );
    assert!(harness.looped.children.is_empty());
}

#[test]
fn a_program_that_is_not_there_is_one_input() {
    let mut harness = with_child("no-such-program", &[]);
    harness.looped.configure(Box::default());
    let failed = "failed cannot start \"no-such-program\": not found in PATH (/usr/bin:/bin)";
    harness.until(failed);
    assert!(harness.looped.children.is_empty());
}

#[test]
fn at_most_one_child_is_started_in_a_turn() {
    let mut harness = Harness::new(|input, _, out| {
        if let Input::Config(_) = input {
            for index in 0..3 {
                let pool = PoolKey(Key {
                    index,
                    generation: 0,
                });
                let spec = Box::new(spec("/nowhere", &[]));
                out.push(Effect::Spawn { pool, spec });
            }
        }
    });
    harness.looped.configure(Box::default());
    for expected in 2..4 {
        assert_eq!(harness.looped.timeout(), Some(Duration::ZERO));
        harness.turn();
        assert_eq!(harness.seen.borrow().len(), expected);
    }
    harness.looped.finish_turn();
    assert_eq!(harness.seen.borrow().len(), 4);
    assert_eq!(harness.looped.timeout(), None);
}

#[test]
fn own_stdin_and_stdout_are_one_link_and_the_reader_going_away_breaks_it() {
    let mut harness = Harness::new(|input, links, _| {
        if let Input::Bytes { link, bytes } = input {
            links.send(*link, &[(*bytes).into()]);
        }
    });
    let (stdin, mut to_us) = io::pipe().unwrap();
    let (mut from_us, stdout) = io::pipe().unwrap();
    harness.looped.open_stdio(Stream::Stdio {
        input: Standard::open(stdin.as_fd(), Direction::In).unwrap(),
        output: Standard::open(stdout.as_fd(), Direction::Out).unwrap(),
    });
    to_us.write_all(b"line\n").unwrap();
    harness.until("bytes 0 line\\n");
    let mut line = [0; 5];
    from_us.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"line\n");
    drop(from_us);
    assert_eq!(harness.until("broken 0"), ["broken 0"]);
}

#[test]
fn a_file_as_stdin_is_read_to_its_end_without_any_event() {
    let mut harness = Harness::new(|_, _, _| {});
    let dir = TempDir::new();
    let path = dir.path().join("stdin");
    std::fs::write(&path, vec![b'x'; READ_BYTES_PER_TURN_MAX + 10]).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let sink = std::fs::File::create(dir.path().join("stdout")).unwrap();
    harness.looped.open_stdio(Stream::Stdio {
        input: Standard::open(file.as_fd(), Direction::In).unwrap(),
        output: Standard::open(sink.as_fd(), Direction::Out).unwrap(),
    });
    let seen = harness.until("eof 0");
    assert_eq!(
        seen,
        ["stdio 0", "bytes 0 #65536", "bytes 0 xxxxxxxxxx", "eof 0"]
    );
    assert_eq!(harness.looped.timeout(), None);
}

#[path = "dialing_tests.rs"]
mod dialing;

#[path = "keeping_tests.rs"]
mod keeping;
