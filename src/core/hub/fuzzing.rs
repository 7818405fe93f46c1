//! The whole hub, driven by operations: any bytes are a list of them, and whatever clients,
//! servers, clock and configuration do, what fuzzing/world.rs and fuzzing/peer.rs check must hold.
//! A panic is a finding. Unlike the simulator it has no plan: coverage leads it.

mod peer;
mod remote;
mod stateless;
mod vault;
mod words;
mod world;

use self::peer::{Peer, Role};
use self::world::{STOP_MS_MAX, World};
use crate::input::{ExitStatus, Input};
use crate::links::LinkKey;

/// Operations of one run.
const OPERATIONS_MAX: usize = 400;
/// Longest step of the clock: 2^17 ms, two minutes.
const STEP_EXPONENT_MAX: u8 = 17;

/// The bytes that were not decoded yet; an end without end of zeros.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// A run of bytes as they are.
    fn bytes(&mut self) -> &[u8] {
        let length = usize::from(self.byte() % 64);
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// Runs the operations; the first two bytes are the settings and the first configuration.
pub fn hub(data: &[u8]) {
    let mut choices = Choices(data);
    let settings = choices.byte();
    let first = choices.byte();
    let mut world = World::new(settings);
    world.damage = first / 16;
    world.input(Input::Config(Box::new(words::config(first))));
    if settings & 1 != 0 {
        world.accept(Role::Stdio);
    } else {
        connect(&mut world);
    }
    for _ in 0..OPERATIONS_MAX {
        if choices.0.is_empty() || world.gone {
            break;
        }
        operate(&mut world, &mut choices);
    }
    finish(&mut world, settings);
}

fn operate(world: &mut World, choices: &mut Choices<'_>) {
    let what = choices.byte();
    if what >= 240 {
        return stateless::operate(world, choices, what);
    }
    if what >= 228 {
        return remote::operate(world, choices);
    }
    match what % 24 {
        0 => connect(world),
        1..=4 => client_says(world, choices),
        5 => get(world, choices),
        6 => raw(world, choices, false),
        7 => half_close(world, choices, false),
        8 => break_link(world, choices, false),
        9..=11 => server_answers(world, choices),
        12 => server_speaks(world, choices),
        13 => raw(world, choices, true),
        14 => half_close(world, choices, true),
        15 => break_link(world, choices, true),
        16 => exit(world, choices),
        17 => spawn(world, choices),
        18 => stderr(world, choices),
        19 => {
            let step = choices.byte();
            let ms = 1 << (step % STEP_EXPONENT_MAX.saturating_add(1));
            world.advance(ms, step >= 128);
        }
        20 => {
            let index = link(world, choices.byte(), None);
            if let Some(index) = index {
                world.peers[index].stalled = true;
            }
        }
        21 => {
            let index = link(world, choices.byte(), None);
            let most = choices.byte();
            if let Some(index) = index {
                world.peers[index].stalled = most != 255;
                let most = if most == 255 { usize::MAX } else { most.into() };
                world.take(index, most);
            }
        }
        22 => {
            let choice = choices.byte();
            world.input(Input::Config(Box::new(words::config(choice))));
        }
        _ => match choices.byte() {
            255 => stop(world),
            254 => ask_instance(world, choices),
            choice if choice % 2 == 0 => world.damage = choice / 2,
            _ => world.easy = !world.easy,
        },
    }
}

/// Another connection.
fn connect(world: &mut World) {
    world.accept(Role::Http);
}

/// Somebody asks on our own socket: a question, a piece of one, or anything.
fn ask_instance(world: &mut World, choices: &mut Choices<'_>) {
    let link = world.accept(Role::Instance);
    let choice = choices.byte();
    let bytes = match choice % 4 {
        0 => b"status\n".to_vec(),
        1 => b"status a\nstatus\n".to_vec(),
        2 => b"stat".to_vec(),
        _ => choices.bytes().to_vec(),
    };
    if let Some(index) = world.find(link) {
        world.peers[index].stalled = choice >= 128;
        send(world, index, &bytes);
    }
    if let Some(index) = world.find(link).filter(|_| choice & 64 != 0) {
        world.peers[index].ended = true;
        world.input(Input::Eof { link });
    }
}

/// An open link: of clients, of children, or any.
fn link(world: &World, choice: u8, children: Option<bool>) -> Option<usize> {
    let fits = |peer: &Peer| {
        let asks = matches!(peer.role, Role::Instance | Role::Remote);
        peer.open && children.is_none_or(|wanted| !asks && peer.is_child() == wanted)
    };
    let all = world.peers.iter().enumerate();
    let open: Vec<usize> = all
        .filter(|(_, peer)| fits(peer))
        .map(|(at, _)| at)
        .collect();
    let at = usize::from(choice).checked_rem(open.len())?;
    open.get(at).copied()
}

/// A peer sends bytes, at once or when the hub reads again.
fn send(world: &mut World, index: usize, bytes: &[u8]) {
    let peer = &mut world.peers[index];
    if peer.ended || !peer.open {
        return;
    }
    if let Some(held) = &mut peer.paused {
        held.extend_from_slice(bytes);
        return;
    }
    let link = peer.link;
    world.input(Input::Bytes { link, bytes });
}

/// A client's message on a link, whole or in two pieces or its beginning only.
fn client_says(world: &mut World, choices: &mut Choices<'_>) {
    let Some(index) = link(world, choices.byte(), Some(false)) else {
        return;
    };
    let (what, variant, session) = (choices.byte(), choices.byte(), choices.byte());
    let request = |what: u8, small: u8| {
        let (method, params) = words::request(what, variant);
        let id = world::id(index, small);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    };
    let asked = |world: &World| {
        let newest = world.questions.iter().rev();
        let found = newest.cycle().nth(usize::from(variant / 8 % 4)).cloned();
        found.unwrap_or_else(|| (variant % 4).to_string())
    };
    let messages = match what {
        0..160 => vec![request(what, variant / 64)],
        160..200 => vec![words::client_note(variant, &world::id(index, variant / 8))],
        200..230 => vec![words::reply(variant, &asked(world))],
        _ => vec![
            request(what, 0),
            words::client_note(variant, &world::id(index, 0)),
            request(1, 1),
        ],
    };
    for message in &messages {
        world.owes(message);
    }
    let text = match messages.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(",")),
    };
    let bytes = if world.peers[index].role == Role::Stdio {
        text + "\n"
    } else {
        post(world, session, words::version(variant), &text)
    };
    let cut = choices.byte();
    let (first, rest) = bytes.split_at(bytes.len() * usize::from(cut.min(128)) / 128);
    send(world, index, if cut == 0 { rest } else { first }.as_bytes());
    if cut % 2 == 1 {
        send(world, index, rest.as_bytes());
    }
}

