//! One child process and the pipe to it, from the order to start it until nothing of it is left.
//!
//! A child has two ends: the end of its output and its death. Neither implies the other: a child
//! may close its output and live on, and it may die while answers of it are still in the pipe, or
//! while a process that it forked holds the pipe open. So both are awaited, and every wait is a
//! stage with a deadline. Knows nothing of MCP and never decides whether to start again.
//!
//! ```text
//! Absent -> Spawning -> Running -> Stopping: Stdin -> Term -> Kill -> Absent
//! ```

use crate::backend::lifecycle::Pace;
use crate::base::mark::Mark;
use crate::cx::Cx;
use crate::effect::{Effect, StopSignal};
use crate::input::ExitStatus;
use crate::language::PoolKey;
use crate::limits::{
    EXIT_KILL_AFTER_MS, EXIT_TERM_AFTER_MS, STOP_KILL_AFTER_MS, STOP_TERM_AFTER_MS,
};
use crate::links::LinkKey;
use crate::now::Tick;

impl Pace {
    /// How long whoever is asked to end gets for it.
    pub(super) const fn term_after_ms(self) -> u64 {
        match self {
            Self::Calm => STOP_TERM_AFTER_MS,
            Self::Quick => EXIT_TERM_AFTER_MS,
        }
    }

    const fn kill_after_ms(self) -> u64 {
        match self {
            Self::Calm => STOP_KILL_AFTER_MS,
            Self::Quick => EXIT_KILL_AFTER_MS,
        }
    }
}

/// What was done last to end a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Its stdin was closed.
    Stdin,
    /// SIGTERM to its group.
    Term,
    /// SIGKILL to its group.
    Kill,
}

/// The pipe to a child that is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pipe {
    /// Its output may bring more.
    Open(LinkKey),
    /// Its output has ended; our half is still there.
    Ended(LinkKey),
    /// Nothing is left of it.
    Gone,
}

impl Pipe {
    const fn link(self) -> Option<LinkKey> {
        match self {
            Self::Open(link) | Self::Ended(link) => Some(link),
            Self::Gone => None,
        }
    }
}

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Child {
    /// There is none.
    #[default]
    Absent,
    /// Ordered; the shell has not answered yet. `stop`: it will not be wanted when it comes.
    Spawning { stop: Option<Pace> },
    /// It runs.
    Running { link: LinkKey, pid: u32 },
    /// It is ending, by our order or by itself.
    Stopping(Stopping),
}

/// A child that is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopping {
    pub(super) pipe: Pipe,
    /// While it has not been reaped.
    pub(super) pid: Option<u32>,
    pub(super) stage: Stage,
    pub(super) pace: Pace,
    /// When the next stage begins.
    pub(super) until: Tick,
}

/// What can happen to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChildEvent {
    /// We ordered it.
    Spawn,
    /// It runs.
    Spawned { link: LinkKey, pid: u32 },
    /// It could not be started.
    SpawnFailed,
    /// Its output has ended.
    Eof,
    /// Its pipe is gone in both directions.
    Broken,
    /// It was reaped.
    Exited(ExitStatus),
    /// The moment of [`Child::deadline`] has come.
    Alarm,
    /// It is not wanted any more.
    Stop(Pace),
}

/// What has to be done about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) finish: Option<LinkKey>,
    pub(super) signal: Option<StopSignal>,
    pub(super) close: Option<LinkKey>,
}

impl Act {
    const NOTHING: Self = Self {
        finish: None,
        signal: None,
        close: None,
    };

    /// Does it.
    pub(super) fn perform(self, cx: &mut Cx<'_>, pool: PoolKey) {
        if let Some(link) = self.finish {
            cx.links.finish(link);
        }
        if let Some(signal) = self.signal {
            cx.effects.push(Effect::Signal { pool, signal });
        }
        if let Some(link) = self.close {
            cx.close(link);
        }
    }
}

/// What the session has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing new.
    Nothing,
    /// Bytes can be sent.
    Opened,
    /// It closed its output by itself: nothing more will be answered.
    Mute,
    /// It died by itself.
    Died(ExitStatus),
    /// Nothing of it is left. `Some`: it died by itself just now.
    Closed(Option<ExitStatus>),
    /// It lives on after SIGKILL (it hangs in the kernel). We have given it up.
    Stuck,
}

