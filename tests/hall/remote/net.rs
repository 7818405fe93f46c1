//! The network between the hub and the sites: connections are ordered, opened, read, paused, cut.

use std::collections::BTreeMap;

use onemcp::effect::DialSpec;
use onemcp::input::{Input, OpenFailure, OpenFault};
use onemcp::limits::READ_BYTES_PER_TURN_MAX;
use onemcp::links::{DialKey, LinkKey};

use super::handle::Asked;
use super::issuer::Issuer;
use super::request::{Reader, Request};
use super::site::{Act, End, SiteState, Style};
use crate::world::World;

/// Everything that is not on this machine.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) sites: Vec<SiteState>,
    pub(crate) conns: BTreeMap<LinkKey, Conn>,
    /// Connections that take for ever to open, and when the shell stops waiting for them.
    pending: Vec<(DialKey, u64, String)>,
    /// Orders that nobody waited for any more.
    pub(crate) given_up: usize,
    drips: Vec<Drip>,
    pub(crate) issuer: Issuer,
}

/// Bytes that come again and again.
#[derive(Debug)]
struct Drip {
    link: LinkKey,
    bytes: Vec<u8>,
    every_ms: u64,
    next: u64,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) site: usize,
    reader: Reader,
    /// Its last request is not answered as a whole.
    pub(crate) busy: bool,
    /// The answer is an event stream that has begun.
    pub(crate) begun: bool,
    /// What the hub did not read yet, and what comes behind it.
    unread: Vec<u8>,
    end: End,
    /// The hub closed it.
    pub(crate) hung_up: bool,
    /// We closed it.
    over: bool,
}

impl Net {
    /// Nobody is connected to any of them.
    pub(crate) fn new(sites: Vec<SiteState>) -> Self {
        Self {
            sites,
            ..Self::default()
        }
    }
}

impl Conn {
    /// Whether neither side closed it.
    pub(crate) fn is_open(&self) -> bool {
        !self.hung_up && !self.over
    }
}

impl World {
    // --- opening ---

    /// `Effect::Open`.
    pub(crate) fn dial(&mut self, dial: DialKey, spec: &DialSpec) {
        let (host, port) = (spec.host.to_string(), spec.port);
        let mut sites = self.net.sites.iter_mut().enumerate();
        let site = sites.find(|(_, site)| site.host == host && site.port == port);
        let Some((index, site)) = site else {
            let why = format!("there is no address for {host}");
            let fault = OpenFault::Lookup;
            let failure = OpenFailure { fault, why };
            return self.feed_input(Input::OpenFailed { dial, failure });
        };
        site.dials += 1;
        if spec.tunnel.is_none() {
            let wanted = spec.tls.as_ref().map(ToString::to_string);
            assert_eq!(wanted, site.tls.then_some(host.clone()), "TLS of {host}");
        }
        assert!(spec.tunnel.is_none() || site.is_proxy, "{host} is no proxy");
        if site.hangs {
            let until = self.tick() + spec.open_ms_max;
            return self.net.pending.push((dial, until, host));
        }
        if let Some(failure) = site.unreachable.clone() {
            return self.feed_input(Input::OpenFailed { dial, failure });
        }
        let index = match &spec.tunnel {
            Some(head) => self.behind(head.reveal(), spec),
            None => index,
        };
        let link = self.new_link();
        let conn = Conn {
            site: index,
            reader: Reader::default(),
            busy: false,
            begun: false,
            unread: Vec::new(),
            end: End::Open,
            hung_up: false,
            over: false,
        };
        self.net.conns.insert(link, conn);
        self.feed_input(Input::Opened { dial, link });
    }