/// A POST to a session, or to nobody's.
fn post(world: &World, session: u8, version: &str, body: &str) -> String {
    let name = |names: &[String]| {
        let at = usize::from(session / 8).checked_rem(names.len())?;
        names.iter().rev().nth(at).cloned()
    };
    let (path, header) = match (session % 8, name(&world.sessions), name(&world.endpoints)) {
        (0..=4, Some(id), _) => ("/mcp".to_owned(), format!("Mcp-Session-Id: {id}\r\n")),
        (5, _, Some(path)) => (path, String::new()),
        (6, ..) => ("/mcp".to_owned(), "Mcp-Session-Id: 0\r\n".to_owned()),
        _ => ("/mcp".to_owned(), String::new()),
    };
    let version = if session >= 128 {
        format!("MCP-Protocol-Version: {version}\r\n")
    } else {
        String::new()
    };
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\n{header}{version}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A client opens a stream, resumes one, ends its session, or looks at a page.
fn get(world: &mut World, choices: &mut Choices<'_>) {
    let (at, what) = (choices.byte(), choices.byte());
    let Some(index) = link(world, at, Some(false)) else {
        return;
    };
    if world.peers[index].role != Role::Http {
        return;
    }
    let known = world.sessions.iter().rev();
    let session = known.cycle().nth(usize::from(what / 8 % 4)).cloned();
    let session = session.map_or(String::new(), |id| format!("Mcp-Session-Id: {id}\r\n"));
    let resume = format!("Last-Event-ID: {}\r\n", world.event);
    let (line, resume) = match what % 8 {
        0 | 1 => ("GET /mcp", ""),
        2 | 3 => ("GET /mcp", resume.as_str()),
        4 => ("DELETE /mcp", ""),
        5 => ("GET /sse", ""),
        6 => ("GET /health", ""),
        _ => ("OPTIONS /mcp", ""),
    };
    let text = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{session}{resume}\r\n"
    );
    world.peers[index].stream |= what % 8 < 4 || what % 8 == 5;
    send(world, index, text.as_bytes());
}

/// Bytes as they are.
fn raw(world: &mut World, choices: &mut Choices<'_>, child: bool) {
    let index = link(world, choices.byte(), Some(child));
    let bytes = choices.bytes().to_vec();
    if let Some(index) = index {
        world.peers[index].wild = true;
        send(world, index, &bytes);
    }
}

fn half_close(world: &mut World, choices: &mut Choices<'_>, child: bool) {
    let Some(index) = link(world, choices.byte(), Some(child)) else {
        return;
    };
    let peer = &mut world.peers[index];
    if !peer.ended && peer.paused.is_none() {
        peer.ended = true;
        let link = peer.link;
        world.stop_with(index);
        world.input(Input::Eof { link });
    }
}

