//! What servers do to requests instead of answering them, and how they stop to be there.

use onemcp::limits::RETRY_AFTER_MS_MAX;

use crate::faults::Fault;
use crate::net::{ConnId, Peer};
use crate::remotes::request::Request;
use crate::remotes::{Late, place};
use crate::world::World;

const JSON: &str = "Content-Type: application/json\r\n";

impl World {
    /// Whether the request meets a fault. It is not executed then.
    pub(crate) fn misbehaves(&mut self, id: ConnId, site: usize, request: &Request) -> bool {
        if self.hit(Fault::SiteRestarts) {
            self.restart_site(site);
        } else if self.hit(Fault::SiteCuts) {
            let reset = self.rng.chance(500);
            self.hang_up(id, reset);
        } else if self.hit(Fault::SiteMute) {
            self.make_deaf(id);
        } else if self.hit(Fault::SiteStatus) {
            self.refuse(id, site);
        } else if self.hit(Fault::SiteGarbage) {
            self.talk_nonsense(id);
        } else if self.hit(Fault::SiteType) {
            let kind = self
                .rng
                .pick(&["text/html", "text/plain; charset=utf-8", "image/png"]);
            let fields = format!("Content-Type: {kind}\r\n");
            self.respond(id, 200, &fields, "<html>Welcome to nginx!</html>");
        } else if self.hit(Fault::SiteOversized) {
            self.exaggerate(id);
        } else if self.hit(Fault::SiteSlowHead) {
            self.dawdle(id);
        } else if self.hit(Fault::SiteRedirects) {
            self.redirect(id, site, request);
        } else {
            return false;
        }
        true
    }

    /// What is not a fault of one request: sessions are forgotten, or the response will be cut.
    pub(crate) fn draw_faults(&mut self, id: ConnId, request: &Request) {
        if let Some(session) = request.field("mcp-session-id")
            && let Some(process) = self.remotes.sessions.get(session).copied()
            && self.hit(Fault::SiteForgets)
        {
            self.end_process(process);
        }
        let cut = self.hit(Fault::SiteCutsLate);
        let after = cut.then(|| {
            let scale: usize = 1 << self.rng.below(12);
            self.rng.index(scale)
        });
        if let Some(line) = self.remotes.lines.get_mut(&id) {
            line.cut_after = after;
        }
    }

    /// Bytes of a server, or as many as it lives to send.
    pub(crate) fn site_sends(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(line) = self.remotes.lines.get_mut(&id) else {
            return;
        };
        match &mut line.cut_after {
            Some(left) if *left < bytes.len() => {
                let some = &bytes[..*left];
                self.net.send(id, some);
                let reset = self.rng.chance(500);
                self.hang_up(id, reset);
            }
            Some(left) => {
                *left -= bytes.len();
                self.net.send(id, bytes);
            }
            None => self.net.send(id, bytes),
        }
    }

    fn make_deaf(&mut self, id: ConnId) {
        if let Some(line) = self.remotes.lines.get_mut(&id) {
            line.deaf = true;
        }
    }

