//! What one backend session offers: four lists, kept as the bytes the server sent.
//! Knows nothing of other servers; the names under which entries are offered are `directory`'s.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::json::span::{Span, elements, member, string};
use crate::limits::{
    LIST_ENTRIES_MAX, LIST_PAGES_MAX, LIST_REFETCH_MS_MIN, LIST_RETRY_MS_MAX, LIST_RETRY_MS_MIN,
    LIST_STALE_MS_MIN,
};
use crate::mcp::headers::{self, Annotated};
use crate::mcp::tasks::{self, Support};
use crate::now::Tick;
use crate::route::keeps::Keeps;
use crate::route::rendered::Rendered;
use crate::route::splice::fields;

/// One of the four lists of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

impl Kind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that lists them.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds them.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an entry that names it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name or URI, as the server calls it.
    pub key: Rc<str>,
    /// The answer it came in.
    pub page: Rc<Vec<u8>>,
    /// The entry in `page`.
    pub whole: Span,
    /// The value of its name or URI in `page`.
    pub key_at: Span,
}

impl Entry {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.whole.of(&self.page)
    }

    fn mentions(&self, wanted: &str) -> bool {
        let mut seen = self.bytes().windows(wanted.len());
        seen.any(|seen| seen == wanted.as_bytes())
    }

    /// Of a tool: whether it may or must be called as a task.
    #[must_use]
    pub fn task_support(&self) -> Option<Support> {
        let mentioned = self.mentions("\"taskSupport\"");
        mentioned.then(|| tasks::support(&self.page, self.whole))?
    }

    /// Of a tool: its arguments that have header fields of their own. Nearly all have none, which
    /// is seen without reading their schemas.
    ///
    /// `None` if it says so in a way that clients on HTTP must not accept (F10).
    #[must_use]
    pub fn annotated(&self) -> Option<Vec<Annotated>> {
        let schema = || member(&self.page, self.whole, "inputSchema");
        match self.mentions(headers::ANNOTATION).then(schema).flatten() {
            Some(schema) => headers::annotated(&self.page, schema),
            None => Some(Vec::new()),
        }
    }
}

/// What came of one page of a list.
#[derive(Debug, PartialEq, Eq)]
pub enum Page {
    /// The list goes on at this cursor (raw JSON string).
    More(Vec<u8>),
    /// The list is whole; whether it differs from the one before.
    Whole {
        /// Whether clients have to be told.
        changed: bool,
    },
}

/// One list of one session.
#[derive(Debug, Default)]
pub struct List {
    entries: Vec<Entry>,
    /// Entries of a fetch that is under way.
    next: Vec<Entry>,
    pages: usize,
    fetch: Fetch,
    /// When the last fetch began, in this session.
    began: Option<Tick>,
    /// Fetches that failed in a row.
    failures: u32,
    /// A server said what is in it, in this session or in an earlier one that is remembered.
    told: bool,
    /// A fetch of it has ended, in this session or in an earlier one that is remembered.
    known: bool,
    /// The entries are those of another session, not fetched in this one yet.
    remembered: bool,
    /// What was said of the list, and of one that is being fetched.
    keeps: Option<Keeps>,
    next_keeps: Option<Keeps>,
    /// The server has no such list.
    absent: bool,
    /// Entries that were left out: no name, the same name twice, too many.
    pub skipped: usize,
    /// Tools that say wrongly which header fields they want are dropped.
    pub strict: bool,
    /// They were dropped last time.
    unfit: Vec<Rc<str>>,
    /// Nobody was told of these yet.
    unfit_changed: bool,
    /// For clients with a session and for those without.
    rendered: [Option<(u64, Rc<Rendered>)>; 2],
}

/// Whether a list is being fetched: one fetch at a time, and one more afterwards, but not at once,
/// if it changed meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fetch {
    #[default]
    Idle,
    Running,
    RunningStale,
    Pausing,
    /// It failed and is tried again later; a change that is announced does not wait for that.
    Failed,
}