impl Child {
    /// The pipe, while there is one.
    pub(super) const fn link(&self) -> Option<LinkKey> {
        match self {
            Self::Absent | Self::Spawning { .. } => None,
            Self::Running { link, .. } => Some(*link),
            Self::Stopping(stopping) => stopping.pipe.link(),
        }
    }

    /// The process, while it has not been reaped.
    pub(super) const fn pid(&self) -> Option<u32> {
        match self {
            Self::Absent | Self::Spawning { .. } => None,
            Self::Running { pid, .. } => Some(*pid),
            Self::Stopping(stopping) => stopping.pid,
        }
    }

    /// When [`ChildEvent::Alarm`] is due.
    pub(super) const fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Absent | Self::Spawning { .. } | Self::Running { .. } => None,
            Self::Stopping(stopping) => Some(stopping.until),
        }
    }

    /// One step.
    pub(super) fn on(self, now: Tick, event: ChildEvent) -> (Self, Act, News) {
        match self {
            Self::Absent => self.absent(event),
            Self::Spawning { stop } => Self::spawning(stop, now, event),
            Self::Running { link, pid } => Self::running(link, pid, now, event),
            Self::Stopping(stopping) => stopping.on(now, event),
        }
    }

    /// A second pipe for the same child cannot be; it is not kept, for nobody would ever close it.
    const fn stray(link: LinkKey) -> Act {
        Act {
            close: Some(link),
            ..Act::NOTHING
        }
    }

    fn absent(self, event: ChildEvent) -> (Self, Act, News) {
        match event {
            ChildEvent::Spawn => (Self::Spawning { stop: None }, Act::NOTHING, News::Nothing),
            ChildEvent::Stop(_) => (self, Act::NOTHING, News::Closed(None)),
            // Nobody asked for this child, so nobody would ever stop it.
            ChildEvent::Spawned { link, .. } => {
                let act = Act {
                    signal: Some(StopSignal::Kill),
                    ..Self::stray(link)
                };
                (self, act, News::Nothing)
            }
            // Late words about the one before.
            ChildEvent::SpawnFailed
            | ChildEvent::Eof
            | ChildEvent::Broken
            | ChildEvent::Exited(_)
            | ChildEvent::Alarm => (self, Act::NOTHING, News::Nothing),
        }
    }

    fn spawning(stop: Option<Pace>, now: Tick, event: ChildEvent) -> (Self, Act, News) {
        let stay = Self::Spawning { stop };
        match (event, stop) {
            (ChildEvent::Spawned { link, pid }, None) => {
                (Self::Running { link, pid }, Act::NOTHING, News::Opened)
            }
            (ChildEvent::Spawned { link, pid }, Some(pace)) => {
                Mark::SpawnUnwanted.hit();
                let (child, act) = Stopping::begin(Pipe::Open(link), pid, now, pace);
                (child, act, News::Nothing)
            }
            (ChildEvent::SpawnFailed, _) => (Self::Absent, Act::NOTHING, News::Closed(None)),
            (ChildEvent::Stop(pace), _) => {
                let stop = Some(stop.map_or(pace, |earlier| earlier.max(pace)));
                (Self::Spawning { stop }, Act::NOTHING, News::Nothing)
            }
            (ChildEvent::Spawn, _)
            | (ChildEvent::Eof, _)
            | (ChildEvent::Broken, _)
            | (ChildEvent::Exited(_), _)
            | (ChildEvent::Alarm, _) => (stay, Act::NOTHING, News::Nothing),
        }
    }

    fn running(link: LinkKey, pid: u32, now: Tick, event: ChildEvent) -> (Self, Act, News) {
        let stay = Self::Running { link, pid };
        match event {
            ChildEvent::Eof => {
                Mark::ChildMute.hit();
                let (child, act) = Stopping::begin(Pipe::Ended(link), pid, now, Pace::Quick);
                (child, act, News::Mute)
            }
            ChildEvent::Broken => {
                let (child, act) = Stopping::begin(Pipe::Gone, pid, now, Pace::Quick);
                (child, act, News::Mute)
            }
            ChildEvent::Exited(status) => {
                let (child, act) = Stopping::drain(link, now);
                (child, act, News::Died(status))
            }
            ChildEvent::Stop(pace) => {
                let (child, act) = Stopping::begin(Pipe::Open(link), pid, now, pace);
                (child, act, News::Nothing)
            }
            ChildEvent::Spawned { link, .. } => (stay, Self::stray(link), News::Nothing),
            ChildEvent::Spawn | ChildEvent::SpawnFailed | ChildEvent::Alarm => {
                (stay, Act::NOTHING, News::Nothing)
            }
        }
    }
}

