//! Servers that do not do as they should.

use super::*;

#[test]
fn a_server_that_cannot_be_reached_is_down_with_the_reason_and_tried_again() {
    let mut bench = Bench::new();
    bench.refuses = true;
    let pool = bench.start(remote(RemoteKind::Http));
    assert_eq!(bench.events(), ["Down 0"]);
    assert_eq!(bench.why(pool), "nobody listens at mcp.test:80");
    bench.refuses = false;
    bench.pass(2_000);
    let asked = bench.one("server/discover");
    bench.json(&asked, DISCOVERED);
    assert_eq!(bench.events(), ["Ready 0"]);
}

#[test]
fn calls_are_lost_with_a_sentence_and_the_session_goes_on() {
    let html = ("content-type", "text/html");
    let table: [Row<'_>; 9] = [
        (
            200,
            &[html],
            "<p>",
            "answered with text/html instead of a JSON-RPC message; look at \"url\"",
        ),
        (
            200,
            &[JSON],
            "{nonsense",
            "answered with something that is no response: \"{nonsense\"",
        ),
        (200, &[JSON], "", "answered with status 200 and no response"),
        (202, &[], "", "answered with status 202 and no response"),
        (500, &[html], "<h1>x", "answered with status 500"),
        (
            500,
            &[],
            "it broke on s3cret-key",
            "answered with status 500: \"it broke on ***\"",
        ),
        (
            401,
            &[],
            "",
            "wants authorization (status 401): put an \"Authorization\" header into \"headers\" of its entry",
        ),
        (404, &[], "", "answered with status 404; look at \"url\""),
        (
            500,
            &[JSON],
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"m\"}}",
            "answered with status 500: \"m\"",
        ),
    ];
    for (status, fields, body, why) in table {
        let mut bench = Bench::new();
        let pool = bench.legacy(None);
        bench.call(pool, 1);
        let call = bench.one("tools/call");
        bench.respond(&call, status, fields, body);
        assert_eq!(bench.events(), [lost(1, why)]);
        assert_eq!(bench.state(pool), PoolState::Ready);
        bench.call(pool, 2);
        let call = bench.one("tools/call");
        bench.json(&call, &answer(2));
        assert_eq!(bench.events(), [response(pool, 2)]);
    }
}
