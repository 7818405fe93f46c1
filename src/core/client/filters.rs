//! What the URL of a request asks to see (contract 4): on `/mcp` that of each request, on `/sse`
//! that of the stream. Knows presets by name only, and no servers.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::base::mark::Mark;
use crate::client::Clients;
use crate::client::refusal::Refusal;
use crate::cx::Cx;
use crate::effect::Level;
use crate::filter::query::Fault;
use crate::filter::{Filter, Presets, Wish};
use crate::http1::server::Request;
use crate::limits::FILTERS_KNOWN_MAX;
use crate::links::LinkKey;
use crate::web::app::Route;

/// What queries mean, the last of them kept: clients send theirs with every request.
#[derive(Debug, Default)]
pub(super) struct Filters {
    presets: Rc<Presets>,
    known: VecDeque<(Box<str>, Filter)>,
}

impl Filters {
    fn read(&mut self, query: &str) -> Result<Filter, Fault> {
        let known = self.known.iter().find(|(known, _)| **known == *query);
        if let Some((_, filter)) = known {
            return Ok(filter.clone());
        }
        let wish = Wish::read(Some(query))?;
        if let Wish::Preset(name) = &wish
            && self.presets.get(name).is_none()
        {
            return Err(Fault::NoPreset(name.clone()));
        }
        let filter = Filter::new(wish, &self.presets);
        if self.known.len() >= FILTERS_KNOWN_MAX {
            Mark::FiltersKnownFull.hit();
            self.known.pop_back();
        }
        self.known.push_front((query.into(), filter.clone()));
        Ok(filter)
    }
}

impl Clients {
    /// There are these presets now. Whoever asked for one sees from now on what it says.
    pub fn set_presets(&mut self, presets: &Rc<Presets>) {
        let filters = &mut self.filters;
        if filters.presets == *presets {
            return;
        }
        filters.presets = Rc::clone(presets);
        filters.known.clear();
        // Who had the same filter has the same again, and not another one of equal content.
        let mut renewed: BTreeMap<Filter, Filter> = BTreeMap::new();
        for (_, session) in self.sessions.iter_mut() {
            let sight = std::mem::take(&mut session.caller.sight);
            let old = renewed.entry(sight.filter().clone());
            let filter = old.or_insert_with_key(|old| old.renewed(presets)).clone();
            session.caller.sight = sight.narrowed(filter);
        }
    }

    /// Notes what the sender of a request of MCP asks to see, or answers that it cannot be read.
    pub(super) fn narrows(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        (route, request): (&Route, &Request),
    ) -> bool {
        let query = match route {
            Route::McpPost | Route::McpGet | Route::McpDelete | Route::Sse => request.query(),
            // The URL of its stream counts.
            _ => None,
        };
        let filter = match query.map(|query| self.filters.read(query)) {
            None => Filter::ALL,
            Some(Ok(filter)) => filter,
            Some(Err(Fault::NoPreset(name))) if self.has_asked(cx, request, &name) => {
                Mark::PresetGone.hit();
                Filter::new(Wish::Preset(name), &self.filters.presets)
            }
            Some(Err(fault)) => {
                Mark::FilterRefused.hit();
                cx.log(Level::Debug, || format!("http refused: {fault}"));
                let refused = Refusal::Filter(Box::new(fault)).into();
                self.http.refuse(cx, link, &refused);
                return false;
            }
        };
        let sight = std::mem::take(&mut self.caller.sight);
        self.caller.sight = sight.narrowed(filter);
        true
    }

    /// Whether a request is of a session that has asked for this preset before: it is deleted, and
    /// its clients see nothing, rather than that all their requests fail. What a session of another
    /// run has asked for nobody knows: that it asks now is enough.
    fn has_asked(&self, cx: &Cx<'_>, request: &Request, preset: &str) -> bool {
        let Some(presented) = request.headers.get("mcp-session-id") else {
            return false;
        };
        match self.ids.find(presented) {
            Some(client) => {
                let session = self.sessions.get(client);
                session.is_some_and(|session| session.caller.sight.filter().asks_for(preset))
            }
            None => {
                let grant = self.caller.sight.grant();
                let found = self.resume.find(presented, grant, cx.now.wall);
                found.is_some()
            }
        }
    }
}
