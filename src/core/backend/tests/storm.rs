//! Everything at once, from a seed: servers that crash, hang, babble and die in the middle of a
//! word, while the hall starts and stops them. Whatever happens, at most [`STARTING_MAX`] fresh
//! ones start at a time, no server runs twice, nothing is told out of turn, nothing is left over.

use std::collections::BTreeMap;

use super::*;
use crate::entropy::Entropy;
use crate::limits::STARTING_MAX;

/// A process as the shell would see it.
#[derive(Clone, Copy, Debug, Default)]
struct Process {
    /// Ordered, not answered yet.
    ordered: bool,
    link: Option<LinkKey>,
    alive: bool,
    /// Ignores everything but SIGKILL.
    stubborn: bool,
    killed: bool,
}

/// What the hall was told last of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Down,
    Ready,
}

struct Storm {
    world: World,
    backends: Backends,
    frame: Frame,
    dice: Entropy,
    links: u32,
    processes: BTreeMap<PoolKey, Process>,
    told: BTreeMap<PoolKey, Told>,
    ended: u32,
}

impl Storm {
    fn new(seed: u8) -> Self {
        Self {
            world: World::default(),
            backends: Backends::new(&Settings::default()),
            frame: Frame::default(),
            dice: Entropy::new(&[seed; 32]),
            links: 0,
            processes: BTreeMap::new(),
            told: BTreeMap::new(),
            ended: 0,
        }
    }