impl Stopping {
    /// The first stage: its stdin is closed.
    fn begin(pipe: Pipe, pid: u32, now: Tick, pace: Pace) -> (Child, Act) {
        let stopping = Self {
            pipe,
            pid: Some(pid),
            stage: Stage::Stdin,
            pace,
            until: now.after(pace.term_after_ms()),
        };
        let act = Act {
            finish: pipe.link(),
            ..Act::NOTHING
        };
        (Child::Stopping(stopping), act)
    }

    /// It died unasked: what is in the pipe is still read, and whoever of its group holds the pipe
    /// open is asked to end.
    fn drain(link: LinkKey, now: Tick) -> (Child, Act) {
        let stopping = Self {
            pipe: Pipe::Open(link),
            pid: None,
            stage: Stage::Term,
            pace: Pace::Calm,
            until: now.after(Pace::Calm.kill_after_ms()),
        };
        let act = Act {
            signal: Some(StopSignal::Term),
            ..Act::NOTHING
        };
        (Child::Stopping(stopping), act)
    }

    fn on(mut self, now: Tick, event: ChildEvent) -> (Child, Act, News) {
        let unchanged = (Child::Stopping(self), Act::NOTHING, News::Nothing);
        match (event, self.pipe) {
            (ChildEvent::Eof, Pipe::Open(link)) => {
                self.pipe = Pipe::Ended(link);
                self.next(None)
            }
            (ChildEvent::Broken, Pipe::Open(_) | Pipe::Ended(_)) => {
                self.pipe = Pipe::Gone;
                self.next(None)
            }
            (ChildEvent::Exited(status), _) => {
                self.pid = None;
                let unasked = self.stage == Stage::Stdin;
                self.next(unasked.then_some(status))
            }
            (ChildEvent::Alarm, _) if now >= self.until => self.escalate(now),
            (ChildEvent::Stop(pace), _) if pace > self.pace => {
                Mark::StopHurries.hit();
                let rest_ms = match self.stage {
                    Stage::Stdin => pace.term_after_ms(),
                    Stage::Term | Stage::Kill => pace.kill_after_ms(),
                };
                self.pace = pace;
                self.until = self.until.min(now.after(rest_ms));
                (Child::Stopping(self), Act::NOTHING, News::Nothing)
            }
            (ChildEvent::Spawned { link, .. }, _) => {
                (Child::Stopping(self), Child::stray(link), News::Nothing)
            }
            (ChildEvent::Eof, Pipe::Ended(_) | Pipe::Gone)
            | (ChildEvent::Broken, Pipe::Gone)
            | (ChildEvent::Alarm | ChildEvent::Stop(_), _)
            | (ChildEvent::Spawn | ChildEvent::SpawnFailed, _) => unchanged,
        }
    }

    /// Ends when both ends were seen. What it left behind in its group is swept away: a grandchild
    /// that ignored the end of its input would outlive us.
    fn next(self, died: Option<ExitStatus>) -> (Child, Act, News) {
        match (self.pid, self.pipe) {
            (None, Pipe::Ended(_) | Pipe::Gone) => self.over(News::Closed(died)),
            (None, Pipe::Open(_)) | (Some(_), _) => {
                let news = died.map_or(News::Nothing, News::Died);
                (Child::Stopping(self), Act::NOTHING, news)
            }
        }
    }

    fn over(self, news: News) -> (Child, Act, News) {
        let act = Act {
            finish: None,
            signal: Some(StopSignal::Kill),
            close: self.pipe.link(),
        };
        (Child::Absent, act, news)
    }

