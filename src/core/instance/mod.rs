//! Who asks on this instance's own socket (`mcp status`): one question of one line, one answer of
//! one line, end. The socket is the owner's alone; the shell has checked that.
//!
//! Owns the connections and their time. Never looks at a server: the hub fills in the answer.

pub mod render;
pub mod survey;

use std::collections::BTreeMap;

use crate::cx::{Alarm, Cx};
use crate::limits::{INSTANCE_LINKS_MAX, INSTANCE_MS_MAX, INSTANCE_QUESTION_BYTES_MAX};
use crate::links::{LinkKey, Owner};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `status`: everything in brief; `status NAME`: one server with all that is kept of it.
    Status(Option<String>),
    /// Anything else: the reason why it is not answered.
    Bad(&'static str),
}

impl Question {
    fn read(line: &[u8]) -> Self {
        let Ok(line) = std::str::from_utf8(line) else {
            return Self::Bad("a question is UTF-8 text");
        };
        let line = line.trim_end_matches(['\r', '\n']);
        match line.split_once(' ') {
            None if line == "status" => Self::Status(None),
            Some(("status", name)) if !name.is_empty() => Self::Status(Some(name.to_owned())),
            Some(_) | None => Self::Bad("questions are: status, status NAME"),
        }
    }
}

/// How far one of them is.
#[derive(Debug)]
enum Talk {
    /// What it has said so far.
    Asking(Vec<u8>),
    /// The answer is in the outbox; `eof`: it says nothing more.
    Answered { eof: bool },
}

/// All connections on the socket.
#[derive(Debug, Default)]
pub struct Instances {
    talks: BTreeMap<LinkKey, Talk>,
}

impl Instances {
    /// Somebody connected. One too many is closed at once.
    pub fn opened(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        cx.links.open(link, Owner::Instance);
        if self.talks.len() >= INSTANCE_LINKS_MAX {
            return cx.close(link);
        }
        self.talks.insert(link, Talk::Asking(Vec::new()));
        let at = cx.now.tick.after(INSTANCE_MS_MAX);
        cx.timers.set(Alarm::Instance(link), at);
    }

    /// Bytes came; a question, once it is whole. What follows the first line is thrown away.
    pub fn receive(&mut self, link: LinkKey, bytes: &[u8]) -> Option<Question> {
        let Some(Talk::Asking(said)) = self.talks.get_mut(&link) else {
            return None;
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        said.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
        if said.len() > INSTANCE_QUESTION_BYTES_MAX {
            return Some(Question::Bad("a question is one short line"));
        }
        end.map(|_| Question::read(said))
    }

    /// It will say nothing more: what it said is a question, line end or not.
    pub fn eof(&mut self, cx: &mut Cx<'_>, link: LinkKey) -> Option<Question> {
        match self.talks.get_mut(&link)? {
            Talk::Asking(said) if !said.is_empty() => {
                let question = Question::read(said);
                self.talks.insert(link, Talk::Answered { eof: true });
                return Some(question);
            }
            Talk::Asking(_) => self.close(cx, link),
            Talk::Answered { eof } => {
                *eof = true;
                self.wrote(cx, link);
            }
        }
        None
    }

    /// Gives the answer, one line of JSON.
    pub fn answer(&mut self, cx: &mut Cx<'_>, link: LinkKey, answer: &[u8]) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        if let Talk::Asking(_) = talk {
            *talk = Talk::Answered { eof: false };
        }
        cx.links.send(link, &[answer.into()]);
        cx.links.finish(link);
    }

    /// The kernel took bytes. Whoever closed its half and has the answer is done.
    pub fn wrote(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let over = matches!(self.talks.get(&link), Some(Talk::Answered { eof: true }));
        if over && cx.links.unsent(link) == 0 {
            self.close(cx, link);
        }
    }

    /// The time of a connection is over: it said nothing, or it does not read.
    pub fn alarm(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.close(cx, link);
    }

    /// The link is dead; the shell has closed it.
    pub fn broken(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.forget(cx, link);
        cx.links.forget(link);
    }

