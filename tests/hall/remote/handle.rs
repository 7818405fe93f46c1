//! Sites and what they are asked, for the test.

use onemcp::input::{OpenFailure, OpenFault};
use onemcp::links::LinkKey;
use serde_json::Value;

use super::legacy::answered;
use super::request::Request;
use super::site::{Act, End, Of, Open, SiteState};
use super::{chunk, event, response};
use crate::server::Script;
use crate::world::World;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// One site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site(pub(crate) usize);

/// A request that a site got and did not answer, or a notification.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) link: LinkKey,
    pub(crate) request: Request,
    /// The message in it.
    pub(crate) value: Value,
    /// The answer goes to this stream and not back (HTTP+SSE).
    pub(crate) on: Option<LinkKey>,
}

impl World {
    /// The site that the server of this name is, or that has this host name.
    #[track_caller]
    pub(crate) fn site(&self, name: &str) -> Site {
        let host = format!("{name}.test");
        let mut sites = self.net.sites.iter();
        let place = sites.position(|site| site.host == host || site.host == name);
        Site(place.unwrap_or_else(|| panic!("no site {name}")))
    }

    /// The site behind a connection.
    pub(crate) fn site_of(&mut self, link: LinkKey) -> &mut SiteState {
        &mut self.net.sites[self.net.conns[&link].site]
    }
}

impl Site {
    /// Everything about it.
    pub(crate) fn state(self, world: &mut World) -> &mut SiteState {
        &mut world.net.sites[self.0]
    }

    // --- what it was asked ---

    /// The next request or notification that it did not answer by itself; it must be this one.
    #[track_caller]
    pub(crate) fn expect(self, world: &mut World, method: &str) -> Asked {
        let asked = self.next(world);
        let asked = asked.unwrap_or_else(|| panic!("nothing came, wanted {method}"));
        assert_eq!(asked.value["method"], method, "{asked:?}");
        asked
    }

    /// The next GET with `Last-Event-ID`, which must be this one.
    #[track_caller]
    pub(crate) fn expect_resume(self, world: &mut World, last: &str) -> Asked {
        let asked = self.next(world);
        let asked = asked.unwrap_or_else(|| panic!("nothing came, wanted GET after {last}"));
        assert_eq!(asked.request.field("last-event-id"), Some(last));
        asked
    }

    /// The next request or notification that it did not answer by itself.
    pub(crate) fn next(self, world: &mut World) -> Option<Asked> {
        world.rest();
        self.state(world).seen.pop_front()
    }

    /// Nothing came that the test has not looked at.
    #[track_caller]
    pub(crate) fn expect_nothing(self, world: &mut World) {
        let next = self.next(world);
        assert!(next.is_none(), "{next:?}");
    }

    /// How many requests with this method it got: of JSON-RPC, or of HTTP.
    pub(crate) fn got(self, world: &World, method: &str) -> usize {
        let requests = world.net.sites[self.0].requests.iter();
        let is_it = |request: &&Request| request.method == method || request.says() == method;
        requests.filter(is_it).count()
    }

    /// How many connections to it were wanted.
    pub(crate) fn dials(self, world: &World) -> usize {
        world.net.sites[self.0].dials
    }

    /// How many connections to it are open.
    pub(crate) fn connections(self, world: &World) -> usize {
        let conns = world.net.conns.values();
        conns
            .filter(|conn| conn.site == self.0 && conn.is_open())
            .count()
    }

    /// The last request with this method.
    #[track_caller]
    pub(crate) fn last(self, world: &World, method: &str) -> Request {
        let requests = &world.net.sites[self.0].requests;
        let mut requests = requests.iter().rev();
        let found = requests.find(|one| one.method == method || one.says() == method);
        found
            .unwrap_or_else(|| panic!("it never got {method}"))
            .clone()
    }

    /// What was declared to it last.
    pub(crate) fn declared(self, world: &World) -> Value {
        self.last(world, "initialize").message()["params"]["capabilities"].clone()
    }

    // --- what it says ---

