//! The stream on which a server without sessions tells of changes: one `subscriptions/listen` for
//! its lists and for the resources that clients listen to (protocol F13). It is kept open for as
//! long as the server serves. Knows what to send and never sends: whatever carries the messages
//! does what [`Do`] says.
//!
//! ```text
//!         begin, watch            acknowledged
//!   Quiet -------------> Opening --------------> Open
//!                          ^  |  refused, too late  | ended
//!                 alarm    |  v                     |
//!                        Pausing <------------------+
//! ```
//!
//! What is listened to cannot be changed on an open stream. So another one is opened, and the one
//! before is closed when the new one is acknowledged: no change is missed in between.

use std::rc::Rc;

use crate::backend::backoff::{Backoff, Verdict};
use crate::base::mark::Mark;
use crate::entropy::Entropy;
use crate::json::span::{Span, elements, path, string};
use crate::json::write;
use crate::language::PoolSpec;
use crate::limits::{BACKOFF_MS_MIN, LISTEN_OPEN_MS, STABLE_MS, WATCHED_URIS_MAX};
use crate::mcp::meta::outgoing;
use crate::now::Tick;

/// The lists of which a server tells when they change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists {
    tools: bool,
    prompts: bool,
    resources: bool,
}

impl Lists {
    /// Reads them from the capabilities in a `DiscoverResult`.
    pub(super) fn read(text: &[u8], result: Span) -> Self {
        let tells = |group: &str| {
            path(text, result, &["capabilities", group, "listChanged"])
                .is_some_and(|at| at.of(text) == b"true")
        };
        Self {
            tools: tells("tools"),
            prompts: tells("prompts"),
            resources: tells("resources"),
        }
    }

    const fn any(self) -> bool {
        self.tools || self.prompts || self.resources
    }
}

/// What our streams are called, and their number.
const ID_PREFIX: &str = "1mcp-listen-";

/// One of our streams.
pub(super) type StreamId = u64;

fn id_text(id: StreamId) -> String {
    format!("\"{ID_PREFIX}{id}\"")
}

/// The stream that a raw JSON id means, if it is one of ours.
pub(super) fn stream_id(raw: &[u8]) -> Option<StreamId> {
    let text = std::str::from_utf8(raw).ok()?;
    let number = text.strip_prefix('"')?.strip_prefix(ID_PREFIX)?;
    let number = number.strip_suffix('"')?;
    // No other spelling of it: each stream has one id.
    let id = number.parse().ok()?;
    (id_text(id) == text).then_some(id)
}

/// What the hall has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Watching {
    pub(super) uris: Vec<(Rc<str>, bool)>,
    pub(super) missed: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Do {
    /// This request is to be sent.
    pub(super) open: Option<Vec<u8>>,
    /// This stream is not wanted any more.
    pub(super) close: Option<StreamId>,
    /// The hall is to be told.
    pub(super) tell: Option<Watching>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server ended it, by its result or by a cancel (protocol 6.1).
    ByServer,
    /// The server refused it.
    Refused,
    /// The server knows no such method.
    UnknownMethod,
    /// It was not acknowledged in time.
    Late,
}

/// A stream that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    id: StreamId,
    asked: Vec<Rc<str>>,
    granted: Vec<Rc<str>>,
    since: Tick,
}

impl Heard {
    fn answers(&self, uris: &[Rc<str>]) -> Vec<(Rc<str>, bool)> {
        let answer = |uri: &Rc<str>| (Rc::clone(uri), self.granted.contains(uri));
        uris.iter().map(answer).collect()
    }
}

/// What happens to the next stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing: there is nothing to listen to, or it is heard.
    Rest,
    /// It was asked for.
    Opening {
        id: StreamId,
        asked: Vec<Rc<str>>,
        until: Tick,
    },
    /// It is asked for after a pause.
    Pausing { until: Tick },
    /// The server has none.
    Without,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Listening {
    lists: Lists,
    /// What clients listen to.
    wanted: Vec<Rc<str>>,
    stage: Stage,
    heard: Option<Heard>,
    /// A stream was lost, and no other was acknowledged since.
    missed: bool,
    backoff: Backoff,
    next_id: StreamId,
    our_version: Rc<str>,
    /// It was logged that the server writes requests.
    pub(super) asks_told: bool,
}

