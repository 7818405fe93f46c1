//! Requests: every one is checked, since this is all that a server ever sees of the hub. Then it
//! goes to the script that it is for.

use crate::clients::described::MODERN;
use crate::model::ProcessFacts;
use crate::net::{ConnId, Peer};
use crate::plan::NAMES;
use crate::remotes::request::Request;
use crate::remotes::{Stream, place};
use crate::servers::definition::{Definition, Eras};
use crate::servers::modern::is_described;
use crate::servers::process::{Birth, Far, Probe, Process, Stage};
use crate::wire::json::{Message, Said, at};
use crate::world::World;

impl World {
    /// Bytes on a connection to a site.
    pub(crate) fn site_hears(&mut self, id: ConnId, bytes: &[u8]) {
        if let Some(line) = self.remotes.lines.get_mut(&id) {
            line.reader.take(bytes);
        }
        while let Some(line) = self.remotes.lines.get_mut(&id)
            && !line.deaf
            && let Some(request) = line.reader.next()
        {
            if line.stream.is_some() {
                return self.bad_request(&request, "the one before is not answered");
            }
            self.serve(id, &request);
        }
    }

    fn bad_request(&mut self, request: &Request, why: &str) {
        self.model.violation(format!("{request:?}: {why}"));
    }

    fn serve(&mut self, id: ConnId, request: &Request) {
        let Peer::Site(site) = self.net.conns[id].peer else {
            return;
        };
        self.model.trace(|| {
            let Request {
                method,
                target,
                fields,
                body,
            } = request;
            format!("conn {id} {method} {target} {fields:?} {body}")
        });
        if request.target.starts_with("/.well-known/") {
            // Nobody gives tokens here: that it asked for one was a fault.
            return self.respond(id, 404, "", "not found");
        }
        let Some(variant) = self.check_head(site, request) else {
            return;
        };
        self.draw_faults(id, request);
        if self.misbehaves(id, site, request) {
            return;
        }
        match request.method.as_str() {
            "POST" => self.serve_post(id, (site, variant), request),
            "GET" => self.serve_get(id, (site, variant), request),
            _ => self.serve_delete(id, (site, variant), request),
        }
    }

    /// What is said outside of messages; which server is meant.
    fn check_head(&mut self, site: usize, request: &Request) -> Option<u64> {
        let host = place::authority(site);
        if request.field("host") != Some(&host) {
            self.bad_request(request, "another host");
        }
        let variant = request.target.strip_prefix('/');
        let variant = variant.and_then(|rest| rest.strip_suffix("/mcp"));
        let Some(variant) = variant.and_then(|text| text.parse::<u64>().ok()) else {
            self.bad_request(request, "another path");
            return None;
        };
        let secret = place::secret(NAMES[site], variant);
        if request.field(place::FIELD) != Some(&secret) {
            self.bad_request(request, "not what this server is told");
        }
        let text = format!("{request:?}");
        if text.matches(place::SECRET).count() != 1 {
            self.bad_request(request, "a secret of somebody else");
        }
        let accepts = request.field("accept").unwrap_or_default();
        let kind = request.field("content-type");
        let good = match request.method.as_str() {
            "POST" => {
                accepts == "application/json, text/event-stream" && kind == Some("application/json")
            }
            "GET" => accepts == "text/event-stream" && kind.is_none(),
            method => method == "DELETE" && kind.is_none(),
        };
        if !good {
            self.bad_request(request, "no such request");
        }
        Some(variant)
    }

    fn serve_post(&mut self, id: ConnId, server: (usize, u64), request: &Request) {
        let body = request.body.as_bytes();
        let message = match Message::read(body) {
            Ok(message) => message,
            Err(why) => return self.bad_request(request, &why),
        };
        let Some(said) = message.said() else {
            return self.bad_request(request, "no message");
        };
        let definition = Definition::new(self.seed, NAMES[server.0], server.1);
        let version = request.field("mcp-protocol-version");
        let session = request.field("mcp-session-id");
        match (&said, session) {
            (Said::Request { params, method, .. }, None) if is_described(params) => {
                if version != Some(MODERN) || request.field("mcp-method") != Some(*method) {
                    self.bad_request(request, "it does not repeat what it is about");
                }
                if definition.eras == Eras::Legacy {
                    return self.decline(id);
                }
                let process = self.bear(id, server, definition, true);
                self.take_request(id, process, None, request);
            }
            (
                Said::Request {
                    method: "initialize",
                    ..
                },
                None,
            ) => {
                if version.is_some() {
                    self.bad_request(request, "a revision before there is one");
                }
                let process = self.bear(id, server, definition, false);
                self.take_request(id, process, Some(0), request);
            }
            (_, None) => self.bad_request(request, "no session"),
            (said, Some(session)) => {
                let Some(process) = self.known(id, server, session, request) else {
                    return;
                };
                match said {
                    Said::Request { id: raw, .. } => {
                        let number = raw.parse().ok();
                        self.take_request(id, process, number, request);
                    }
                    _ => self.tell(id, process, said, request),
                }
            }
        }
    }