    /// Its event streams that are open: those for GET, or of changes.
    pub(crate) fn streams(self, world: &mut World) -> Vec<Open> {
        world.rest();
        self.state(world).streams.clone()
    }

    /// A message on its only stream that is open.
    #[track_caller]
    pub(crate) fn says(self, world: &mut World, message: &str) {
        let streams = self.streams(world);
        assert_eq!(streams.len(), 1, "{streams:?}");
        self.says_on(world, streams[0].link, None, message);
    }

    /// A message on a stream, with this id.
    pub(crate) fn says_on(
        self,
        world: &mut World,
        stream: LinkKey,
        id: Option<&str>,
        message: &str,
    ) {
        world.says(stream, &chunk(&event(id, message)), End::Open);
        world.settle();
    }

    /// The stream of a session.
    #[track_caller]
    pub(crate) fn stream_of(self, world: &mut World, session: &str) -> LinkKey {
        let streams = self.streams(world);
        let stream = streams.iter().find(|stream| stream.session == session);
        stream
            .unwrap_or_else(|| panic!("no stream of {session}"))
            .link
    }

    /// A request with this raw id on its only stream.
    #[track_caller]
    pub(crate) fn asks(self, world: &mut World, id: &str, method: &str, params: &str) {
        self.says(world, &request(id, method, params));
    }

    /// It says that a list changed, on all streams.
    #[track_caller]
    pub(crate) fn list_changed(self, world: &mut World, group: &str) {
        let method = format!("notifications/{group}/list_changed");
        self.tells(world, &method, "");
    }

    /// A notification on all streams; `params` are members with a comma behind each.
    #[track_caller]
    pub(crate) fn tells(self, world: &mut World, method: &str, params: &str) {
        let streams = self.streams(world);
        assert!(!streams.is_empty(), "nobody listens");
        for stream in streams {
            let meta = match &stream.listens {
                Some((id, _)) => format!(r#""_meta":{{"{SUBSCRIPTION}":{id}}}"#),
                None => r#""_meta":{}"#.to_owned(),
            };
            let line =
                format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}{meta}}}}}"#);
            self.says_on(world, stream.link, None, &line);
        }
    }

    /// The answer that it got to a request of its own; `None` if there is none yet.
    pub(crate) fn answer_to(self, world: &mut World, id: &str) -> Option<Value> {
        world.rest();
        let wanted: Value = serde_json::from_str(id).unwrap();
        let answers = &mut self.state(world).answers;
        let read = |line: &String| serde_json::from_str::<Value>(line).unwrap();
        let place = answers.iter().position(|line| read(line)["id"] == wanted)?;
        Some(read(&answers.remove(place)))
    }

    /// The result that it got to a request of its own.
    #[track_caller]
    pub(crate) fn granted(self, world: &mut World, id: &str) -> Value {
        let answer = self.answer_to(world, id).expect("no answer yet");
        assert!(answer.get("result").is_some(), "{answer}");
        answer["result"].clone()
    }

    /// The error code that it got to a request of its own.
    #[track_caller]
    pub(crate) fn refused(self, world: &mut World, id: &str) -> i64 {
        let answer = self.answer_to(world, id).expect("no answer yet");
        let code = answer["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("{answer}"))
    }

    // --- what goes wrong ---

    /// New connections fail in this way.
    pub(crate) fn unreachable(self, world: &mut World, fault: OpenFault, why: &str) {
        let why = why.to_owned();
        self.state(world).unreachable = Some(OpenFailure { fault, why });
    }

    /// New connections take for ever to open; the shell stops waiting when it was told to.
    pub(crate) fn hangs(self, world: &mut World) {
        self.state(world).hangs = true;
    }

    /// From now on these requests are treated in this way; the first rule that fits counts.
    pub(crate) fn breaks(self, world: &mut World, of: Of, act: Act) {
        self.state(world).faults.push((of, act));
    }

    /// All faults end.
    pub(crate) fn heals(self, world: &mut World) {
        let site = self.state(world);
        site.faults.clear();
        site.unreachable = None;
        site.hangs = false;
    }

    /// All its connections end in this way.
    pub(crate) fn cuts(self, world: &mut World, end: End) {
        let conns = world.net.conns.iter();
        let open = conns.filter(|(_, conn)| conn.site == self.0 && conn.is_open());
        let open: Vec<LinkKey> = open.map(|(link, _)| *link).collect();
        for link in open {
            world.says(link, b"", end);
        }
        world.settle();
    }

    /// It knows none of its sessions any more.
    pub(crate) fn forgets_sessions(self, world: &mut World) {
        self.state(world).sessions.clear();
    }

    /// It is started again and behaves like this from now on.
    pub(crate) fn restarts(self, world: &mut World, script: Script) {
        self.forgets_sessions(world);
        self.state(world).script = script;
        self.state(world).was_another = true;
        self.cuts(world, End::Reset);
    }
}

fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

impl Asked {
    /// Our id of the request.
    pub(crate) fn id(&self) -> String {
        self.value["id"].to_string()
    }

    /// The session that it belongs to.
    pub(crate) fn session(&self) -> String {
        let session = self.request.field("mcp-session-id");
        session.unwrap_or_default().to_owned()
    }

    /// The result.
    pub(crate) fn result(&self, world: &mut World, result: &str) {
        self.answers(world, &Ok(result.to_owned()));
    }

    /// An error as the answer.
    pub(crate) fn error(&self, world: &mut World, error: &str) {
        self.answers(world, &Err(error.to_owned()));
    }

    fn answers(&self, world: &mut World, answer: &Result<String, String>) {
        let message = answered(&self.value["id"], answer);
        match self.on {
            Some(stream) => world.says(stream, &chunk(&event(None, &message)), End::Open),
            None if world.net.conns[&self.link].begun => world.ends_with(self.link, &message),
            None => world.responds(self.link, &response(200, &[], &message)),
        }
        world.settle();
    }

    /// A whole response.
    pub(crate) fn status(
        &self,
        world: &mut World,
        status: u16,
        fields: &[(&str, &str)],
        body: &str,
    ) {
        world.responds(self.link, &response(status, fields, body));
        world.settle();
    }

    /// The response will be an event stream.
    pub(crate) fn begins(&self, world: &mut World) {
        world.begins(self.link, &[]);
        world.settle();
    }

    /// An event of that stream: a message, or anything.
    pub(crate) fn event(&self, world: &mut World, id: Option<&str>, data: &str) {
        let stream = self.on.unwrap_or(self.link);
        world.says(stream, &chunk(&event(id, data)), End::Open);
        world.settle();
    }

    /// A notification on that stream.
    pub(crate) fn notes(&self, world: &mut World, method: &str, params: &str) {
        let line = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        self.event(world, None, &line);
    }

    /// A request of the server on that stream.
    pub(crate) fn asks(&self, world: &mut World, id: &str, method: &str, params: &str) {
        self.event(world, None, &request(id, method, params));
    }

    /// That stream ends in order, the connection stays.
    pub(crate) fn ends(&self, world: &mut World) {
        world.net.conns.get_mut(&self.link).unwrap().begun = false;
        world.responds(self.link, &chunk(""));
        world.settle();
    }

    /// Bytes as they are.
    pub(crate) fn raw(&self, world: &mut World, bytes: impl AsRef<[u8]>) {
        world.says(self.link, bytes.as_ref(), End::Open);
        world.settle();
    }

    /// The connection is reset.
    pub(crate) fn resets(&self, world: &mut World) {
        world.says(self.link, b"", End::Reset);
        world.settle();
    }

    /// The connection ends in order.
    pub(crate) fn closes(&self, world: &mut World) {
        world.says(self.link, b"", End::Eof);
        world.settle();
    }

    /// Whether the hub closed the connection.
    pub(crate) fn hung_up(&self, world: &mut World) -> bool {
        world.rest();
        world.net.conns[&self.link].hung_up
    }
}