    /// We leave.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        for link in self.talks.keys().copied().collect::<Vec<_>>() {
            self.close(cx, link);
        }
    }

    fn close(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.forget(cx, link);
        cx.close(link);
    }

    fn forget(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        self.talks.remove(&link);
        cx.timers.clear(Alarm::Instance(link));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;
    use crate::base::timers::Timers;
    use crate::effect::{Effect, Effects, Level};
    use crate::entropy::Entropy;
    use crate::links::Links;
    use crate::now::{Now, Tick};
    use crate::tally::Tally;

    struct World {
        now: Now,
        links: Links,
        timers: Timers<Alarm>,
        effects: Effects,
        entropy: Entropy,
        tally: Tally,
        instances: Instances,
    }

    impl World {
        fn new() -> Self {
            Self {
                now: Now::default(),
                links: Links::default(),
                timers: Timers::default(),
                effects: Effects::default(),
                entropy: Entropy::new(&[0; 32]),
                tally: Tally::default(),
                instances: Instances::default(),
            }
        }

        fn with<T>(&mut self, act: impl FnOnce(&mut Instances, &mut Cx<'_>) -> T) -> T {
            let mut cx = Cx {
                now: self.now,
                log_level: Level::Error,
                links: &mut self.links,
                timers: &mut self.timers,
                effects: &mut self.effects,
                entropy: &mut self.entropy,
                tally: &mut self.tally,
            };
            act(&mut self.instances, &mut cx)
        }

        fn open(&mut self, index: u32) -> LinkKey {
            let link = LinkKey(Key {
                index,
                generation: 0,
            });
            self.with(|instances, cx| instances.opened(cx, link));
            link
        }

        fn closed(&mut self) -> Vec<LinkKey> {
            let mut closed = Vec::new();
            while let Some(effect) = self.effects.pop() {
                if let Effect::Close { link } = effect {
                    closed.push(link);
                }
            }
            closed
        }
    }

    #[test]
    fn a_question_is_one_line_whole_or_in_pieces_and_the_rest_is_thrown_away() {
        let named = Question::Status(Some("a b".to_owned()));
        let unknown = Question::Bad("questions are: status, status NAME");
        for (text, expected) in [
            (&b"status\n"[..], Question::Status(None)),
            (b"status\r\n", Question::Status(None)),
            (b"status a b\nmore", named),
            (b"status \n", unknown.clone()),
            (b"\n", unknown.clone()),
            (b"GET / HTTP/1.1\r\n\r\n", unknown),
            (b"\xff\n", Question::Bad("a question is UTF-8 text")),
        ] {
            for at in 0..text.len() {
                let mut world = World::new();
                let link = world.open(0);
                let (first, rest) = text.split_at(at);
                let early = world.instances.receive(link, first);
                let asked = early
                    .clone()
                    .or_else(|| world.instances.receive(link, rest));
                assert_eq!(asked, Some(expected.clone()), "{}", text.escape_ascii());
                world.with(|instances, cx| instances.answer(cx, link, b"{}\n"));
                assert_eq!(world.instances.receive(link, text), None);
                assert_eq!(world.links.unsent(link), 3);
            }
        }
    }

    #[test]
    fn the_end_of_what_it_says_ends_the_question_and_then_the_connection() {
        let mut world = World::new();
        let link = world.open(0);
        assert_eq!(world.instances.receive(link, b"status"), None);
        let asked = world.with(|instances, cx| instances.eof(cx, link));
        assert_eq!(asked, Some(Question::Status(None)));
        world.with(|instances, cx| instances.answer(cx, link, b"{}\n"));
        world.with(Instances::wrote_of(link));
        assert_eq!(world.closed(), []);
        assert!(world.links.wrote(link, 3));
        world.with(Instances::wrote_of(link));
        assert_eq!(world.closed(), [link]);
        assert!(world.timers.is_empty() && world.links.count() == 0);
        let silent = world.open(1);
        assert_eq!(world.with(|instances, cx| instances.eof(cx, silent)), None);
        assert_eq!(world.closed(), [silent]);
    }

    impl Instances {
        fn wrote_of(link: LinkKey) -> impl FnOnce(&mut Self, &mut Cx<'_>) {
            move |instances, cx| instances.wrote(cx, link)
        }
    }

    #[test]
    fn a_question_without_end_is_refused_at_its_limit() {
        let mut world = World::new();
        let link = world.open(0);
        let full = vec![b'x'; INSTANCE_QUESTION_BYTES_MAX];
        assert_eq!(world.instances.receive(link, &full), None);
        let refused = Question::Bad("a question is one short line");
        assert_eq!(world.instances.receive(link, b"x"), Some(refused));
    }

    #[test]
    fn whoever_says_nothing_or_reads_nothing_is_closed_when_its_time_is_over() {
        let mut world = World::new();
        let (silent, deaf) = (world.open(0), world.open(1));
        let asked = world.instances.receive(deaf, b"status\n");
        assert_eq!(asked, Some(Question::Status(None)));
        world.with(|instances, cx| instances.answer(cx, deaf, b"{}\n"));
        for link in [silent, deaf] {
            let at = world.timers.get(Alarm::Instance(link));
            assert_eq!(at, Some(Tick(INSTANCE_MS_MAX)));
            world.with(|instances, cx| instances.alarm(cx, link));
        }
        assert_eq!(world.closed(), [silent, deaf]);
        assert!(world.timers.is_empty());
    }

    #[test]
    fn one_connection_too_many_is_closed_at_once_and_the_others_go_on() {
        let mut world = World::new();
        let most = u32::try_from(INSTANCE_LINKS_MAX).unwrap();
        for index in 0..most {
            world.open(index);
        }
        let extra = world.open(most);
        assert_eq!(world.closed(), [extra]);
        let first = LinkKey(Key {
            index: 0,
            generation: 0,
        });
        world.with(|instances, cx| instances.broken(cx, first));
        world.open(most + 1);
        assert_eq!(world.closed(), []);
        world.with(Instances::stop);
        assert_eq!(world.closed().len(), INSTANCE_LINKS_MAX);
        assert!(world.links.count() == 0 && world.timers.is_empty());
    }
}