    /// A notification or an answer.
    fn tell(&mut self, id: ConnId, process: usize, said: &Said<'_>, request: &Request) {
        let body = request.body.as_bytes();
        self.with_process(process, |process, cx| process.hear_message(cx, body));
        if let Said::Notification { params, .. } = said
            && let Some(raw) = at(params, &["requestId"])
            && let Ok(number) = raw.parse::<u64>()
            && !self.processes[process].jobs.contains_key(&number)
            && self.rng.chance(500)
            && let Some(stream) = self.remotes.open.remove(&(process, Some(number)))
        {
            // Nothing is said any more about what was cancelled.
            self.remotes.streams[stream].over = true;
            self.begin_stream(stream);
            self.end_stream(stream);
        }
        let status = self.rng.pick(&[202, 202, 200, 204]);
        self.respond(id, status, "", "");
    }

    /// A request goes to its script.
    fn take_request(&mut self, id: ConnId, process: usize, about: Option<u64>, request: &Request) {
        let far = self.processes[process].far.as_ref();
        let (solo, site) = far.map_or((true, 0), |far| (far.solo, far.site));
        let habits = self.remotes.habits(site, 0);
        let number = self.remotes.streams.len();
        self.remotes.streams.push(Stream {
            process,
            about,
            conn: Some(id),
            began: false,
            numbered: habits.numbered && !solo,
            events: Vec::new(),
            over: false,
        });
        self.remotes.open.insert((process, about), number);
        if let Some(line) = self.remotes.lines.get_mut(&id) {
            line.stream = Some(number);
        }
        if habits.plain == 0 && self.rng.chance(500) {
            self.begin_stream(number);
        }
        let body = request.body.as_bytes();
        self.with_process(process, |process, cx| {
            process.talk_about(about);
            process.hear_message(cx, body);
            process.talk_about(None);
        });
    }

    /// What a server of the first era makes of a question that it does not know.
    fn decline(&mut self, id: ConnId) {
        let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no valid session ID provided"}}"#;
        let unknown = r#"{"jsonrpc":"2.0","id":"1mcp-discover","error":{"code":-32601,"message":"Method not found"}}"#;
        let json = "Content-Type: application/json\r\n";
        match self.rng.below(5) {
            0 => self.respond(id, 400, json, error),
            1 => self.respond(id, 404, "", "not found"),
            2 => self.respond(id, 405, "Allow: GET\r\n", ""),
            3 => self.respond(id, 200, json, unknown),
            _ => self.respond(id, 400, json, unknown),
        }
    }

    /// The script of a session; without one the request is refused.
    fn known(
        &mut self,
        id: ConnId,
        (site, variant): (usize, u64),
        session: &str,
        request: &Request,
    ) -> Option<usize> {
        let number = session.strip_prefix(place::SESSION);
        let mut words = number.unwrap_or_default().split('-');
        let minted = words.next().and_then(|word| word.parse().ok());
        let own = words.next() == Some(&format!("{site}.{variant}"));
        if !own || minted.is_none_or(|minted: usize| minted > self.remotes.minted) {
            self.bad_request(request, "a session of somebody else");
        }
        let process = self.remotes.sessions.get(session).copied();
        if process.is_none() {
            let habit = self.remotes.habits(site, variant).lost_as;
            // Whoever says 401 for ever to a session that was of no use yet wants a key.
            let status = if self.calm { 404 } else { habit };
            self.respond(id, status, "", "no such session");
        }
        process
    }