impl Listening {
    /// No stream yet.
    pub(super) fn new(lists: Lists, spec: &PoolSpec, our_version: Rc<str>) -> Self {
        Self {
            lists,
            wanted: Vec::new(),
            stage: Stage::Rest,
            heard: None,
            missed: false,
            backoff: Backoff::new(&PoolSpec {
                restart: true,
                restarts_max: 0,
                restart_delay_ms: BACKOFF_MS_MIN,
                ..spec.clone()
            }),
            next_id: 1,
            our_version,
            asks_told: false,
        }
    }

    /// The server serves: the first stream, if there is anything to listen to.
    pub(super) fn begin(&mut self, now: Tick, wanted: &[Rc<str>]) -> Do {
        self.wanted = wanted.to_vec();
        self.open(now)
    }

    /// Other resources are listened to from now on.
    pub(super) fn watch(&mut self, now: Tick, wanted: &[Rc<str>]) -> Do {
        self.wanted = wanted.to_vec();
        match (&self.stage, &self.heard) {
            (Stage::Without, _) => tell(refused(wanted)),
            // The answer to what is asked now says more.
            (Stage::Opening { .. }, _) => Do::default(),
            (_, Some(heard)) if heard.asked == self.wanted => {
                let answers = heard.answers(wanted);
                self.stage = Stage::Rest;
                tell(answers)
            }
            (Stage::Rest | Stage::Pausing { .. }, _) => self.open(now),
        }
    }

    /// Asks for a stream, or for none any more.
    fn open(&mut self, now: Tick) -> Do {
        if !self.lists.any() && self.wanted.is_empty() {
            self.stage = Stage::Rest;
            return Do {
                close: self.heard.take().map(|heard| heard.id),
                ..Do::default()
            };
        }
        let id = self.next_id;
        self.next_id += 1;
        // The hall asks for no more; this keeps one line from growing without bound.
        let asked = self.wanted.get(..WATCHED_URIS_MAX).unwrap_or(&self.wanted);
        let request = self.request(id, asked);
        self.stage = Stage::Opening {
            id,
            asked: asked.to_vec(),
            until: now.after(LISTEN_OPEN_MS),
        };
        Do {
            open: Some(request),
            ..Do::default()
        }
    }