/// What becomes of the wish to fetch a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It has to be sent now.
    Now,
    /// It has to be sent at this moment, by [`List::resume`].
    Later(Tick),
    /// The fetch that runs or pauses serves.
    Joined,
}

impl List {
    /// The entries, in the server's order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the list is known at all.
    #[must_use]
    pub fn known(&self) -> bool {
        self.known
    }

    /// For how long it may be kept; `None` if nothing was said.
    #[must_use]
    pub fn keeps(&self) -> Option<Keeps> {
        self.keeps
    }

    /// Whether it may not be kept any more and should be fetched again for who asks next.
    #[must_use]
    pub fn stale(&self, now: Tick) -> bool {
        let free = self.began.map_or(now, |at| at.after(LIST_STALE_MS_MIN));
        free <= now && self.keeps.is_some_and(|keeps| keeps.until <= now)
    }

    /// Whether the server has no such list.
    #[must_use]
    pub fn absent(&self) -> bool {
        self.absent
    }

    /// What the next page says of the list; it holds once all pages are there.
    pub fn keep(&mut self, said: Keeps) {
        self.next_keeps = Some(self.next_keeps.map_or(said, |before| before.and(said)));
    }

    /// Whether a fetch is under way.
    #[must_use]
    pub fn fetching(&self) -> bool {
        matches!(self.fetch, Fetch::Running | Fetch::RunningStale)
    }