    fn serve_get(&mut self, id: ConnId, server: (usize, u64), request: &Request) {
        let Some(session) = request.field("mcp-session-id") else {
            // Whoever was refused asks whether this is a server of 2024-11-05.
            let status = self.rng.pick(&[404, 405]);
            return self.respond(id, status, "Allow: POST\r\n", "");
        };
        let Some(process) = self.known(id, server, session, request) else {
            return;
        };
        let habits = self.remotes.habits(server.0, 0);
        let last = request.field("last-event-id");
        let last = last.map(|last| last.split_once('-').unwrap_or_default());
        let place = last.and_then(|(number, place)| {
            Some((number.parse::<usize>().ok()?, place.parse::<usize>().ok()?))
        });
        if last.is_some() && place.is_none() {
            return self.bad_request(request, "no id of an event");
        }
        if let Some((number, place)) = place {
            return self.go_on(id, process, number, place);
        }
        if !habits.ears {
            return self.respond(id, 405, "Allow: POST\r\n", "");
        }
        if self.remotes.open.contains_key(&(process, None)) {
            return self.respond(id, 409, "", "there is a stream already");
        }
        let number = self.remotes.streams.len();
        self.remotes.streams.push(Stream {
            process,
            about: None,
            conn: Some(id),
            began: false,
            numbered: habits.numbered,
            events: Vec::new(),
            over: false,
        });
        self.remotes.open.insert((process, None), number);
        self.attach(id, number);
    }

    /// The rest of a stream.
    fn go_on(&mut self, id: ConnId, process: usize, number: usize, place: usize) {
        let Some(stream) = self.remotes.streams.get_mut(number) else {
            return self.model.violation(format!("stream {number} never was"));
        };
        if stream.process != process || place > stream.events.len() {
            let why = format!("stream {number} of {} has no {place}", stream.process);
            return self.model.violation(why);
        }
        self.model.stats.remote_resumed += 1;
        let before = stream.conn.take();
        stream.conn = Some(id);
        stream.began = false;
        if stream.about.is_none() && !self.remotes.open.contains_key(&(process, None)) {
            stream.over = false;
            self.remotes.open.insert((process, None), number);
        }
        if let Some(before) = before {
            if let Some(line) = self.remotes.lines.get_mut(&before) {
                line.stream = None;
            }
            self.hang_up(before, false);
        }
        self.attach(id, number);
        let stream = &self.remotes.streams[number];
        let (count, over) = (stream.events.len(), stream.over);
        for place in place + 1..=count {
            self.event(number, place);
        }
        if over {
            self.end_stream(number);
        }
    }

    fn attach(&mut self, id: ConnId, number: usize) {
        if let Some(line) = self.remotes.lines.get_mut(&id) {
            line.stream = Some(number);
        }
        self.begin_stream(number);
    }

    fn serve_delete(&mut self, id: ConnId, server: (usize, u64), request: &Request) {
        let Some(session) = request.field("mcp-session-id") else {
            return self.bad_request(request, "no session");
        };
        if let Some(process) = self.known(id, server, session, request) {
            self.end_process(process);
            let status = self.rng.pick(&[200, 204, 405]);
            self.respond(id, status, "", "");
        }
    }

    /// A script for a session, or for one request.
    fn bear(
        &mut self,
        line: ConnId,
        (site, variant): (usize, u64),
        definition: Definition,
        solo: bool,
    ) -> usize {
        let id = self.processes.len();
        let server = NAMES[site].to_owned();
        let conn = self.net.open(Peer::Process(id), 1);
        self.net.conns[conn].peer_told = true;
        let entry = self.plan.entry(&server);
        self.model.processes.push(ProcessFacts {
            server: server.clone(),
            private: entry
                .is_some_and(|entry| entry.isolation == onemcp::config::Isolation::Session),
            roots: self.remotes.lines.get(&line).is_some_and(|line| line.roots),
            stateless: solo,
            ..ProcessFacts::default()
        });
        let birth = Birth {
            id,
            server,
            pool: onemcp::language::PoolKey(onemcp::base::slab::Key {
                index: u32::MAX,
                generation: 0,
            }),
            conn,
            definition,
        };
        let calm = self.calm;
        let mut process = Process::new(&mut self.cx(), birth, calm);
        let mut session = None;
        if !solo {
            self.remotes.minted += 1;
            let name = format!("{}{}-{site}.{variant}", place::SESSION, self.remotes.minted);
            self.remotes.sessions.insert(name.clone(), id);
            session = Some(name);
        }
        process.far = Some(Far {
            site,
            solo,
            session,
            ..Far::default()
        });
        if process.probe == Probe::Kills {
            process.probe = Probe::Unknown;
        }
        if solo {
            process.stage = Stage::New;
            process.discovered = true;
        }
        self.model
            .trace(|| format!("script {id} of site {site} begins (solo: {solo})"));
        self.processes.push(process);
        id
    }
}
