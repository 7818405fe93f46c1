//! Requests that a server works on, step by step: progress, logs, questions, then the answer.

use std::collections::VecDeque;

use onemcp::limits::{CLIENT_OUTBOX_BYTES_SOFT, REPLAY_EVENTS_PER_STREAM_MAX};

use crate::clients::described::PREFIX;
use crate::faults::Fault;
use crate::model::{CallId, Cx};
use crate::servers::process::{Declared, Process, Stage};
use crate::wire::json::{at, quote};

/// One thing that a server says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Progress,
    Log,
    Ask,
    Answer,
}

/// One request under way.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) method: String,
    pub(crate) params: String,
    pub(crate) call: Option<CallId>,
    /// Its progress token (raw JSON).
    pub(crate) token: Option<String>,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) due: u64,
    /// The question whose answer it waits for.
    pub(crate) waits: Option<String>,
    pub(crate) progress: u64,
    /// When it was told that nobody waits any more, if it goes on regardless.
    pub(crate) cancelled: Option<u64>,
    /// Whom it may ask.
    pub(crate) declared: Declared,
}

/// A server may talk about a call for so long after it was cancelled: later nobody could tell any
/// more whose it was.
const TALKS_ON_MS_MAX: u64 = 50_000;

impl Job {
    /// Plans what is said about a request.
    pub(crate) fn plan(
        cx: &mut Cx<'_>,
        of: &Process,
        (method, params): (&str, &str),
        call: Option<CallId>,
        token: Option<String>,
    ) -> Self {
        let mut steps = VecDeque::new();
        if call.is_some() {
            for _ in 0..cx.rng.index(4) {
                if token.is_some() && cx.hit(Fault::Progress) {
                    steps.push_back(Step::Progress);
                }
                // In the revision without sessions only who asks for messages gets any.
                let level = format!("{PREFIX}logLevel");
                let logs = !of.modern || at(params, &["_meta", &level]).is_some();
                if logs && cx.hit(Fault::Log) {
                    steps.push_back(Step::Log);
                }
                if !of.modern && method == "tools/call" && cx.hit(Fault::Ask) {
                    steps.push_back(Step::Ask);
                }
            }
        }
        steps.push_back(Step::Answer);
        let mut job = Self {
            method: method.to_owned(),
            params: params.to_owned(),
            call,
            token,
            steps,
            due: 0,
            waits: None,
            progress: 0,
            cancelled: None,
            declared: Declared::default(),
        };
        job.pause(cx);
        job
    }

    /// When the next step is taken.
    pub(crate) fn pause(&mut self, cx: &mut Cx<'_>) {
        let ms = if cx.hit(Fault::Slow) { 20_000 } else { 30 };
        self.due = cx.now.0 + cx.rng.time(ms);
    }
}

impl Process {
    /// When it has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        if !self.alive {
            return None;
        }
        let jobs = self.jobs.values().map(|job| job.due);
        let alone =
            (self.stage == Stage::Serving && self.next_alone < u64::MAX).then_some(self.next_alone);
        let late = self.late.front().map(|(due, _)| *due);
        jobs.chain(alone).chain(late).chain(self.dying).min()
    }

    /// Does one thing that is due.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.0;
        if self.dying.is_some_and(|at| at <= now) {
            self.die(cx, onemcp::input::ExitStatus::Code(0));
        } else if self.late.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, line)) = self.late.pop_front() {
                self.say(cx, &line);
            }
        } else if let Some(id) = self.ready_job(cx) {
            self.talk_about(Some(id));
            self.step(cx, id);
            self.talk_about(None);
        } else if self.stage == Stage::Serving && self.next_alone <= now {
            self.next_alone = now + 1 + cx.rng.time(8000);
            if self.modern {
                self.alone_modern(cx);
            }
            self.alone(cx);
        }
    }

    /// Whatever it says from now on belongs to this request.
    pub(crate) fn talk_about(&mut self, id: Option<u64>) {
        if let Some(far) = &mut self.far {
            far.about = id;
        }
    }

    fn ready_job(&self, cx: &mut Cx<'_>) -> Option<u64> {
        let due = self.jobs.iter().filter(|(_, job)| job.due <= cx.now.0);
        let due: Vec<u64> = due.map(|(id, _)| *id).collect();
        (!due.is_empty()).then(|| cx.rng.pick(&due))
    }

    fn step(&mut self, cx: &mut Cx<'_>, id: u64) {
        if let Some(job) = self.jobs.get_mut(&id)
            && let Some(ask) = job.waits.take()
        {
            // Nobody answered in time. A question that the hub still holds is taken back, as a
            // server should: else the call ends first, and whoever is left seems to be meant.
            job.pause(cx);
            let known = self.asks.get(&ask).copied();
            let held = known.is_some_and(|ask| cx.model.asks[ask].seen_by.is_none());
            if held || cx.hit(Fault::AskWithdrawn) {
                self.withdraw(cx, &ask);
            }
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let Some(step) = job.steps.pop_front() else {
            self.jobs.remove(&id);
            return;
        };
        job.pause(cx);
        let late = job
            .cancelled
            .is_some_and(|at| cx.now.0 - at > TALKS_ON_MS_MAX);
        match step {
            Step::Log | Step::Ask if late => {}
            Step::Progress if cx.hit(Fault::Gush) => {
                // Sometimes more than waits for a client that does not read.
                let count = REPLAY_EVENTS_PER_STREAM_MAX + 10;
                let pad = cx
                    .rng
                    .pick(&[0, 2 * CLIENT_OUTBOX_BYTES_SOFT / count as usize]);
                for _ in 0..count {
                    self.tell_progress(cx, id, pad);
                }
            }
            Step::Progress => self.tell_progress(cx, id, 0),
            Step::Log => self.tell_log(cx, id),
            Step::Ask if cx.hit(Fault::AskFlood) => self.ask_much(cx),
            Step::Ask => self.ask_about(cx, id),
            Step::Answer => {
                if let Some(job) = self.jobs.remove(&id) {
                    self.answer(cx, id, &job);
                }
            }
        }
    }

    fn tell_progress(&mut self, cx: &mut Cx<'_>, id: u64, pad: usize) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let (Some(token), Some(call)) = (&job.token, job.call) else {
            return;
        };
        job.progress += 1;
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{},"message":{},"sim/pad":"{}"}}}}"#,
            job.progress,
            quote(&cx.model.marker(call)),
            "x".repeat(pad),
        );
        self.say(cx, &line);
    }

    /// Something long, sometimes.
    pub(crate) fn pad(&self, cx: &mut Cx<'_>) -> String {
        if cx.hit(Fault::Huge) {
            "x".repeat(CLIENT_OUTBOX_BYTES_SOFT + cx.rng.index(200_000))
        } else if cx.hit(Fault::Big) {
            "x".repeat(cx.rng.index(200_000))
        } else {
            String::new()
        }
    }

    fn tell_log(&mut self, cx: &mut Cx<'_>, id: u64) {
        let Some(call) = self.jobs.get(&id).and_then(|job| job.call) else {
            return;
        };
        let level = cx.rng.pick(&["debug", "info", "warning", "error"]);
        let pad = self.pad(cx);
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":[{},"{pad}"]}}}}"#,
            quote(&cx.model.marker(call)),
        );
        self.say(cx, &line);
    }
}