    fn refuse(&mut self, id: ConnId, site: usize) {
        let status = self.rng.pick(&[
            400, 401, 403, 404, 405, 408, 429, 429, 500, 502, 503, 503, 504,
        ]);
        let retry = match self.rng.below(5) {
            0 => "Retry-After: 3\r\n".to_owned(),
            1 => format!("Retry-After: {}\r\n", self.rng.below(100)),
            2 => {
                self.names_a_date(site);
                "Retry-After: Fri, 15 Jan 2027 08:00:10 GMT\r\n".to_owned()
            }
            3 => "Retry-After: soon\r\n".to_owned(),
            _ => String::new(),
        };
        let body = self.rng.pick(&[
            "",
            "no",
            "{}",
            "no such session",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"overloaded"}}"#,
        ]);
        self.respond(id, status, &format!("{retry}{JSON}"), body);
    }

    /// The date is a few seconds after the run begins. Whoever's clock was set back sees it years
    /// ahead, and may leave the site alone for the longest that it leaves any alone.
    fn names_a_date(&mut self, site: usize) {
        if !self.settings.auth && self.faults.may(Fault::WallJumps) {
            let until = self.now.tick.0 + RETRY_AFTER_MS_MAX;
            self.remotes.left_alone_until.insert(site, until);
        }
    }

    fn talk_nonsense(&mut self, id: ConnId) {
        match self.rng.below(6) {
            0 => self.respond(id, 200, JSON, "{\"jsonrpc\":"),
            1 => self.respond(id, 200, JSON, "[1,null,\"x\"]"),
            2 => self.respond(
                id,
                200,
                JSON,
                r#"{"jsonrpc":"2.0","id":987654321,"result":{}}"#,
            ),
            3 => self.respond(
                id,
                200,
                "Content-Type: text/event-stream\r\n",
                "data: x\n\n:\n\n",
            ),
            4 => self.respond(id, 204, "", ""),
            _ => {
                let text = self.rng.pick(&[
                    "SSH-2.0-OpenSSH_9.6\r\n\r\n",
                    "HTTP/1.1 200\r\n\r\n",
                    "HTTP/1.1 OK 200\r\nContent-Length: 1\r\n\r\nx",
                    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f ",
                ]);
                self.make_deaf(id);
                self.site_sends(id, text.as_bytes());
            }
        }
    }

    fn exaggerate(&mut self, id: ConnId) {
        let text = match self.rng.below(3) {
            0 => format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 99999999999\r\n\r\n"),
            1 => format!("HTTP/1.1 200 OK\r\nX-Pad: {}\r\n", "x".repeat(100_000)),
            _ => format!("HTTP/1.1 200 OK\r\n{}", "X-A: a\r\n".repeat(500)),
        };
        self.make_deaf(id);
        self.site_sends(id, text.as_bytes());
    }

    /// A head that comes slowly, or never ends.
    fn dawdle(&mut self, id: ConnId) {
        let (pieces, pause_ms) = (self.rng.within(2, 60), 1 + self.rng.time(8000));
        let mut due = self.now.tick.0;
        self.make_deaf(id);
        let reset = self.rng.chance(500);
        let ends = self.rng.chance(500);
        let Some(line) = self.remotes.lines.get_mut(&id) else {
            return;
        };
        let first = b"HTTP/1.1 500 Slow\r\n".to_vec();
        line.late.push_back((due, Late::Bytes(first)));
        for _ in 0..pieces {
            due += pause_ms;
            line.late
                .push_back((due, Late::Bytes(b"X-A: a\r\n".to_vec())));
        }
        let end = match ends {
            true => Late::Bytes(b"Content-Length: 0\r\n\r\n".to_vec()),
            false => Late::Close { reset },
        };
        line.late.push_back((due + pause_ms, end));
    }

    fn redirect(&mut self, id: ConnId, site: usize, request: &Request) {
        let status = self.rng.pick(&[301, 302, 303, 307, 307, 308]);
        let target = &request.target;
        let scheme = if place::port(site).0 { "https" } else { "http" };
        let to = match self.rng.below(5) {
            0 => "https://elsewhere.test/mcp".to_owned(),
            1 => "//elsewhere.test/mcp".to_owned(),
            2 => format!("{scheme}://{}{target}", place::authority(site)),
            _ => target.clone(),
        };
        self.respond(id, status, &format!("Location: {to}\r\n"), "");
    }

    /// All sessions and all connections of a site are gone, and it may be away for a while.
    fn restart_site(&mut self, site: usize) {
        self.model.trace(|| format!("site {site} restarts"));
        let of = |process: &crate::servers::process::Process| {
            process.alive && process.far.as_ref().is_some_and(|far| far.site == site)
        };
        for at in 0..self.processes.len() {
            if of(&self.processes[at]) {
                self.end_process(at);
            }
        }
        let lines: Vec<ConnId> = self.remotes.lines.keys().copied().collect();
        for id in lines {
            if self.net.conns[id].peer == Peer::Site(site) {
                self.hang_up(id, true);
            }
        }
        if self.rng.chance(500) {
            let away = self.rng.time(60_000);
            self.remotes.away_until.insert(site, self.now.tick.0 + away);
        }
    }

    /// From now on every site works.
    pub(crate) fn calm_sites(&mut self) {
        let now = self.now.tick.0;
        for one in &mut self.remotes.dialing {
            one.due = one.due.min(now);
        }
        self.remotes.away_until.clear();
        let bad = |(id, line): (&ConnId, &crate::remotes::Line)| {
            (line.deaf || line.cut_after.is_some()).then_some(*id)
        };
        let bad: Vec<ConnId> = self.remotes.lines.iter().filter_map(bad).collect();
        for id in bad {
            self.hang_up(id, true);
        }
    }
}
