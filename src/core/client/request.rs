//! One HTTP request: who may ask (C13), whom it is for, and the answers that need no session.

use std::net::IpAddr;

use crate::base::frame::Frame;
use crate::base::mark::Mark;
use crate::base::parents;
use crate::base::quoted::quoted;
use crate::client::Clients;
use crate::client::accept;
use crate::client::connection::{Asked, Connection, Doing};
use crate::client::refusal::Refusal;
use crate::client::reply::Field;
use crate::cx::Cx;
use crate::effect::Level;
use crate::http1::server::{Headers, Request};
use crate::input::Port;
use crate::language::{ClientEvent, WebRequest};
use crate::links::LinkKey;
use crate::settings::HealthLevel;
use crate::web::answer::Answer;
use crate::web::app::{self, Route};
use crate::web::forwarded;
use crate::web::guard::{self, CorsOrigin};
use crate::web::pages;

impl Clients {
    /// Answers a request, or tells what it wants; its body is in the frame.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &mut Frame,
        link: LinkKey,
        request: Request,
    ) -> Option<ClientEvent> {
        self.note_request(cx, link, &request, frame.bytes().len());
        let (route, peer, client) = self.enters(cx, link, &request)?;
        match route {
            Route::McpPost => self.post(cx, frame, link, &request),
            Route::McpGet => self.get(cx, link, &request.headers),
            Route::McpDelete => self.delete(cx, link, &request.headers),
            Route::Sse => self.open_sse(cx, link, &request.headers),
            Route::MessagesPost => self.post_message(cx, frame, link, &request),
            Route::Options => {
                self.options(cx, link, request.path(), &request.headers);
                None
            }
            Route::Start => {
                self.http.hold(cx, link, Doing::Page);
                let answer = pages::start(&self.settings, &request.headers);
                self.page(cx, link, &answer);
                None
            }
            Route::Web | Route::Metrics => {
                self.http.hold(cx, link, Doing::Page);
                let request = Box::new(WebRequest {
                    head: request,
                    body: frame.bytes().to_vec(),
                    peer,
                    client,
                });
                Some(ClientEvent::Web { link, request })
            }
            Route::Page(page) => {
                let full =
                    self.settings.health != HealthLevel::Minimal && self.knows_all(cx, &request);
                self.http.hold(cx, link, Doing::Page);
                Some(ClientEvent::Page { link, page, full })
            }
            Route::NotFound => {
                self.refuse_path(cx, link);
                None
            }
            Route::NotAllowed(allow) => {
                self.refuse_method(cx, link, &request, allow);
                None
            }
        }
    }

    /// What is asked is logged with the answer, and without the query: it may hold secrets.
    pub(super) fn note_request(
        &mut self,
        cx: &Cx<'_>,
        link: LinkKey,
        request: &Request,
        bytes: usize,
    ) {
        if cx.log_level < Level::Debug {
            return;
        }
        if let Some(connection) = self.http.connections.get_mut(&link) {
            let (method, path) = (request.method.name(), request.path());
            connection.asked = Some(Box::new(Asked {
                what: format!("method={} path={}", quoted(method), quoted(path)),
                since: cx.now.tick,
                bytes,
            }));
        }
    }

    /// By the head alone: whom the request is for, who sent it, and who asked for that. `None`: he
    /// may not ask, and was told so.
    pub(super) fn enters(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &Request,
    ) -> Option<(Route, IpAddr, IpAddr)> {
        let Connection { peer, port, .. } = *self.http.connections.get(&link)?;
        if port == Port::Browsers && !app::is_for_browsers(request.path()) {
            self.turn_stranger_away(cx, link);
            return None;
        }
        let route = app::route(&request.method, request.path());
        if !self.is_allowed(cx, link, request, &route) {
            return None;
        }
        let client = forwarded::client(&self.settings.trusted, peer, &request.headers);
        if !self.http.count_for(link, client) {
            self.turn_crowd_away(cx, link, request);
            return None;
        }
        if wants_token(&route)
            && !(self.comes_in(cx, link, request) && self.narrows(cx, link, (&route, request)))
        {
            return None;
        }
        Some((route, peer, client))
    }

    /// There is no such path.
    pub(super) fn refuse_path(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        let hint = "the MCP endpoint is /mcp; / lists the others";
        self.http.problem(cx, link, 404, "no such path", hint, &[]);
    }

    /// The path has other methods.
    pub(super) fn refuse_method(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &Request,
        allow: &'static str,
    ) {
        if is_mcp(request.path()) {
            let refused = Refusal::Method { allow }.into();
            return self.http.refuse(cx, link, &refused);
        }
        let hint = format!("use one of {allow}");
        let fields = [("Allow", allow)];
        self.http
            .problem(cx, link, 405, "method not allowed", &hint, &fields);
    }

    /// At the port for browsers somebody wants what is not there.
    fn turn_stranger_away(&mut self, cx: &mut Cx<'_>, link: LinkKey) {
        Mark::StrangeAtBrowsersPort.hit();
        let hint = "open the whole URL that `1mcp mcp status` shows";
        self.http.problem(cx, link, 404, "no such path", hint, &[]);
    }

    /// One address has too many connections through a trusted proxy.
    fn turn_crowd_away(&mut self, cx: &mut Cx<'_>, link: LinkKey, request: &Request) {
        if is_mcp(request.path()) {
            let refused = Refusal::TooManyConnections.into();
            return self.http.refuse(cx, link, &refused);
        }
        let hint = "try again when some of them were closed";
        let fields = [("Retry-After", "1")];
        self.http
            .problem(cx, link, 429, "too many connections", hint, &fields);
    }

    /// The answer to a page that was told as [`ClientEvent::Page`].
    pub fn page(&mut self, cx: &mut Cx<'_>, link: LinkKey, answer: &Answer) {
        let waits = self
            .http
            .connections
            .get(&link)
            .is_some_and(|connection| connection.doing == Doing::Page);
        if waits {
            let body = answer.body.as_slice();
            let fields: Vec<Field<'_>> = answer
                .headers
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect();
            self.http
                .full(cx, link, answer.status, &fields, &[body.into()]);
        }
    }

    /// Host and Origin come first (C13). While stopping, only pages are still answered.
    fn is_allowed(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkKey,
        request: &Request,
        route: &Route,
    ) -> bool {
        let refusal = match guard::check(&self.settings, request.path(), &request.headers) {
            Ok(cors) => {
                if let Some(connection) = self.http.connections.get_mut(&link) {
                    connection.cors = cors;
                }
                let mut said = request.headers.all(parents::FIELD);
                let hear = |said| self.settings.parents.hear(cx.now.tick, said);
                if is_mcp(request.path()) && said.any(|said| hear(said).is_err()) {
                    cx.log(Level::Warn, || {
                        "http refused: a request came round, since another gateway has this one \
                         among its servers and this one has that"
                            .to_owned()
                    });
                    Refusal::Loop
                } else if self.is_too_late(cx, route) {
                    Refusal::too_late()
                } else {
                    return true;
                }
            }
            Err(refusal) => {
                let (error, hint) = (refusal.error(), refusal.hint());
                cx.log(Level::Warn, || format!("http refused: {error}; {hint}"));
                Refusal::Forbidden { error, hint }
            }
        };
        match refusal {
            Refusal::Forbidden { error, hint } if !is_mcp(request.path()) => {
                self.http.problem(cx, link, 403, &error, &hint, &[]);
            }
            Refusal::Stopping
                if matches!(route, Route::McpGet | Route::Sse) && accept::get(&request.headers) =>
            {
                self.http.stream_ends(cx, link);
            }
            Refusal::Stopping if !is_mcp(request.path()) => self.http.turn_late_away(cx, link),
            refusal => self.http.refuse(cx, link, &refusal.into()),
        }
        false
    }

    fn options(&mut self, cx: &mut Cx<'_>, link: LinkKey, path: &str, headers: &Headers) {
        let from_page = headers.get("origin").is_some();
        if from_page {
            let fields = CorsOrigin::preflight(headers);
            let mut fields: Vec<Field<'_>> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            fields.extend(guard::is_open(path).then_some(guard::ANY_ORIGIN));
            self.http.empty(cx, link, 204, &fields);
        } else {
            let fields = [("Allow", "GET, POST, DELETE, OPTIONS")];
            self.http.empty(cx, link, 204, &fields);
        }
    }
}

/// Whether this is MCP and so wants a token.
const fn wants_token(route: &Route) -> bool {
    matches!(
        route,
        Route::McpPost | Route::McpGet | Route::McpDelete | Route::Sse | Route::MessagesPost
    )
}

/// Whether errors of this path are JSON-RPC errors (contract 5).
pub(super) fn is_mcp(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/mcp" | "/sse" | "/messages")
}
