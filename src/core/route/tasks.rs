//! Tasks: calls that a server answers with a handle and works on afterwards. Which task of which
//! session of which server each id of ours stands for, whose it is, and until when it is known.
//!
//! Servers choose the ids of their tasks, so two of them may choose the same: clients see ids of
//! ours only, on every hop, and nobody reaches a task by another's id. Never speaks to anybody;
//! the neighbours `tasks_*` do.

use crate::base::digest::same;
use crate::base::mark::Mark;
use crate::base::slab::{Key, Slab, SlabKey};
use crate::entropy::Entropy;
use crate::json::envelope::JsonId;
use crate::language::{At, ClientKey, PoolKey};
use crate::limits::{TASKS_MAX, TASKS_PER_PRINCIPAL_MAX};
use crate::mcp::capabilities::ClientCapabilities;
use crate::mcp::tasks::Told;
use crate::now::Tick;
use crate::principal::GrantId;
use crate::route::ServerKey;
use crate::route::calls::{CallKey, Caller};

crate::slab_keys! {
    /// One task.
    TaskKey;
}

/// How a call of a tool is made a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The client asked for it, in a session with a server that has sessions as well.
    Pass,
    /// We did, and the client gets the handle: it has no session, and declared that it can.
    Show,
    /// We did, and the client waits for the result: its tool must be a task, and it knows of none.
    Drive,
    /// Its server, which has no sessions, decides: it was told that this can be.
    Offer,
}

/// Why a server is asked about a task.
#[derive(Debug)]
pub enum Step {
    /// Its client asked: how far it is, or to cancel it; the server's words are passed on.
    Pass,
    /// Its client asked for the result, and waits for it.
    Result,
    /// A client without a session asked how far it is; without a caller, some listen to it.
    Look,
    /// It is over as told here, and its result is to be told as well.
    Fetch(Told),
    /// A client without a session cancelled it.
    Cancel,
    /// The client does not know of it and waits for the result of its call.
    Drive,
    /// As before, but its server does not let one wait: it is asked again and again.
    Poll,
    /// Nothing, until it is asked again.
    Rest,
    /// So that its server asks its questions: it asks who waits for the result.
    Questions,
    /// To tell it what the client that waits for its result answered.
    Answer,
    /// To cancel it, since nobody can name it any more.
    Forget,
}

impl Step {
    /// What its server is asked.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Pass | Self::Look | Self::Poll | Self::Rest => "tasks/get",
            Self::Result | Self::Fetch(_) | Self::Drive | Self::Questions => "tasks/result",
            Self::Answer => "tasks/update",
            Self::Cancel | Self::Forget => "tasks/cancel",
        }
    }

    /// Whether the answer comes when the task is over, however long that takes.
    pub(crate) const fn waits(&self) -> bool {
        matches!(
            self,
            Self::Result | Self::Drive | Self::Questions | Self::Rest
        )
    }
}

/// A question about a task to the server that works on it.
#[derive(Debug)]
pub struct TaskCall {
    /// The client that waits for the answer, if one does.
    pub caller: Option<Caller>,
    /// Which task.
    pub task: TaskKey,
    /// What for.
    pub step: Step,
}

/// Who may name a task, and who is asked what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The client with this session.
    Session(ClientKey),
    /// Clients without a session, of the same grant. As long as nobody logs in they are one
    /// principal, and the id is what tells who made it.
    Stateless,
    /// Nobody: this client waits for the result of its call and does not know that it is a task.
    Driven(ClientKey, At),
}

/// What a task asks a client without a session, until `tasks/update` brings the answer.
#[derive(Debug)]
pub(crate) struct Question {
    /// Names it among the questions of its task, and never another one again.
    pub(crate) key: String,
    /// What the server called its request.
    pub(crate) server_id: JsonId,
    /// `{"method":..,"params":..}`.
    pub(crate) request: String,
}

/// One task.
#[derive(Debug)]
pub(crate) struct Task {
    /// What clients call it.
    pub(crate) id: String,
    /// Who may.
    pub(crate) whose: Whose,
    /// Whose clients those are.
    pub(crate) grant: Option<GrantId>,
    /// Who works on it.
    pub(crate) server: ServerKey,
    /// In which session: only there it is known.
    pub(crate) pool: PoolKey,
    /// What that server calls it.
    pub(crate) theirs: String,
    /// What was last told of it.
    pub(crate) told: Told,
    /// Its server has no sessions: it may know its tasks also after it was started again.
    pub(crate) stateless: bool,
    /// Its session is gone, and with it the task.
    pub(crate) lost: bool,
    /// The call that waits until its server is asked again, and when that is.
    pub(crate) rest: Option<(Tick, CallKey)>,
    /// When it is forgotten.
    pub(crate) expires: Tick,
    /// The token under which its server tells progress, and what its client calls that.
    pub(crate) token: Option<(u64, Box<[u8]>)>,
    /// How far it was told to be (D10).
    pub(crate) progress: f64,
    /// What the request declared that made it.
    pub(crate) capabilities: ClientCapabilities,
    /// What it asks.
    pub(crate) questions: Vec<Question>,
    /// What it asked the client that waits for its result (raw keys of its server).
    pub(crate) put: Vec<Box<[u8]>>,
    /// How many it asked.
    pub(crate) asked: u32,
    /// Its server was asked for the result so that it asks its questions.
    pub(crate) fetching: bool,
    /// Its server was asked how far it is, for those who listen.
    pub(crate) looking: bool,
}