    /// The site that a tunnel leads to.
    fn behind(&mut self, head: &str, spec: &DialSpec) -> usize {
        let target = head.strip_prefix("CONNECT ").unwrap();
        let (target, _) = target.split_once(' ').unwrap();
        let mut sites = self.net.sites.iter_mut();
        let place = sites.position(|site| format!("{}:{}", site.host, site.port) == target);
        let index = place.unwrap_or_else(|| panic!("no site {target}"));
        let site = &mut self.net.sites[index];
        let wanted = spec.tls.as_ref().map(ToString::to_string);
        assert_eq!(wanted, site.tls.then_some(site.host.clone()));
        site.tunnels += 1;
        index
    }

    /// `Effect::GiveUpOpen`.
    pub(crate) fn give_up_dial(&mut self, dial: DialKey) {
        let before = self.net.pending.len();
        self.net.pending.retain(|(pending, ..)| *pending != dial);
        self.net.given_up += before - self.net.pending.len();
    }

    /// When the network does something by itself.
    pub(crate) fn next_net_event(&self) -> Option<u64> {
        let pending = self.net.pending.iter().map(|(_, until, _)| *until);
        pending
            .chain(self.net.drips.iter().map(|drip| drip.next))
            .min()
    }

    /// Connections took too long to open, and what drips goes on.
    pub(crate) fn net_events(&mut self) {
        let now = self.tick();
        let conns = &self.net.conns;
        self.net.drips.retain(|drip| conns[&drip.link].is_open());
        let mut due = Vec::new();
        for drip in self.net.drips.iter_mut().filter(|drip| drip.next <= now) {
            drip.next = now + drip.every_ms;
            due.push((drip.link, drip.bytes.clone()));
        }
        for (link, bytes) in due {
            self.says(link, &bytes, End::Open);
            self.settle_now();
        }
        let is_due = |(_, until, _): &mut (DialKey, u64, String)| *until <= now;
        let due: Vec<_> = self.net.pending.extract_if(.., is_due).collect();
        for (dial, _, host) in due {
            let why = format!("no connection to {host} within the time for it");
            let fault = OpenFault::TimedOut;
            let failure = OpenFailure { fault, why };
            self.input(Input::OpenFailed { dial, failure });
        }
    }

    // --- reading what the hub says ---

    /// `Effect::Close`, if the link is one of these connections.
    pub(crate) fn conn_closed(&mut self, link: LinkKey) {
        let Some(conn) = self.net.conns.get_mut(&link) else {
            return;
        };
        conn.hung_up = true;
        let site = conn.site;
        self.net.sites[site]
            .streams
            .retain(|stream| stream.link != link);
    }

    /// Sites read what was written to them, and go on saying what could not be said before; whether
    /// there was anything.
    pub(crate) fn sites_read(&mut self) -> bool {
        let mut any = false;
        let links: Vec<LinkKey> = self.net.conns.keys().copied().collect();
        for link in links {
            any |= self.say(link);
            let bytes = std::mem::take(&mut self.peer(link).received);
            let conn = self.net.conns.get_mut(&link).unwrap();
            conn.reader.take(&bytes);
            if conn.over {
                continue;
            }
            any |= !bytes.is_empty();
            if let Some(request) = conn.reader.next() {
                assert!(!conn.busy, "a second request: {request:?}");
                assert!(conn.reader.is_empty(), "more behind {request:?}");
                conn.busy = true;
                any = true;
                self.serve(link, request);
            }
        }
        any
    }

