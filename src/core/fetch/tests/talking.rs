//! Exchanges that go well.

use super::*;

#[test]
fn one_exchange_whatever_the_split() {
    let text = response(200, "hello");
    for pieces in crate::http1::fuzzing::splits(text.as_bytes()) {
        let mut world = World::default();
        world.ask(1, post("http://a/mcp?q"));
        assert_eq!(world.dials[0].1.host.to_string(), "a");
        let link = world.open();
        assert_eq!(
            world.sent(link),
            "POST /mcp?q HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\nAccept: text/plain\r\n\
             Authorization: s3cret\r\nUser-Agent: 1mcp/0.1.0\r\nContent-Length: 2\r\n\r\n{}"
        );
        let mut news = Vec::new();
        for piece in pieces {
            world.feed(link, piece);
            news.extend(world.news());
        }
        assert_eq!(news, ["1 head 200", "1 end hello"]);
        assert_eq!((world.fetcher.count(), world.fetcher.connections()), (0, 1));
        world.assert_nothing_left();
    }
}
