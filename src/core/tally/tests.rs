//! Counting: once each, by names that we know, within bounds.

use super::*;

fn name(text: &str) -> Rc<str> {
    Rc::from(text)
}

fn about(slot: Slot) -> About<'static> {
    About { slot, tool: None }
}

fn one_of(slot: Slot, number: u32, name: &Rc<str>) -> About<'_> {
    About {
        slot,
        tool: Some((number, name)),
    }
}

#[test]
fn contract_5_a_request_is_counted_once_where_it_belongs() {
    let mut tally = Tally::default();
    let slot = tally.server(&name("files"));
    tally.renumber(2);
    let read = name("read");
    let mut account = tally.begin(Tick(10), Method::CallTool, 99);
    assert_eq!((tally.open(), tally.in_flight_elsewhere()), (1, 1));
    tally.concern(&mut account, one_of(slot, 1, &read));
    tally.concern(&mut account, one_of(slot, 1, &read));
    assert_eq!(tally.in_flight_elsewhere(), 0);
    let line = tally.end(Tick(17), account, End::ToolError);
    assert_eq!((line.server, line.tool, line.ms), ("files", "read", 7));
    assert_eq!((line.bytes, line.end), (99, End::ToolError));
    let ping = tally.begin(Tick(17), Method::Ping, 1);
    assert_eq!(tally.end(Tick(17), ping, End::Ok).server, "");
    let server = tally.servers().next().unwrap();
    let tool = server.tools().first().unwrap();
    assert_eq!(
        (tool.name(), tool.each().collect::<Vec<_>>()),
        ("read", vec![(End::ToolError, 1)])
    );
    assert_eq!((server.took.count(), server.took.sum_ms), (1, 7));
    let own: Vec<_> = tally.own().each().collect();
    assert_eq!(own, [(Method::Ping, End::Ok, 1)]);
    assert_eq!((tally.received(), tally.ended(), tally.open()), (2, 2, 0));
}

#[test]
fn contract_5_a_tool_in_no_catalog_has_no_name_of_its_own() {
    let mut tally = Tally::default();
    let slot = tally.server(&name("files"));
    tally.renumber(1);
    let mut account = tally.begin(Tick(0), Method::CallTool, 0);
    tally.concern(&mut account, about(slot));
    assert_eq!(tally.end(Tick(0), account, End::Error).tool, OTHER_TOOL);
    let mut account = tally.begin(Tick(0), Method::CallTool, 0);
    tally.concern(&mut account, one_of(slot, 1, &name("stale")));
    assert_eq!(tally.end(Tick(0), account, End::Error).tool, OTHER_TOOL);
    assert!(tally.servers().all(|server| server.tools().is_empty()));
    assert_eq!(tally.ended(), 2);
}

#[test]
fn metric_tools_max_further_tools_count_without_a_name_and_what_leaves_makes_room() {
    let mut tally = Tally::default();
    let (many, one) = (name("many"), name("one"));
    let (slot, second) = (tally.server(&many), tally.server(&one));
    tally.renumber(METRIC_TOOLS_MAX + 1);
    let call = |tally: &mut Tally, slot, number: usize, tool: &str| {
        let mut account = tally.begin(Tick(0), Method::CallTool, 0);
        let number = u32::try_from(number).unwrap();
        tally.concern(&mut account, one_of(slot, number, &name(tool)));
        tally.end(Tick(0), account, End::Ok).tool.to_owned()
    };
    for number in 0..METRIC_TOOLS_MAX {
        let tool = format!("t{number}");
        assert_eq!(call(&mut tally, slot, number, &tool), tool);
    }
    assert_eq!(call(&mut tally, second, METRIC_TOOLS_MAX, "x"), OTHER_TOOL);
    // A new catalog brings the same names under other numbers.
    tally.renumber(METRIC_TOOLS_MAX + 1);
    assert_eq!(call(&mut tally, slot, 7, "t0"), "t0");
    tally.keep(|name| name == "one");
    assert_eq!(call(&mut tally, second, METRIC_TOOLS_MAX, "x"), "x");
    let calls = METRIC_TOOLS_MAX as u64 + 3;
    assert_eq!((tally.received(), tally.ended()), (calls, calls));
    assert_eq!(tally.forgotten(), METRIC_TOOLS_MAX as u64 + 1);
}

#[test]
fn a_server_that_leaves_takes_its_series_along_but_no_request_is_lost() {
    let mut tally = Tally::default();
    let a = name("a");
    let old = tally.server(&a);
    assert_eq!(tally.server(&a), old);
    let mut done = tally.begin(Tick(0), Method::GetPrompt, 0);
    tally.concern(&mut done, about(old));
    let _ = tally.end(Tick(0), done, End::Ok);
    let mut late = tally.begin(Tick(0), Method::GetPrompt, 0);
    tally.concern(&mut late, about(old));
    tally.keep(|_| false);
    assert_eq!(
        (tally.servers().count(), tally.in_flight_elsewhere()),
        (0, 1)
    );
    // Back again, it begins anew.
    let new = tally.server(&a);
    assert_ne!(new, old);
    tally.restarted(old);
    tally.heard(old, 1);
    let _ = tally.end(Tick(5), late, End::Lost);
    let server = tally.servers().next().unwrap();
    assert_eq!(
        (server.ended(), server.in_flight, server.restarts),
        (0, 0, 0)
    );
    assert_eq!(
        (tally.forgotten(), tally.received(), tally.ended()),
        (2, 2, 2)
    );
}

#[test]
fn a_request_may_turn_to_another_server() {
    let mut tally = Tally::default();
    let (a, b) = (tally.server(&name("a")), tally.server(&name("b")));
    let mut account = tally.begin(Tick(0), Method::ReadResource, 0);
    tally.concern(&mut account, about(a));
    tally.concern(&mut account, about(b));
    let flying: Vec<u64> = tally.servers().map(|server| server.in_flight).collect();
    assert_eq!(flying, [0, 1]);
    assert_eq!(tally.end(Tick(0), account, End::Ok).server, "b");
}

#[test]
fn buckets_hold_what_took_no_longer_than_they_say() {
    let mut tally = Tally::default();
    let slot = tally.server(&name("a"));
    for (ms, end) in [
        (0, End::Ok),
        (5, End::Ok),
        (6, End::Timeout),
        (60_000, End::Ok),
        (60_001, End::Cancelled),
        (3, End::Refused),
    ] {
        let mut account = tally.begin(Tick(0), Method::CallTool, 0);
        tally.concern(&mut account, about(slot));
        let _ = tally.end(Tick(ms), account, end);
    }
    let took = tally.servers().next().unwrap().took;
    let up_to: Vec<(u64, u64)> = took.up_to().collect();
    assert_eq!(up_to[..3], [(5, 2), (10, 3), (25, 3)]);
    assert_eq!((up_to.last(), took.count()), (Some(&(60_000, 4)), 5));
    assert_eq!(took.sum_ms, 120_012);
}

#[test]
fn every_method_is_found_by_its_name_and_no_other() {
    for method in Method::ALL {
        assert_eq!(Method::of(method.label()), *method);
    }
    for name in ["", "Tools/call", "tools/call ", "evil{}", "other"] {
        assert_eq!(Method::of(name), Method::Other, "{name}");
    }
}