impl Task {
    /// A task that has just begun; it gets its id with its place in the table.
    pub(crate) fn new(
        now: Tick,
        whose: Whose,
        (pool, server): (PoolKey, ServerKey),
        (theirs, told): (String, Told),
    ) -> Self {
        Self {
            id: String::new(),
            whose,
            grant: None,
            server,
            pool,
            theirs,
            stateless: false,
            lost: false,
            rest: None,
            expires: now.after(told.ttl_ms),
            told,
            token: None,
            progress: f64::NEG_INFINITY,
            capabilities: ClientCapabilities::default(),
            questions: Vec::new(),
            put: Vec::new(),
            asked: 0,
            fetching: false,
            looking: false,
        }
    }
}

/// All tasks.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    table: Slab<TaskKey, Task>,
}

/// There are as many tasks as there may be, of that client or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) usize);

/// 128 random bits, and the place in the table so that it is found at once (X3).
fn new_id(entropy: &mut Entropy, key: TaskKey) -> String {
    let Key { index, generation } = key.key();
    format!("{}-{index:x}-{generation:x}", entropy.token())
}

fn place(id: &str) -> Option<TaskKey> {
    let (rest, generation) = id.rsplit_once('-')?;
    let (_, index) = rest.rsplit_once('-')?;
    let number = |digits| u32::from_str_radix(digits, 16).ok();
    Some(TaskKey(Key {
        index: number(index)?,
        generation: number(generation)?,
    }))
}

impl Tasks {
    /// Whether one more task of this client, or of its grant if it has one, may be.
    pub(crate) fn room(&self, whose: Whose, grant: Option<GrantId>) -> Result<(), Full> {
        let principal = |whose| match whose {
            Whose::Session(client) | Whose::Driven(client, _) => Some(client),
            Whose::Stateless => None,
        };
        let theirs = |task: &&Task| {
            task.grant == grant && (grant.is_some() || principal(task.whose) == principal(whose))
        };
        let own = self.iter().map(|(_, task)| task).filter(theirs).count();
        if own >= TASKS_PER_PRINCIPAL_MAX || self.table.len() >= TASKS_MAX {
            Mark::TasksFull.hit();
            return Err(Full(own.max(self.table.len().min(TASKS_MAX))));
        }
        Ok(())
    }

    /// Adds a task; it gets an id that nobody can guess.
    pub(crate) fn insert(&mut self, entropy: &mut Entropy, task: Task) -> TaskKey {
        let key = self.table.insert(task);
        if let Some(task) = self.table.get_mut(key) {
            task.id = new_id(entropy, key);
        }
        key
    }

    /// The task that a client means by an id of ours.
    pub(crate) fn find(&self, id: &str, whose: Whose, grant: Option<GrantId>) -> Option<TaskKey> {
        let key = place(id)?;
        let task = self.table.get(key)?;
        let theirs =
            task.whose == whose && task.grant == grant && same(task.id.as_bytes(), id.as_bytes());
        theirs.then_some(key)
    }

    /// The task that a session means by an id of its own.
    pub(crate) fn of_session(&self, pool: PoolKey, theirs: &str) -> Option<TaskKey> {
        self.of_pool(pool)
            .find(|(_, task)| task.theirs == theirs)
            .map(|(key, _)| key)
    }

    /// The tasks that a session knows.
    pub(crate) fn of_pool(&self, pool: PoolKey) -> impl Iterator<Item = (TaskKey, &Task)> {
        self.iter()
            .filter(move |(_, task)| task.pool == pool && !task.lost)
    }

    /// A task.
    pub(crate) fn get(&self, key: TaskKey) -> Option<&Task> {
        self.table.get(key)
    }

