//! How tasks begin and end in our table: room, time, lost sessions, clients that leave.

use crate::base::mark::Mark;
use crate::cx::Alarm;
use crate::language::{ClientKey, PoolKey};
use crate::mcp::tasks::Status;
use crate::route::calls::{Call, CallKey, Origin};
use crate::route::errors::{Failure, INTERNAL};
use crate::route::tasks::{Full, Step, Task, TaskKey, Whose};
use crate::route::{Desk, Hall};
use crate::tally::End;

impl Hall {
    /// Adds a task; if there is no room its server need not go on with it.
    pub(crate) fn add_task(
        &mut self,
        desk: &mut Desk<'_, '_>,
        task: Task,
    ) -> Result<TaskKey, Full> {
        let room = self.tasks.room(task.whose, task.grant);
        let expires = task.expires;
        let key = self.tasks.insert(desk.cx.entropy, task);
        if let Err(full) = room {
            self.forget_task(desk, key);
            return Err(full);
        }
        desk.cx.timers.set_by(Alarm::Tasks, expires);
        Ok(key)
    }

    /// Forgets a task that is still worked on: its server is told that nobody waits for it.
    pub(crate) fn forget_task(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        let known = self.tasks.get(key);
        if known.is_some_and(|task| !task.lost && !task.told.status.is_over()) {
            self.ask_about(desk, key, Step::Forget, None);
        }
        self.remove_task(desk, key);
    }

    /// Forgets a task.
    pub(crate) fn remove_task(&mut self, desk: &mut Desk<'_, '_>, key: TaskKey) {
        let Some(task) = self.tasks.remove(key) else {
            return;
        };
        for question in &task.questions {
            let text = "the task is not known to its client any more";
            self.refuse_ask(desk, task.pool, &question.server_id, INTERNAL, text);
        }
        if !task.put.is_empty() {
            self.withdraw_questions(desk, key);
        }
        if self.tasks.is_empty() {
            desk.cx.timers.clear(Alarm::Tasks);
        }
        self.end_if_retired(desk, task.pool);
    }

    /// Whether tasks live in a session: it is kept for them.
    pub(crate) fn has_tasks(&self, pool: PoolKey) -> bool {
        self.tasks.of_pool(pool).next().is_some()
    }

    /// A session ended, and its tasks with it. Who may name one is told so until it expires.
    pub(crate) fn lose_tasks(&mut self, desk: &mut Desk<'_, '_>, pool: PoolKey) {
        let lost: Vec<TaskKey> = self.tasks.of_pool(pool).map(|(key, _)| key).collect();
        for key in lost {
            let comes_back = self.pools.contains_key(&pool);
            let Some(task) = self.tasks.get_mut(key) else {
                continue;
            };
            if task.stateless && comes_back {
                continue;
            }
            Mark::TaskLost.hit();
            task.lost = true;
            task.questions.clear();
            task.told.status = Status::Failed;
            task.told.message = Some("the server ended, and its tasks with it".to_owned());
            if matches!(task.whose, Whose::Driven(..)) {
                self.tasks.remove(key);
            } else {
                self.tell_loss(desk, key);
            }
        }
        if self.tasks.is_empty() {
            desk.cx.timers.clear(Alarm::Tasks);
        }
    }

    /// A client with a session is gone: nobody can name its tasks any more.
    pub(crate) fn end_tasks(&mut self, desk: &mut Desk<'_, '_>, client: ClientKey) {
        let own = self.tasks.iter().filter(|(_, task)| match task.whose {
            Whose::Session(of) | Whose::Driven(of, _) => of == client,
            Whose::Stateless => false,
        });
        for key in own.map(|(key, _)| key).collect::<Vec<_>>() {
            Mark::TaskClientLeaves.hit();
            self.forget_task(desk, key);
        }
    }

    /// Nobody waits for a call any more. If that call was the only one to know of a task, the task
    /// is not wanted either.
    pub(crate) fn task_abandoned(&mut self, desk: &mut Desk<'_, '_>, call: &Call) {
        if let Origin::Task(about) = &call.origin
            && matches!(about.step, Step::Drive | Step::Poll | Step::Rest)
        {
            Mark::DrivenTaskCancelled.hit();
            self.forget_task(desk, about.task);
        }
    }

    /// Tasks whose time is over: [`Alarm::Tasks`].
    pub fn tasks_alarm(&mut self, desk: &mut Desk<'_, '_>) {
        for key in self.tasks.expired(desk.cx.now.tick) {
            Mark::TaskExpires.hit();
            let Some(task) = self.tasks.get(key) else {
                continue;
            };
            let of_it = |call: &CallKey| {
                let call = self.calls.get(*call);
                call.is_some_and(
                    |call| matches!(&call.origin, Origin::Task(about) if about.task == key),
                )
            };
            let waiting: Vec<CallKey> = self.calls.of_pool(task.pool);
            let waiting: Vec<CallKey> = waiting.into_iter().filter(of_it).collect();
            for call in waiting {
                if let Some(call) = self.end_call(desk, call) {
                    // Its client may be asked meanwhile, and hears of it when it comes back.
                    let failure = Failure::params("the task has expired");
                    self.lose(desk, call, &failure.ending(End::Timeout));
                }
            }
            self.forget_task(desk, key);
        }
        for (key, call) in self.tasks.rested(desk.cx.now.tick) {
            self.poll_again(desk, key, call);
        }
        self.wake_for_tasks(desk);
    }

    /// Sets the alarm of tasks.
    pub(crate) fn wake_for_tasks(&self, desk: &mut Desk<'_, '_>) {
        match self.tasks.next_alarm() {
            Some(at) => desk.cx.timers.set(Alarm::Tasks, at),
            None => desk.cx.timers.clear(Alarm::Tasks),
        }
    }
}
