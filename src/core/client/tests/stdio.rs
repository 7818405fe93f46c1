//! Our own stdin and stdout: B1 to B8.

use super::kit::*;
use crate::base::mark::{Mark, must_hit};
use crate::effect::Effect;
use crate::language::{At, ClientEvent};
use crate::limits::{CALLS_PER_CLIENT_MAX, CLIENT_OUTBOX_BYTES_SOFT, LINE_BYTES_MAX};
use crate::links::LinkKey;
use crate::mcp::version::Version;

fn opened(kit: &mut Kit, version: &str) -> LinkKey {
    let link = kit.stdio();
    let told = kit.send(link, initialize(version) + "\n");
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    assert_eq!(kit.take(link), format!("{RESULT}\n"));
    assert_eq!(kit.send(link, format!("{INITIALIZED}\n")).len(), 1);
    link
}

#[test]
fn b1_messages_are_lines_in_and_out() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    let told = kit.send(link, format!("{}\r\n\n{NOTE}\n{ASK}\n", request("1")));
    assert_eq!(told.len(), 3);
    let (client, at, id) = told[0].request();
    assert_eq!(id, "1");
    assert!(matches!(told[1].event, ClientEvent::Notification { .. }));
    kit.note(client, at, NOTE);
    kit.tell(client, NOTE);
    assert!(kit.ask(client, At::MAIN, ASK));
    kit.answer(client, at, RESULT);
    assert_eq!(kit.take(link), format!("{NOTE}\n{NOTE}\n{ASK}\n{RESULT}\n"));
    kit.answer(client, at, RESULT);
    assert_eq!(kit.take(link), "");
}

#[test]
fn b1_lines_may_come_in_two_pieces() {
    let line = format!("{}\n{}\n", initialize("2025-06-18"), request("1"));
    for at in 0..=line.len() {
        let mut kit = Kit::default();
        let link = kit.stdio();
        let mut told = kit.send(link, &line[..at]);
        told.extend(kit.send(link, &line[at..]));
        assert_eq!(told.len(), 2, "{at}");
        assert!(matches!(told[0].event, ClientEvent::Initialize { .. }));
    }
}

