//! Whole exchanges, told as stories.

mod bounds;
mod failing;
mod giving_up;
mod keeping;
mod redirecting;
mod storm;
mod streaming;
mod talking;

use super::testkit::*;
use super::*;
use crate::cx::Alarm;
use crate::effect::Effect;
use crate::http1::fuzzing::splits;
use crate::http1::head::Method;
use crate::links::LinkKey;

/// A world with a first exchange under way on a fresh connection, its request sent.
fn asking(order: Order) -> (World, FetchKey, LinkKey) {
    let mut world = World::default();
    let key = world.ask(1, order);
    let link = world.open();
    let _request = world.sent(link);
    (world, key, link)
}

/// A world with an idle connection to `http://a`.
fn idle() -> (World, LinkKey) {
    let (mut world, _, link) = asking(post("http://a/"));
    world.feed(link, response(200, ""));
    assert_eq!(world.news(), ["1 head 200", "1 end "]);
    assert_eq!((world.fetcher.count(), world.fetcher.connections()), (0, 1));
    (world, link)
}