    /// Whether the last fetch failed, and another is to come.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.fetch == Fetch::Failed
    }

    /// Whether a server ever said what is in it. That a list is known may also mean that it could
    /// not be had, and nobody waits for it any longer.
    #[must_use]
    pub fn told(&self) -> bool {
        self.told || self.absent
    }

    /// Takes over what is remembered of it.
    fn seed(&mut self, from: &Self) {
        self.told = from.known;
        self.entries.clone_from(&from.entries);
        self.known = from.known;
        self.remembered = from.known;
        self.rendered = [None, None];
    }

    /// The tools that were dropped since they say wrongly which header fields they want (F10),
    /// unless they are those of last time.
    pub fn unfit_news(&mut self) -> Option<&[Rc<str>]> {
        std::mem::take(&mut self.unfit_changed).then_some(&self.unfit)
    }

    fn drop_unfit(&mut self, tools: &mut Vec<Entry>) {
        let mut unfit = Vec::new();
        tools.retain(|tool| {
            let fits = tool.annotated().is_some();
            if !fits {
                unfit.push(Rc::clone(&tool.key));
            }
            fits
        });
        if !unfit.is_empty() {
            Mark::ToolsUnfit.hit();
        }
        self.unfit_changed = !unfit.is_empty() && unfit != self.unfit;
        self.unfit = unfit;
    }

    /// The server has no such list: whether clients have to be told.
    pub fn none(&mut self) -> bool {
        self.known = true;
        self.absent = true;
        self.keeps = None;
        self.rendered = [None, None];
        !std::mem::take(&mut self.entries).is_empty()
    }

    /// The list shall be fetched.
    pub fn begin(&mut self, now: Tick) -> Begin {
        match self.fetch {
            Fetch::Idle | Fetch::Failed => {
                let free = self.began.map_or(now, |at| at.after(LIST_REFETCH_MS_MIN));
                if free <= now {
                    self.run(now);
                    Begin::Now
                } else {
                    self.fetch = Fetch::Pausing;
                    Begin::Later(free)
                }
            }
            Fetch::Running | Fetch::RunningStale => {
                Mark::FetchStale.hit();
                self.fetch = Fetch::RunningStale;
                Begin::Joined
            }
            Fetch::Pausing => Begin::Joined,
        }
    }

    /// The pause is over: `true` if a fetch has to be sent now.
    pub fn resume(&mut self, now: Tick) -> bool {
        let pausing = matches!(self.fetch, Fetch::Pausing | Fetch::Failed);
        if pausing {
            self.run(now);
        }
        pausing
    }

    fn run(&mut self, now: Tick) {
        self.fetch = Fetch::Running;
        self.began = Some(now);
        self.absent = false;
        self.next.clear();
        self.next_keeps = None;
        self.pages = 0;
    }

    /// The fetch ended, with an answer or without: `true` if it has to be begun again.
    pub fn end(&mut self) -> bool {
        let again = self.fetch == Fetch::RunningStale;
        self.fetch = Fetch::Idle;
        self.known = true;
        again
    }

    /// The fetch ended without an answer, and is to be tried again at this moment.
    pub fn retry(&mut self, now: Tick) -> Tick {
        let pause = LIST_RETRY_MS_MIN.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.fetch = Fetch::Failed;
        now.after(pause.min(LIST_RETRY_MS_MAX))
    }

    /// The session ended: whatever was under way is lost, the entries stay until they are replaced.
    pub fn reset(&mut self) {
        self.fetch = Fetch::Idle;
        self.began = None;
        self.failures = 0;
        self.next.clear();
        self.keeps = None;
    }

    /// Takes the entries of one answer.
    pub fn page(&mut self, kind: Kind, text: &Rc<Vec<u8>>, result: Span) -> Page {
        self.pages += 1;
        self.told = true;
        let array = member(text, result, kind.member()).unwrap_or_default();
        for whole in elements(text, array) {
            self.take(kind, text, whole);
        }
        let cursor = member(text, result, "nextCursor").map(|at| at.of(text));
        if let Some(cursor @ [b'"', ..]) = cursor {
            if self.pages < LIST_PAGES_MAX && self.next.len() < LIST_ENTRIES_MAX {
                return Page::More(cursor.to_vec());
            }
            Mark::ListTooLong.hit();
        }
        let mut next = std::mem::take(&mut self.next);
        self.skipped += drop_repetitions(&mut next);
        if self.strict {
            self.drop_unfit(&mut next);
        }
        let same = next.len() == self.entries.len()
            && next
                .iter()
                .zip(&self.entries)
                .all(|(a, b)| a.bytes() == b.bytes());
        if !same && std::mem::take(&mut self.remembered) {
            Mark::RememberedListStale.hit();
        }
        self.entries = next;
        self.keeps = self.next_keeps.take();
        self.known = true;
        self.remembered = false;
        self.failures = 0;
        self.rendered = [None, None];
        Page::Whole { changed: !same }
    }

    fn take(&mut self, kind: Kind, page: &Rc<Vec<u8>>, whole: Span) {
        let key_at = match fields(page, Some(whole), [kind.key()]) {
            Ok([Some(at)]) => at,
            _ => Span::default(),
        };
        let key = string(page, key_at).filter(|key| !key.is_empty());
        match key {
            Some(key) if self.next.len() < LIST_ENTRIES_MAX => {
                let key = Rc::from(key.as_ref());
                self.next.push(Entry {
                    key,
                    page: Rc::clone(page),
                    whole,
                    key_at,
                });
            }
            _ => self.skipped += 1,
        }
    }

    /// The entries as clients get them, with a session or without (`modern`), rendered once for
    /// each `version` of the directory.
    pub fn rendered(
        &mut self,
        version: u64,
        modern: bool,
        render: impl Fn(&Entry, &mut Vec<u8>) -> bool,
    ) -> Rc<Rendered> {
        let [with, without] = &mut self.rendered;
        let kept = if modern { without } else { with };
        if let Some((of, rendered)) = kept
            && *of == version
        {
            return Rc::clone(rendered);
        }
        let mut rendered = Rendered::default();
        for entry in &self.entries {
            rendered.push(entry, &render);
        }
        let rendered = Rc::new(rendered);
        *kept = Some((version, Rc::clone(&rendered)));
        rendered
    }
}

/// Of several entries of one name only the first can ever be called, and clients refuse lists that
/// offer a name twice (A5). Tells how many are gone.
fn drop_repetitions(entries: &mut Vec<Entry>) -> usize {
    let before = entries.len();
    let mut seen = BTreeSet::new();
    entries.retain(|entry| seen.insert(Rc::clone(&entry.key)));
    before - entries.len()
}

/// The four lists of one session.
#[derive(Debug, Default)]
pub struct Catalog {
    lists: [List; 4],
}