    fn input(&mut self, input: impl FnOnce(&mut Backends, &mut Cx<'_>)) {
        input(&mut self.backends, &mut self.world.cx());
        // Alarms may ring before what came with them was read.
        if self.dice.below(4) > 0 {
            self.drain();
        }
        for order in self.world.orders() {
            match order {
                Effect::Spawn { pool, .. } => {
                    let process = self.processes.entry(pool).or_default();
                    assert!(!process.ordered && !process.alive, "runs twice: {pool:?}");
                    process.ordered = true;
                }
                Effect::Signal { pool, signal } => {
                    let process = self.processes.entry(pool).or_default();
                    process.killed |= signal == StopSignal::Kill;
                }
                Effect::Close { link } => {
                    for process in self.processes.values_mut() {
                        process.link = process.link.filter(|kept| *kept != link);
                    }
                }
                _ => {}
            }
        }
        let sessions = self.backends.sessions.iter();
        let starting = sessions
            .filter(|(_, session)| session.phase().takes_a_place())
            .count();
        assert!(starting <= STARTING_MAX);
    }

    fn drain(&mut self) {
        while let Some(event) = self.backends.next(&mut self.world.cx(), &mut self.frame) {
            self.check(&event);
        }
    }

    fn check(&mut self, event: &BackendEvent) {
        match event {
            BackendEvent::Ready { pool } => {
                assert_eq!(self.told.insert(*pool, Told::Ready), Some(Told::Down));
            }
            // A start that failed is told as well.
            BackendEvent::Down { pool } => {
                assert!(self.told.insert(*pool, Told::Down).is_some());
            }
            BackendEvent::Ended { pool } => {
                assert!(self.told.remove(pool).is_some());
                self.ended += 1;
            }
            BackendEvent::Response { pool, .. }
            | BackendEvent::Challenged { pool, .. }
            | BackendEvent::Request { pool, .. }
            | BackendEvent::Notification { pool, .. }
            | BackendEvent::Watching { pool, .. }
            | BackendEvent::CallLost { pool, .. } => {
                assert_eq!(self.told.get(pool), Some(&Told::Ready));
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        for (pool, process) in self.processes.clone() {
            if process.alive && process.killed {
                self.die(pool);
            }
        }
        self.world.pass(ms);
        while let Some(Alarm::Pool(pool)) = self.world.timers.pop_due(self.world.now.tick) {
            self.input(|backends, cx| backends.alarm(cx, pool));
        }
    }

    fn pick(&mut self) -> Option<(PoolKey, Process)> {
        let count = self.processes.len() as u64;
        let at = usize::try_from(self.dice.below(count)).ok()?;
        self.processes
            .iter()
            .nth(at)
            .map(|(pool, process)| (*pool, *process))
    }

    fn answer_spawn(&mut self, pool: PoolKey) {
        let fails = self.dice.below(5) == 0;
        let stubborn = self.dice.below(3) == 0;
        let process = self.processes.entry(pool).or_default();
        process.ordered = false;
        if fails {
            self.input(|backends, cx| backends.spawn_failed(cx, pool, "no".into()));
            return;
        }
        self.links += 1;
        let link = LinkKey(Key {
            index: self.links,
            generation: 0,
        });
        *process = Process {
            ordered: false,
            link: Some(link),
            alive: true,
            stubborn,
            killed: false,
        };
        let pid = self.links;
        self.input(|backends, cx| backends.spawned(cx, pool, link, pid));
    }

    fn end_output(&mut self, pool: PoolKey, link: LinkKey) {
        if let Some(process) = self.processes.get_mut(&pool) {
            process.link = None;
        }
        if self.dice.below(4) == 0 {
            self.input(|backends, cx| backends.broken(cx, link));
        } else {
            self.input(|backends, cx| backends.eof(cx, link));
        }
    }

    fn die(&mut self, pool: PoolKey) {
        if let Some(process) = self.processes.get_mut(&pool) {
            process.alive = false;
        }
        self.input(|backends, cx| backends.exited(cx, pool, ExitStatus::Code(1)));
    }

    fn babble(&mut self, link: LinkKey) {
        let text = match self.dice.below(8) {
            0..=3 => HELLO.to_owned(),
            4 => format!("{}\n", answer("5")),
            5 => "garbage\n[{},7]\n".to_owned(),
            6 => "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n".to_owned(),
            _ => "{\"jsonrpc\":\"2.0\",\"method\":\"note\"}\n".to_owned(),
        };
        let part = match self.dice.below(6) {
            0 => &text[..text.len() / 2],
            _ => &text,
        };
        self.input(|backends, cx| backends.receive(cx, link, part.as_bytes()));
    }

    fn turn(&mut self) {
        let dice = self.dice.below(20);
        let picked = self.pick();
        match (dice, picked) {
            (0..=1, _) if self.told.len() < 12 => {
                let restarts_max = u32::try_from(self.dice.below(3)).unwrap();
                let spec = PoolSpec {
                    restarts_max,
                    restart: self.dice.below(5) > 0,
                    ..spec()
                };
                let mut started = None;
                self.input(|backends, cx| started = Some(backends.start(cx, spec)));
                self.told.insert(started.unwrap(), Told::Down);
            }
            (2, Some((pool, _))) => self.input(|backends, cx| backends.stop(cx, pool)),
            (3, Some((pool, _))) => self.input(|backends, cx| backends.retry_now(cx, pool)),
            (4, Some((pool, _))) => {
                self.input(|backends, cx| backends.stderr(cx, pool, b"oh\nno"));
            }
            (
                5,
                Some((
                    pool,
                    Process {
                        link: Some(link), ..
                    },
                )),
            ) => self.end_output(pool, link),
            (6, Some((pool, Process { alive: true, .. }))) => self.die(pool),
            (7..=9, Some((pool, Process { ordered: true, .. }))) => self.answer_spawn(pool),
            (
                10..=15,
                Some((
                    _,
                    Process {
                        link: Some(link), ..
                    },
                )),
            ) => self.babble(link),
            (16, Some((pool, _))) => {
                let parts = ["{}".into()];
                let serves = self.backends.state(self.world.now, pool) == PoolState::Ready;
                let sent = self.backends.send(&mut self.world.cx(), pool, &parts);
                assert_eq!(sent.is_ok(), serves);
            }
            (17..=19, _) => {
                let ms = [1, 50, 300, 2_000, 30_000][usize::try_from(self.dice.below(5)).unwrap()];
                self.pass(ms);
            }
            _ => {}
        }
    }

    /// The shell answers everything, every child that may die does; time passes until all is over.
    fn calm(&mut self) {
        self.input(Backends::stop_all);
        for _ in 0..10 {
            for (pool, process) in self.processes.clone() {
                if process.ordered {
                    self.answer_spawn(pool);
                }
                if process.alive && !process.stubborn {
                    self.die(pool);
                    if let Some(link) = self.processes[&pool].link {
                        self.end_output(pool, link);
                    }
                }
            }
            self.pass(1000);
            self.drain();
        }
    }
}

#[test]
fn whatever_happens_nothing_is_left_over() {
    let mut ended = 0;
    for seed in 0..=255 {
        let mut storm = Storm::new(seed);
        for _ in 0..400 {
            storm.turn();
        }
        storm.calm();
        assert!(storm.told.is_empty(), "seed {seed}: {:?}", storm.told);
        assert!(
            storm.backends.is_empty() && storm.backends.events.is_empty(),
            "seed {seed}"
        );
        assert!(storm.backends.unread.is_empty(), "seed {seed}");
        let left = (storm.world.links.count(), storm.world.timers.len());
        assert_eq!(left, (0, 0), "seed {seed}");
        ended += storm.ended;
    }
    assert!(ended > 1000, "only {ended} sessions were tried");
}