    fn request(&self, id: StreamId, uris: &[Rc<str>]) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let text = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
        text(&mut out, "{\"jsonrpc\":\"2.0\",\"id\":");
        text(&mut out, &id_text(id));
        text(
            &mut out,
            ",\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{",
        );
        let Lists {
            tools,
            prompts,
            resources,
        } = self.lists;
        let mut comma = "";
        for (wanted, member) in [
            (tools, "\"toolsListChanged\":true"),
            (prompts, "\"promptsListChanged\":true"),
            (resources, "\"resourcesListChanged\":true"),
            (!uris.is_empty(), "\"resourceSubscriptions\":["),
        ] {
            if wanted {
                text(&mut out, comma);
                text(&mut out, member);
                comma = ",";
            }
        }
        for (index, uri) in uris.iter().enumerate() {
            text(&mut out, if index > 0 { "," } else { "" });
            write::push_string(&mut out, uri);
        }
        text(&mut out, if uris.is_empty() { "}" } else { "]}" });
        text(&mut out, ",\"_meta\":{");
        outgoing(&mut out, "{}", &self.our_version, None);
        text(&mut out, "}}}");
        out
    }

    /// The message that ends a stream on a pipe.
    pub(super) fn cancel(id: StreamId) -> String {
        let id = id_text(id);
        format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
             \"params\":{{\"requestId\":{id}}}}}"
        )
    }

    /// The server said what it will tell on a stream; `granted` is that part of its words.
    pub(super) fn acknowledged(
        &mut self,
        now: Tick,
        id: StreamId,
        text: &[u8],
        granted: Option<Span>,
    ) -> Do {
        let Stage::Opening { id: opening, .. } = self.stage else {
            return Do::default();
        };
        if id != opening {
            return Do::default();
        }
        let Stage::Opening { asked, .. } = std::mem::replace(&mut self.stage, Stage::Rest) else {
            return Do::default();
        };
        // No more than can be asked for: each is compared with each.
        let named = granted.into_iter().flat_map(|at| elements(text, at));
        let named = named.take(WATCHED_URIS_MAX);
        let named: Vec<_> = named.filter_map(|at| string(text, at)).collect();
        let granted = asked
            .iter()
            .filter(|uri| named.iter().any(|name| **name == ***uri));
        let heard = Heard {
            id,
            granted: granted.cloned().collect(),
            asked,
            since: now,
        };
        let answers = heard.answers(&heard.asked);
        let before = self.heard.replace(heard);
        if before.is_some() {
            Mark::ListenReplaced.hit();
        }
        let more = self
            .heard
            .as_ref()
            .is_some_and(|heard| heard.asked != self.wanted);
        let next = if more { self.open(now) } else { Do::default() };
        Do {
            // What the next one replaced at once is not there any more.
            close: before.map(|before| before.id).or(next.close),
            ..self.tell_and(answers, next)
        }
    }

    /// A stream is over.
    pub(super) fn ended(&mut self, now: Tick, id: StreamId, how: End, entropy: &mut Entropy) -> Do {
        if self.heard.as_ref().is_some_and(|heard| heard.id == id) {
            let since = self.heard.take().map_or(now, |heard| heard.since);
            self.missed = true;
            if self.stage == Stage::Rest {
                self.pause(now, now.since(since) >= STABLE_MS, entropy);
            }
            return Do::default();
        }
        let Stage::Opening {
            id: opening, asked, ..
        } = &self.stage
        else {
            return Do::default();
        };
        if id != *opening {
            return Do::default();
        }
        // Who came later waits for the next stream, if there is to be one.
        let unknown = how == End::UnknownMethod;
        let awaiting = if unknown { &self.wanted } else { asked };
        let answers = match &self.heard {
            Some(heard) => heard.answers(awaiting),
            None => refused(awaiting),
        };
        if unknown {
            Mark::ListenUnknown.hit();
            self.stage = Stage::Without;
        } else {
            self.missed |= self.heard.is_none();
            self.pause(now, false, entropy);
        }
        tell(answers)
    }

    fn pause(&mut self, now: Tick, stable: bool, entropy: &mut Entropy) {
        let ms = match self.backoff.strike(stable, entropy) {
            Verdict::After(ms) => ms,
            Verdict::GiveUp => return,
        };
        self.stage = Stage::Pausing {
            until: now.after(ms),
        };
    }

    /// When [`Listening::alarm`] is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        match self.stage {
            Stage::Opening { until, .. } | Stage::Pausing { until } => Some(until),
            Stage::Rest | Stage::Without => None,
        }
    }

    /// A stream was not acknowledged, or a pause is over.
    pub(super) fn alarm(&mut self, now: Tick, entropy: &mut Entropy) -> Do {
        match self.stage {
            Stage::Opening { id, .. } => {
                Mark::ListenUnacknowledged.hit();
                Do {
                    close: Some(id),
                    ..self.ended(now, id, End::Late, entropy)
                }
            }
            Stage::Pausing { .. } => {
                Mark::ListenReopened.hit();
                self.open(now)
            }
            Stage::Rest | Stage::Without => Do::default(),
        }
    }

    /// Whether what stands on this stream is for us.
    pub(super) fn hears(&self, id: StreamId) -> bool {
        let opening = matches!(self.stage, Stage::Opening { id: opening, .. } if opening == id);
        opening || self.heard.as_ref().is_some_and(|heard| heard.id == id)
    }

    /// The same once a stream is heard: what was missed before is told as well.
    fn tell_and(&mut self, uris: Vec<(Rc<str>, bool)>, next: Do) -> Do {
        let missed = std::mem::take(&mut self.missed);
        let tell = Some(Watching { uris, missed });
        Do {
            tell: tell.filter(|watching| missed || !watching.uris.is_empty()),
            ..next
        }
    }
}

fn refused(uris: &[Rc<str>]) -> Vec<(Rc<str>, bool)> {
    uris.iter().map(|uri| (Rc::clone(uri), false)).collect()
}

fn tell(uris: Vec<(Rc<str>, bool)>) -> Do {
    let tell = Some(Watching {
        uris,
        missed: false,
    });
    Do {
        tell: tell.filter(|watching| !watching.uris.is_empty()),
        ..Do::default()
    }
}
