//! Operations of servers that somebody else runs: connections that open or do not, and what comes
//! on them.

use crate::hub::fuzzing::peer::{Peer, Role};
use crate::hub::fuzzing::world::World;
use crate::hub::fuzzing::{Choices, broken, send, words};
use crate::input::{Input, OpenFailure, OpenFault};

const FAULTS: [OpenFault; 4] = [
    OpenFault::Refused,
    OpenFault::Certificate,
    OpenFault::TimedOut,
    OpenFault::Lookup,
];

/// One of them.
pub(super) fn operate(world: &mut World, choices: &mut Choices<'_>) {
    let (what, at) = (choices.byte(), choices.byte());
    match what % 8 {
        0 => {
            if let Some(dial) = world.dials.pop_front() {
                world.connect(dial);
                world.advance(0, true);
            }
        }
        1 => {
            if let Some(dial) = world.dials.pop_front() {
                let fault = FAULTS[usize::from(at) % FAULTS.len()];
                let why = "cannot connect to far.test".to_owned();
                let failure = OpenFailure { fault, why };
                world.input(Input::OpenFailed { dial, failure });
            }
        }
        2..=5 => responds(world, at, choices),
        6 => {
            let bytes = choices.bytes().to_vec();
            if let Some(index) = far(world, at) {
                send(world, index, &bytes);
            }
        }
        _ => {
            if let Some(index) = far(world, at) {
                broken(world, index);
            }
        }
    }
}

/// An open connection to a server.
fn far(world: &World, choice: u8) -> Option<usize> {
    let fits = |peer: &Peer| peer.open && peer.role == Role::Remote;
    let all = world.peers.iter().enumerate();
    let open: Vec<usize> = all
        .filter(|(_, peer)| fits(peer))
        .map(|(at, _)| at)
        .collect();
    let at = usize::from(choice).checked_rem(open.len())?;
    open.get(at).copied()
}

/// The oldest request is answered, in some way.
fn responds(world: &mut World, at: u8, choices: &mut Choices<'_>) {
    let (how, variant) = (choices.byte(), choices.byte());
    let Some(index) = far(world, at) else { return };
    let pending = &mut world.peers[index].pending;
    let (id, method, _) = match pending.is_empty() {
        true => ("999".to_owned(), String::new(), String::new()),
        false => pending.remove(0),
    };
    let scripted = words::by_itself(&method, variant).filter(|_| variant < 192);
    let message = match scripted {
        Some(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        None if variant % 4 == 3 => words::question(variant),
        None => words::outcome(variant, &id),
    };
    let text = words::response(how, &message);
    send(world, index, text.as_bytes());
}