fn break_link(world: &mut World, choices: &mut Choices<'_>, child: bool) {
    if let Some(index) = link(world, choices.byte(), Some(child)) {
        broken(world, index);
    }
}

fn broken(world: &mut World, index: usize) {
    let link: LinkKey = world.peers[index].link;
    world.stop_with(index);
    world.closed(Some(index));
    world.input(Input::Broken { link });
}

/// A child answers the oldest or the newest request that it got: once, twice, or with another id.
fn server_answers(world: &mut World, choices: &mut Choices<'_>) {
    let (at, how, variant) = (choices.byte(), choices.byte(), choices.byte());
    let Some(index) = link(world, at, Some(true)) else {
        return;
    };
    let pending = &mut world.peers[index].pending;
    let last = pending.len().saturating_sub(1);
    let (id, method, _) = match pending.len() {
        0 => ("999".to_owned(), String::new(), String::new()),
        _ => pending.remove(if how % 2 == 0 { 0 } else { last }),
    };
    let scripted = words::by_itself(&method, variant).filter(|_| how % 16 < 12);
    let line = |id: &str| match &scripted {
        Some(result) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n"),
        None => words::outcome(variant, id) + "\n",
    };
    let text = match how / 16 {
        0 => line(&id).repeat(2),
        1 => line("998"),
        2 => line(&format!("\"{id}\"")),
        _ => line(&id),
    };
    send(world, index, text.as_bytes());
}

/// A child says something on its own.
fn server_speaks(world: &mut World, choices: &mut Choices<'_>) {
    let (at, what, variant) = (choices.byte(), choices.byte(), choices.byte());
    let Some(index) = link(world, at, Some(true)) else {
        return;
    };
    let peer = &mut world.peers[index];
    let tokens = peer.pending.iter().map(|(.., token)| token.as_str());
    let token = tokens.rev().find(|token| !token.is_empty()).unwrap_or("9");
    let text = match what % 8 {
        0..=3 => words::server_note(variant, token),
        4..=6 => {
            peer.asked += 1;
            words::question(variant)
        }
        _ => words::garbage(variant).to_owned(),
    };
    send(world, index, (text + "\n").as_bytes());
}

/// A process ends; its pipe may stay open.
fn exit(world: &mut World, choices: &mut Choices<'_>) {
    let choice = choices.byte();
    let Some(at) = usize::from(choice).checked_rem(world.processes.len()) else {
        return;
    };
    let pool = world.processes.remove(at).pool;
    let status = if choice < 128 {
        ExitStatus::Code(choice.into())
    } else {
        ExitStatus::Signal(9)
    };
    world.input(Input::Exited { pool, status });
}

/// What was ordered is started, or cannot be.
fn spawn(world: &mut World, choices: &mut Choices<'_>) {
    let choice = choices.byte();
    let Some(pool) = world.orders.pop_front() else {
        return;
    };
    if choice.is_multiple_of(4) {
        let why = "x: not found".to_owned();
        world.input(Input::SpawnFailed { pool, why });
    } else {
        world.start(pool);
        world.advance(0, true);
    }
}

fn stderr(world: &mut World, choices: &mut Choices<'_>) {
    let choice = choices.byte();
    let bytes = choices.bytes().to_vec();
    if let Some(at) = usize::from(choice).checked_rem(world.processes.len()) {
        let pool = world.processes[at].pool;
        let bytes = &bytes;
        world.input(Input::Stderr { pool, bytes });
    }
}

fn stop(world: &mut World) {
    let at = world.stopped_at.map_or(world.now, |at| at.min(world.now));
    world.stopped_at = Some(at);
    world.input(Input::Stop);
}

/// All clients leave, all servers are taken out of the configuration, a day passes: nothing is
/// left. Then the hub is told to go, and goes.
fn finish(world: &mut World, settings: u8) {
    if settings & 1 == 0 && !world.gone {
        for index in 0..world.peers.len() {
            if world.peers[index].open && !world.peers[index].is_child() {
                broken(world, index);
            }
        }
        world.input(Input::Config(Box::default()));
        while let Some(pool) = world.orders.pop_front() {
            let why = "x: not found".to_owned();
            world.input(Input::SpawnFailed { pool, why });
        }
        world.advance(2 * 86_400_000, false);
        if !world.gone {
            let counts = world.counts();
            let (calls, clients) = (
                counts.calls + counts.suspended,
                counts.sessions + counts.exchanges + counts.remembered,
            );
            assert_eq!((calls, clients), (0, 0), "{counts:?}");
        }
    }
    stop(world);
    world.advance(STOP_MS_MAX, false);
    assert!(world.gone, "it does not leave");
}