    /// A task.
    pub(crate) fn get_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.table.get_mut(key)
    }

    /// Forgets a task; its id is never valid again.
    pub(crate) fn remove(&mut self, key: TaskKey) -> Option<Task> {
        self.table.remove(key)
    }

    /// All tasks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskKey, &Task)> {
        self.table.iter()
    }

    /// Whether there is any of a grant, or of those without one.
    pub(crate) fn any_of(&self, grant: Option<GrantId>) -> bool {
        self.iter().any(|(_, task)| task.grant == grant)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// When the next one is forgotten, or its server asked again.
    pub(crate) fn next_alarm(&self) -> Option<Tick> {
        let moments = self.iter().map(|(_, task)| match task.rest {
            Some((at, _)) => task.expires.min(at),
            None => task.expires,
        });
        moments.min()
    }

    /// Those whose server is to be asked again.
    pub(crate) fn rested(&self, now: Tick) -> Vec<(TaskKey, CallKey)> {
        let due = |(key, task): (TaskKey, &Task)| {
            let (at, call) = task.rest?;
            (at <= now).then_some((key, call))
        };
        self.iter().filter_map(due).collect()
    }

    /// Those whose time is over.
    pub(crate) fn expired(&self, now: Tick) -> Vec<TaskKey> {
        let over = self.iter().filter(|(_, task)| task.expires <= now);
        over.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;
    use crate::json::span::Span;

    const KEY: Key = Key {
        index: 0,
        generation: 0,
    };

    fn task(theirs: &str, whose: Whose) -> Task {
        let text = br#"{"taskId":"1","status":"working","createdAt":"a","ttl":7}"#;
        let (_, told) = Told::read(text, Span::whole(text)).unwrap();
        let from = (PoolKey(KEY), ServerKey(KEY));
        Task::new(Tick(0), whose, from, (theirs.to_owned(), told))
    }

    fn client(index: u32) -> Whose {
        Whose::Session(ClientKey(Key { index, ..KEY }))
    }

    #[test]
    fn x3_ids_are_random_and_only_their_owner_may_name_them() {
        let (mut tasks, mut entropy) = (Tasks::default(), Entropy::new(&[1; 32]));
        let first = tasks.insert(&mut entropy, task("same", client(1)));
        let second = tasks.insert(&mut entropy, task("same", client(2)));
        let id = |key| tasks.get(key).unwrap().id.clone();
        let (a, b) = (id(first), id(second));
        assert!(a != b && a.len() >= 32);
        assert_eq!(tasks.find(&a, client(1), None), Some(first));
        assert_eq!(tasks.find(&b, client(2), None), Some(second));
        for foreign in [client(2), Whose::Stateless] {
            assert_eq!(tasks.find(&a, foreign, None), None);
        }
        // The place alone opens nothing.
        let guess = format!("{}{}", "0".repeat(32), &a[32..]);
        for id in ["", "-", "x-0-0", "same", &guess, &a[..33]] {
            assert_eq!(tasks.find(id, client(1), None), None, "{id}");
        }
        tasks.remove(first);
        let third = tasks.insert(&mut entropy, task("same", client(1)));
        assert_eq!(tasks.find(&a, client(1), None), None);
        assert_ne!(tasks.get(third).unwrap().id, a);
    }

    #[test]
    fn x3_x10_tasks_of_grants_are_apart_and_counted_for_each_grant() {
        let (mut tasks, mut entropy) = (Tasks::default(), Entropy::new(&[1; 32]));
        let [one, two] = [1, 2].map(|grant| Some(GrantId([grant; 16])));
        let add = |tasks: &mut Tasks, entropy: &mut Entropy, whose, grant| {
            let task = task("same", whose);
            tasks.insert(entropy, Task { grant, ..task })
        };
        let whose = Whose::Stateless;
        let key = add(&mut tasks, &mut entropy, whose, one);
        let id = tasks.get(key).unwrap().id.clone();
        assert_eq!(tasks.find(&id, whose, one), Some(key));
        for (whose, grant) in [(whose, two), (whose, None), (client(1), one)] {
            assert_eq!(tasks.find(&id, whose, grant), None);
        }
        assert!(tasks.any_of(one) && !tasks.any_of(two) && !tasks.any_of(None));
        // However many sessions a grant has.
        for of in 1..TASKS_PER_PRINCIPAL_MAX {
            let whose = client(u32::try_from(of).unwrap());
            assert_eq!(tasks.room(whose, one), Ok(()));
            add(&mut tasks, &mut entropy, whose, one);
        }
        let full = Err(Full(TASKS_PER_PRINCIPAL_MAX));
        for whose in [whose, client(0)] {
            assert_eq!(tasks.room(whose, one), full);
            assert_eq!(
                (tasks.room(whose, two), tasks.room(whose, None)),
                (Ok(()), Ok(()))
            );
        }
    }

    #[test]
    fn x10_tasks_are_bounded_for_each_client_and_in_all() {
        let _reached = must_hit(Mark::TasksFull);
        let (mut tasks, mut entropy) = (Tasks::default(), Entropy::new(&[1; 32]));
        for of in 0.. {
            let whose = client(of);
            while tasks.room(whose, None).is_ok() {
                tasks.insert(&mut entropy, task("x", whose));
            }
            if tasks.len() == TASKS_MAX {
                break;
            }
            assert_eq!(tasks.len() % TASKS_PER_PRINCIPAL_MAX, 0);
        }
        assert_eq!(tasks.room(Whose::Stateless, None), Err(Full(TASKS_MAX)));
        assert_eq!(tasks.next_alarm(), Some(Tick(7)));
        assert_eq!(tasks.expired(Tick(6)), []);
        assert_eq!(tasks.expired(Tick(7)).len(), TASKS_MAX);
    }
}