    fn serve(&mut self, link: LinkKey, mut request: Request) {
        let index = self.net.conns[&link].site;
        let site = &mut self.net.sites[index];
        site.requests.push(request.clone());
        let fault = site.fault(&request);
        if fault.is_none()
            && let Some(path) = request.target.strip_prefix("http://")
        {
            // For a proxy: a whole URL.
            assert!(site.is_proxy, "{request:?}");
            let (host, path) = path.split_once('/').unwrap();
            let (host, path) = (host.to_owned(), format!("/{path}"));
            let mut sites = self.net.sites.iter();
            let place = sites.position(|site| site.host == host);
            let place = place.unwrap_or_else(|| panic!("no site {host}"));
            self.net.conns.get_mut(&link).unwrap().site = place;
            request.target = path;
            self.serve(link, request);
            self.net.conns.get_mut(&link).unwrap().site = index;
            return;
        }
        let site = &self.net.sites[index];
        let host = request.field("host").unwrap();
        let proxied = request.target.starts_with("http://");
        assert!(
            proxied || host.split(':').next() == Some(site.host.as_str()),
            "{host}"
        );
        match fault {
            Some(Act::Says(bytes, end)) => return self.says(link, &bytes, end),
            Some(Act::Whole(bytes)) => return self.responds(link, &bytes),
            Some(Act::Drips {
                first,
                bytes,
                every_ms,
            }) => {
                let next = self.tick() + every_ms;
                self.net.drips.push(Drip {
                    link,
                    bytes,
                    every_ms,
                    next,
                });
                return self.says(link, &first, End::Open);
            }
            Some(Act::Leaves) => return self.leaves_to_test(link, request),
            None => {}
        }
        if let Some(answer) = self.at_the_gate(index, &request) {
            return self.responds(link, &answer);
        }
        let site = &self.net.sites[index];
        match (site.style, site.script.is_modern()) {
            (Style::OldSse, _) => self.serve_old_sse(link, request),
            (Style::Streamable, true) => self.serve_modern(link, request),
            (Style::Streamable, false) => self.serve_legacy(link, request),
        }
    }

    /// The test has to do something about it.
    pub(crate) fn leaves_to_test(&mut self, link: LinkKey, request: Request) {
        let site = self.net.conns[&link].site;
        let asked = Asked {
            link,
            value: request.message(),
            request,
            on: None,
        };
        self.net.sites[site].seen.push_back(asked);
    }

    // --- saying ---

    /// A whole response.
    pub(crate) fn responds(&mut self, link: LinkKey, bytes: &[u8]) {
        if let Some(conn) = self.net.conns.get_mut(&link) {
            conn.busy = false;
        }
        self.says(link, bytes, End::Open);
    }

    /// Bytes as they are, and how the connection ends behind them.
    pub(crate) fn says(&mut self, link: LinkKey, bytes: &[u8], end: End) {
        let conn = self.net.conns.get_mut(&link).unwrap();
        assert!(!conn.over, "the connection is closed");
        conn.unread.extend_from_slice(bytes);
        conn.end = end;
        conn.over = end != End::Open;
        if conn.over {
            let site = conn.site;
            let streams = &mut self.net.sites[site].streams;
            streams.retain(|stream| stream.link != link);
        }
        self.say(link);
    }

    /// The hub reads what it wants to read; whether there was anything.
    fn say(&mut self, link: LinkKey) -> bool {
        let conn = self.net.conns.get_mut(&link).unwrap();
        let unread = std::mem::take(&mut conn.unread);
        let mut told = 0;
        for bytes in unread.chunks(READ_BYTES_PER_TURN_MAX) {
            let paused = self.paused.get(&link).copied().unwrap_or_default();
            if paused || self.net.conns[&link].hung_up {
                break;
            }
            self.feed_input(Input::Bytes { link, bytes });
            told += bytes.len();
            // Orders that follow from it (to pause, to close) come before the next bytes.
            self.obey();
        }
        let any = told > 0;
        let conn = self.net.conns.get_mut(&link).unwrap();
        conn.unread.splice(..0, unread[told..].iter().copied());
        let paused = self.paused.get(&link).copied().unwrap_or_default();
        if conn.hung_up || paused {
            return any;
        }
        match std::mem::replace(&mut conn.end, End::Open) {
            End::Open => return any,
            End::Eof => self.feed_input(Input::Eof { link }),
            End::Reset => {
                self.net.conns.get_mut(&link).unwrap().hung_up = true;
                self.feed_input(Input::Broken { link });
            }
        }
        true
    }
}
