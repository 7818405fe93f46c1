//! State, secrets and the loopback port, ordered by a core.

use super::*;
use onemcp::effect::RecordTicket;

#[test]
fn orders_about_secrets_are_answered_and_a_loopback_port_is_opened_and_closed() {
    let name = || "x.json".to_owned();
    let ticket = RecordTicket::Server(7);
    let mut harness = Harness::new(move |input, _, out| match input {
        Input::Stop => {
            out.push(Effect::LockRecord {
                ticket,
                name: name(),
            });
            out.push(Effect::ListenLocal { port: 0 });
        }
        Input::RecordLocked { .. } => out.push(Effect::StoreRecord {
            ticket,
            bytes: b"{}".to_vec(),
        }),
        Input::RecordStored { done, .. } => assert_eq!(*done, Ok(())),
        _ => {}
    });
    harness.looped.open_vault();
    harness.looped.dispatch(Input::Stop);
    harness.until("stored Server(7)");
    let address = harness.looped.local_address().unwrap();
    let _client = TcpStream::connect(address).unwrap();
    harness.until("accepted browser 0");
    harness.looped.effects.push(Effect::UnlistenLocal);
    harness.looped.obey();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn state_is_answered_at_once_and_a_deadline_is_a_tick() {
    let mut harness = Harness::new(|input, _, out| match input {
        Input::Config(_) => {
            let (name, bytes) = ("a".to_owned(), b"x".to_vec());
            out.push(Effect::LoadState { name: "b".into() });
            out.push(Effect::StoreState { name, bytes });
            out.push(Effect::LoadState { name: "a".into() });
        }
        Input::Tick => out.push(Effect::Exit { code: 5 }),
        _ => {}
    });
    harness.looped.configure(Box::default());
    *harness.deadline.borrow_mut() = Some(harness.looped.clock.tick().after(2));
    assert_eq!(harness.looped.run(), 5);
    assert_eq!(
        harness.seen.take(),
        ["config", "state b false", "state a true", "tick"]
    );
}