impl Catalog {
    /// One of the lists.
    #[must_use]
    pub fn list(&self, kind: Kind) -> &List {
        let [tools, prompts, resources, templates] = &self.lists;
        match kind {
            Kind::Tools => tools,
            Kind::Prompts => prompts,
            Kind::Resources => resources,
            Kind::Templates => templates,
        }
    }

    /// One of the lists.
    pub fn list_mut(&mut self, kind: Kind) -> &mut List {
        let [tools, prompts, resources, templates] = &mut self.lists;
        match kind {
            Kind::Tools => tools,
            Kind::Prompts => prompts,
            Kind::Resources => resources,
            Kind::Templates => templates,
        }
    }

    /// Whether all lists are known.
    #[must_use]
    pub fn known(&self) -> bool {
        self.lists.iter().all(List::known)
    }

    /// Begins with what is remembered, until the server has been asked.
    pub fn seed(&mut self, from: &Self) {
        for (list, from) in self.lists.iter_mut().zip(&from.lists) {
            list.seed(from);
        }
    }

    /// The session ended.
    pub fn reset(&mut self) {
        self.lists.iter_mut().for_each(List::reset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::mark::must_hit;

    fn page(list: &mut List, text: &str) -> Page {
        let text = Rc::new(text.as_bytes().to_vec());
        let whole = Span::whole(&text);
        list.page(Kind::Tools, &text, whole)
    }

    fn keys(list: &List) -> Vec<&str> {
        list.entries()
            .iter()
            .map(|entry| entry.key.as_ref())
            .collect()
    }

    #[test]
    fn f15_pages_are_followed_to_the_end_and_an_empty_cursor_goes_on() {
        let mut list = List::default();
        assert_eq!(list.begin(Tick(0)), Begin::Now);
        let more = page(&mut list, r#"{"tools":[{"name":"a"}],"nextCursor":""}"#);
        assert_eq!(more, Page::More(b"\"\"".to_vec()));
        assert!(keys(&list).is_empty());
        let whole = page(&mut list, r#"{"tools":[{"name":"b"}]}"#);
        assert_eq!(whole, Page::Whole { changed: true });
        assert!(!list.end());
        assert_eq!(keys(&list), ["a", "b"]);
    }

    #[test]
    fn a_list_that_could_not_be_had_is_tried_again_later_and_later() {
        let mut list = List::default();
        assert_eq!(list.begin(Tick(0)), Begin::Now);
        assert!(!list.end());
        assert_eq!(list.retry(Tick(0)), Tick(LIST_RETRY_MS_MIN));
        assert!(list.resume(Tick(LIST_RETRY_MS_MIN)));
        list.end();
        assert_eq!(list.retry(Tick(0)), Tick(2 * LIST_RETRY_MS_MIN));
        for _ in 0..20 {
            list.retry(Tick(0));
        }
        assert_eq!(list.retry(Tick(0)), Tick(LIST_RETRY_MS_MAX));
        // A change that is announced does not wait, and the late alarm finds nothing to do.
        let later = Tick(LIST_RETRY_MS_MAX);
        assert_eq!(list.begin(later), Begin::Now);
        assert!(!list.resume(later));
        page(&mut list, r#"{"tools":[]}"#);
        list.end();
        assert_eq!(list.retry(Tick(0)), Tick(LIST_RETRY_MS_MIN));
    }

    #[test]
    fn f15_a_list_without_end_is_cut() {
        let _reached = must_hit(Mark::ListTooLong);
        let mut list = List::default();
        list.begin(Tick(0));
        let mut pages = 1;
        while page(&mut list, r#"{"tools":[{"name":"a"}],"nextCursor":"x"}"#)
            != (Page::Whole { changed: true })
        {
            pages += 1;
        }
        assert_eq!(pages, LIST_PAGES_MAX);
    }

    #[test]
    fn entries_without_a_name_or_with_two_are_left_out() {
        let mut list = List::default();
        let text = r#"{"tools":[{"x":1},7,{"name":""},{"name":"a","name":"b"},{"name":"c"}]}"#;
        page(&mut list, text);
        assert_eq!((keys(&list), list.skipped), (vec!["c"], 4));
    }

    #[test]
    fn a5_of_several_entries_of_one_name_the_first_counts() {
        let mut list = List::default();
        list.begin(Tick(0));
        page(
            &mut list,
            r#"{"tools":[{"name":"a","n":1}],"nextCursor":"x"}"#,
        );
        page(
            &mut list,
            r#"{"tools":[{"name":"b"},{"n":2,"name":"\u0061"}]}"#,
        );
        assert_eq!((keys(&list), list.skipped), (vec!["a", "b"], 1));
        assert_eq!(list.entries()[0].bytes(), br#"{"name":"a","n":1}"#);
    }

    #[test]
    fn f10_tools_that_annotate_wrongly_are_dropped_where_that_matters_and_told_once() {
        let _reached = must_hit(Mark::ToolsUnfit);
        let text = r#"{"tools":[{"name":"good","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}},
            {"name":"bad","inputSchema":{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}},
            {"name":"plain","description":"x-mcp-header"}]}"#;
        let mut list = List::default();
        page(&mut list, text);
        assert_eq!(keys(&list), ["good", "bad", "plain"]);
        assert_eq!(list.unfit_news(), None);
        list.strict = true;
        assert_eq!(page(&mut list, text), Page::Whole { changed: true });
        assert_eq!(keys(&list), ["good", "plain"]);
        assert_eq!(list.unfit_news(), Some(&[Rc::from("bad")][..]));
        assert_eq!(page(&mut list, text), Page::Whole { changed: false });
        assert_eq!(list.unfit_news(), None);
    }

    #[test]
    fn the_same_list_again_is_no_change() {
        let mut list = List::default();
        let text = r#"{"tools":[{"name":"a"}]}"#;
        assert_eq!(page(&mut list, text), Page::Whole { changed: true });
        assert_eq!(page(&mut list, text), Page::Whole { changed: false });
        let other = r#"{"tools":[{"name":"a","title":"A"}]}"#;
        assert_eq!(page(&mut list, other), Page::Whole { changed: true });
    }

    #[test]
    fn one_fetch_runs_at_a_time_and_a_change_meanwhile_repeats_it_after_a_pause() {
        let mut list = List::default();
        assert_eq!(list.begin(Tick(10)), Begin::Now);
        assert_eq!(list.begin(Tick(20)), Begin::Joined);
        assert!(list.fetching() && list.end());
        let free = Tick(10 + LIST_REFETCH_MS_MIN);
        assert_eq!(list.begin(Tick(30)), Begin::Later(free));
        assert_eq!(list.begin(Tick(40)), Begin::Joined);
        assert!(!list.fetching() && list.resume(free) && !list.resume(free));
        assert!(!list.end());
        assert_eq!(list.begin(free.after(LIST_REFETCH_MS_MIN)), Begin::Now);
        // Another session has another server behind it.
        list.reset();
        assert_eq!(list.begin(free), Begin::Now);
    }

    #[test]
    fn rendered_entries_can_be_cut_into_pages() {
        let mut list = List::default();
        page(
            &mut list,
            r#"{"tools":[{"name":"a"},{"name":"hidden"},{"name":"b"},{"name":"c"}]}"#,
        );
        let render = |entry: &Entry, out: &mut Vec<u8>| {
            out.extend_from_slice(entry.key.as_bytes());
            entry.key.as_ref() != "hidden"
        };
        let rendered = list.rendered(1, false, render);
        let cut = |from, to| {
            String::from_utf8(rendered.bytes[rendered.range(from, to)].to_vec()).unwrap()
        };
        assert_eq!(
            (cut(0, 9), cut(1, 2), cut(1, 3), cut(3, 9)),
            ("a,b,c".into(), "b".into(), "b,c".into(), String::new())
        );
        assert!(Rc::ptr_eq(&rendered, &list.rendered(1, false, render)));
        assert!(!Rc::ptr_eq(&rendered, &list.rendered(2, false, render)));
    }
}