    fn escalate(mut self, now: Tick) -> (Child, Act, News) {
        let (stage, signal) = match self.stage {
            Stage::Stdin => {
                Mark::StopTerms.hit();
                (Stage::Term, StopSignal::Term)
            }
            Stage::Term => {
                Mark::StopKills.hit();
                (Stage::Kill, StopSignal::Kill)
            }
            // Dead but not drained: a process that left the group holds the pipe.
            Stage::Kill if self.pid.is_none() => {
                Mark::PipeHeld.hit();
                return self.over(News::Closed(None));
            }
            Stage::Kill => {
                Mark::ChildSurvivesKill.hit();
                return self.over(News::Stuck);
            }
        };
        self.stage = stage;
        self.until = now.after(self.pace.kill_after_ms());
        let act = Act {
            signal: Some(signal),
            ..Act::NOTHING
        };
        (Child::Stopping(self), act, News::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;

    const LINK: LinkKey = LinkKey(Key {
        index: 7,
        generation: 0,
    });
    const OTHER: LinkKey = LinkKey(Key {
        index: 8,
        generation: 0,
    });
    const SPAWNED: ChildEvent = ChildEvent::Spawned {
        link: LINK,
        pid: 40,
    };
    const DEAD: ExitStatus = ExitStatus::Code(1);

    /// Runs events at their moments; tells what was done and said, as one line per event.
    fn script(events: &[(u64, ChildEvent)]) -> (Child, Vec<String>) {
        let mut child = Child::Absent;
        let mut told = Vec::new();
        for (at, event) in events {
            let (next, act, news) = child.on(Tick(*at), *event);
            child = next;
            let mut line = Vec::new();
            line.extend(act.finish.map(|_| "finish".to_owned()));
            line.extend(act.signal.map(|signal| format!("{signal:?}")));
            line.extend(act.close.map(|link| format!("close {}", link.0.index)));
            if news != News::Nothing {
                line.push(format!("{news:?}"));
            }
            told.push(line.join(", "));
        }
        (child, told)
    }

    const STARTED: [(u64, ChildEvent); 2] = [(0, ChildEvent::Spawn), (0, SPAWNED)];

    fn after_start(events: &[(u64, ChildEvent)]) -> (Child, Vec<String>) {
        let (child, told) = script(&[&STARTED, events].concat());
        (child, told[2..].to_vec())
    }

    #[test]
    fn contract_7_stopping_closes_stdin_then_terminates_then_kills() {
        let (child, told) = after_start(&[
            (100, ChildEvent::Stop(Pace::Calm)),
            (100 + STOP_TERM_AFTER_MS - 1, ChildEvent::Alarm),
            (100 + STOP_TERM_AFTER_MS, ChildEvent::Alarm),
            (
                100 + STOP_TERM_AFTER_MS + STOP_KILL_AFTER_MS,
                ChildEvent::Alarm,
            ),
            (5000, ChildEvent::Exited(ExitStatus::Signal(9))),
            (5000, ChildEvent::Eof),
        ]);
        assert_eq!(
            told,
            [
                "finish",
                "",
                "Term",
                "Kill",
                "",
                "Kill, close 7, Closed(None)"
            ]
        );
        assert_eq!(
            (child, child.deadline(), child.link()),
            (Child::Absent, None, None)
        );
    }

    #[test]
    fn a_child_that_leaves_when_its_stdin_closes_is_never_signalled_itself() {
        let (_, told) = after_start(&[
            (0, ChildEvent::Stop(Pace::Calm)),
            (5, ChildEvent::Eof),
            (6, ChildEvent::Exited(ExitStatus::Code(0))),
        ]);
        // The one signal is for what it may have left in its group.
        assert_eq!(told, ["finish", "", "Kill, close 7, Closed(Some(Code(0)))"]);
    }

    #[test]
    fn a_quicker_pace_shortens_the_stage_and_a_calmer_one_changes_nothing() {
        let (child, _) = after_start(&[
            (0, ChildEvent::Stop(Pace::Calm)),
            (10, ChildEvent::Stop(Pace::Quick)),
            (20, ChildEvent::Stop(Pace::Calm)),
        ]);
        assert_eq!(child.deadline(), Some(Tick(10 + EXIT_TERM_AFTER_MS)));
    }

    #[test]
    fn a_stop_before_the_shell_has_answered_waits_for_the_answer() {
        let before = [
            (0, ChildEvent::Spawn),
            (1, ChildEvent::Stop(Pace::Quick)),
            (2, ChildEvent::Stop(Pace::Calm)),
        ];
        let (child, told) = script(&[&before[..], &[(3, SPAWNED)]].concat());
        assert_eq!(told[1..], ["", "", "finish"]);
        assert_eq!(child.deadline(), Some(Tick(3 + EXIT_TERM_AFTER_MS)));
        let (child, told) = script(&[&before[..], &[(3, ChildEvent::SpawnFailed)]].concat());
        assert_eq!((child, told[3].as_str()), (Child::Absent, "Closed(None)"));
    }

    #[test]
    fn death_is_not_drained() {
        let died = (10, ChildEvent::Exited(DEAD));
        let (child, told) = after_start(&[died]);
        assert_eq!(told, ["Term, Died(Code(1))"]);
        assert_eq!((child.link(), child.pid()), (Some(LINK), None));
        let (child, told) = after_start(&[died, (11, ChildEvent::Eof)]);
        assert_eq!(
            (child, told[1].as_str()),
            (Child::Absent, "Kill, close 7, Closed(None)")
        );
        // A grandchild holds the pipe: killed with the group, and at last the pipe is given up.
        let (child, told) = after_start(&[
            died,
            (10 + STOP_KILL_AFTER_MS, ChildEvent::Alarm),
            (10 + 2 * STOP_KILL_AFTER_MS, ChildEvent::Alarm),
        ]);
        assert_eq!(told[1..], ["Kill", "Kill, close 7, Closed(None)"]);
        assert_eq!(child, Child::Absent);
    }

    #[test]
    fn the_end_of_output_is_not_death() {
        let (child, told) = after_start(&[
            (10, ChildEvent::Eof),
            (10 + EXIT_TERM_AFTER_MS, ChildEvent::Alarm),
            (400, ChildEvent::Exited(ExitStatus::Signal(15))),
        ]);
        assert_eq!(
            told,
            ["finish, Mute", "Term", "Kill, close 7, Closed(None)"]
        );
        assert_eq!(child, Child::Absent);
        let (_, told) = after_start(&[(10, ChildEvent::Eof), (11, ChildEvent::Exited(DEAD))]);
        assert_eq!(told[1], "Kill, close 7, Closed(Some(Code(1)))");
    }

    #[test]
    fn a_broken_pipe_is_not_closed_again() {
        let (child, told) = after_start(&[
            (1, ChildEvent::Broken),
            (2, ChildEvent::Broken),
            (2, ChildEvent::Eof),
            (3, ChildEvent::Exited(DEAD)),
        ]);
        assert_eq!(told, ["Mute", "", "", "Kill, Closed(Some(Code(1)))"]);
        assert_eq!(child, Child::Absent);
    }

    #[test]
    fn a_child_that_survives_sigkill_is_given_up_after_a_while() {
        let stages = [300, 600, 900].map(|at| (at, ChildEvent::Alarm));
        let stop = [(0, ChildEvent::Stop(Pace::Quick))];
        let (child, told) = after_start(&[&stop[..], &stages].concat());
        assert_eq!(told, ["finish", "Term", "Kill", "Kill, close 7, Stuck"]);
        assert_eq!(child, Child::Absent);
    }

    #[test]
    fn words_about_an_earlier_child_change_nothing() {
        let late = [
            ChildEvent::SpawnFailed,
            ChildEvent::Eof,
            ChildEvent::Broken,
            ChildEvent::Exited(DEAD),
            ChildEvent::Alarm,
        ];
        for event in late {
            assert_eq!(script(&[(0, event)]), (Child::Absent, vec![String::new()]));
            if event != ChildEvent::SpawnFailed {
                let (child, _) = script(&[STARTED[0], (0, event)]);
                assert_eq!(child, Child::Spawning { stop: None });
            }
        }
        let stray = ChildEvent::Spawned {
            link: OTHER,
            pid: 41,
        };
        assert_eq!(script(&[(0, stray)]).1, ["Kill, close 8"]);
        let (child, told) = after_start(&[(0, stray), (0, ChildEvent::Spawn)]);
        assert_eq!(
            (child.link(), told),
            (Some(LINK), vec!["close 8".into(), String::new()])
        );
    }
}