#[test]
fn b3_before_initialize_only_ping_is_let_through() {
    let mut kit = Kit::default();
    let link = kit.stdio();
    let told = kit.send(
        link,
        format!("{}\n{NOTE}\n{INITIALIZED}\n{RESULT}\n", request(r#""q""#)),
    );
    assert!(told.is_empty());
    let error = kit.take(link);
    assert!(code(&error) == -32600 && error.contains(r#""id":"q""#));
    let told = kit.send(link, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n");
    let (client, at, _) = told[0].request();
    kit.answer(client, at, RESULT);
    assert!(!kit.ask(client, At::MAIN, ASK));
    assert_eq!(kit.take(link), format!("{RESULT}\n"));
    // A second initialize starts over.
    for version in ["2025-03-26", "2025-11-25"] {
        let told = kit.send(link, initialize(version) + "\n");
        let (client, at, _) = told[0].request();
        assert_eq!(kit.clients.facts(client).unwrap().version.name(), version);
        kit.answer(client, at, RESULT);
    }
}

#[test]
fn a1_what_is_no_message_is_answered_with_what_id_it_has() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    for (line, expected, id) in [
        ("{", -32700, "null"),
        ("garbage", -32700, "null"),
        ("7", -32600, "null"),
        (r#"{"id":4,"method":"x"}"#, -32600, "4"),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            -32600,
            "null",
        ),
        ("[]", -32600, "null"),
    ] {
        assert!(kit.send(link, format!("{line}\n")).is_empty());
        let error = kit.take(link);
        assert_eq!(code(&error), expected, "{line}");
        assert!(error.contains(&format!(r#""id":{id},"#)), "{line}");
    }
    kit.send(link, request("1") + "\n");
    assert!(kit.send(link, request("1") + "\n").is_empty());
    assert_eq!(code(&kit.take(link)), -32600);
}

#[test]
fn b7_at_end_of_input_the_last_line_counts_and_the_end_is_told_once() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    assert!(kit.send(link, request("1")).is_empty());
    let told = kit.eof(link);
    assert_eq!(told.len(), 2);
    let (client, at, _) = told[0].request();
    assert!(matches!(told[1].event, ClientEvent::InputEnded { client: of } if of == client));
    assert!(kit.eof(link).is_empty());
    kit.answer(client, at, RESULT);
    assert_eq!(kit.take(link), format!("{RESULT}\n"));
    // Nobody reads our stdout any more.
    let told = kit.broken(link);
    assert!(matches!(told[0].event, ClientEvent::Gone { .. }));
    assert_eq!(kit.clients.count().sessions, 0);
}

#[test]
fn b8_batches_only_at_2025_03_26() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-03-26");
    let line = format!("[{},{NOTE},{{}},{}]\n", request("1"), request("2"));
    let told = kit.send(link, &line);
    assert_eq!(told.len(), 3);
    assert_eq!(code(&kit.take(link)), -32600);
    let (client, at, _) = told[2].request();
    kit.answer(client, at, RESULT);
    assert_eq!(kit.take(link), format!("{RESULT}\n"));
    let told = kit.send(link, format!("[{NOTE}]\n{}\n", request("3")));
    assert_eq!(told.len(), 2);
    assert!(
        kit.send(link, format!("[{}]\n", initialize("2025-06-18")))
            .is_empty()
    );
    assert_eq!(code(&kit.take(link)), -32600);
    for version in [Version::V2025_06_18, Version::V2025_11_25] {
        let mut kit = Kit::default();
        let link = opened(&mut kit, version.name());
        assert!(kit.send(link, &line).is_empty());
        assert_eq!(code(&kit.take(link)), -32600);
    }
}

#[test]
fn calls_per_client_max_stops_reading_until_some_are_answered() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    let lines: String = (0..CALLS_PER_CLIENT_MAX + 2)
        .map(|id| request(&id.to_string()) + "\n")
        .collect();
    let told = kit.send(link, lines);
    assert_eq!(told.len(), CALLS_PER_CLIENT_MAX);
    let pause = |kit: &mut Kit| match kit.world.effects.pop() {
        Some(Effect::PauseRead { paused, .. }) => Some(paused),
        _ => None,
    };
    assert_eq!(pause(&mut kit), Some(true));
    assert!(kit.eof(link).is_empty());
    for one in &told {
        let (client, at, _) = one.request();
        kit.answer(client, at, RESULT);
    }
    let told = kit.pull();
    assert_eq!(told.len(), 3);
    assert!(matches!(told[2].event, ClientEvent::InputEnded { .. }));
}

#[test]
fn set_busy_stops_reading_our_stdin() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    let (client, ..) = kit.send(link, request("1") + "\n")[0].request();
    kit.clients.set_busy(&mut kit.world.cx(), client, true);
    assert!(kit.send(link, request("2") + "\n").is_empty());
    kit.clients.set_busy(&mut kit.world.cx(), client, false);
    assert_eq!(kit.pull().len(), 1);
    let paused: Vec<Effect> = std::iter::from_fn(|| kit.world.effects.pop()).collect();
    let order = |paused| Effect::PauseRead { link, paused };
    assert_eq!(paused, [order(true), order(false)]);
}

#[test]
fn line_bytes_max_a_longer_line_is_refused_and_the_next_one_read() {
    let _reached = must_hit(Mark::ClientLineTooLong);
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..=LINE_BYTES_MAX / piece.len() {
        assert!(kit.send(link, &piece).is_empty());
    }
    assert_eq!(kit.send(link, format!("\n{}\n", request("1"))).len(), 1);
    assert_eq!(code(&kit.take(link)), -32600);
}

#[test]
fn stdin_is_not_read_while_nobody_reads_stdout() {
    let mut kit = Kit::default();
    let link = opened(&mut kit, "2025-06-18");
    let two = request("1") + "\n" + &request("2") + "\n";
    let told = kit.send(link, two);
    assert_eq!(told.len(), 2);
    let (client, first, _) = told[0].request();
    let (_, second, _) = told[1].request();
    kit.answer(client, first, &" ".repeat(CLIENT_OUTBOX_BYTES_SOFT + 1));
    // Read already, but for later.
    assert!(kit.send(link, request("3") + "\n").is_empty());
    // A reader that reads is served on.
    kit.take_bytes(link);
    assert_eq!(kit.pull().len(), 1);
    // After the end of the input nothing is held back: the process must come to its own.
    kit.answer(client, second, &" ".repeat(CLIENT_OUTBOX_BYTES_SOFT + 1));
    assert!(kit.send(link, request("4") + "\n").is_empty());
    let told = kit.eof(link);
    assert!(matches!(told[0].event, ClientEvent::Request { .. }));
    assert!(matches!(told[1].event, ClientEvent::InputEnded { .. }));
}
