//! Waiting for events: by sleeping, or for a moment by looking again and again.
//!
//! A process that sleeps is woken some 20 us after the event it waits for, and a call that goes
//! from a client through us to a server and back has two such pauses. While messages go back and
//! forth one at a time and each comes soon, we look for the next one before we lie down. Whoever
//! shares our processor goes first (`yield`), and the first wait that was in vain is the last.
//! An idle process, slow servers and many calls at once are not affected: all of them sleep.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

/// How long one wait looks before it sleeps.
const LOOK: Duration = Duration::from_micros(100);
/// A wait that ended within this time was a short one: a little more than a sleep and a wake-up.
const SHORT: Duration = Duration::from_micros(150);

/// What the last turns were like.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    /// Pieces of work in this turn: events that came and links that were written.
    work: usize,
    /// The last wait of a back and forth was short.
    short: bool,
}

/// How the next wait is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Asleep, however long.
    Sleep,
    /// Asleep; how long it takes says whether the next one looks.
    Measure,
    /// Awake for a moment, then asleep.
    Look,
}

impl Waiter {
    /// One link was written.
    pub(crate) const fn wrote(&mut self) {
        self.work = self.work.saturating_add(1);
    }

    /// Waits until there are events or the time is up; `None` = for as long as it takes.
    pub(crate) fn wait(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        time: Option<Duration>,
    ) -> io::Result<()> {
        let way = self.way(time);
        let done = match way {
            Way::Sleep => poll.poll(events, time),
            Way::Measure | Way::Look => {
                let began = Instant::now();
                let done = if way == Way::Look {
                    look(poll, events, began, time)
                } else {
                    poll.poll(events, time)
                };
                self.short = began.elapsed() < SHORT;
                done
            }
        };
        self.work = events.iter().count();
        done
    }

    fn way(&self, time: Option<Duration>) -> Way {
        // One message came and one went, and nothing is left to be done.
        if self.work != 2 || time == Some(Duration::ZERO) {
            Way::Sleep
        } else if self.short {
            Way::Look
        } else {
            Way::Measure
        }
    }
}

/// Returns without events when the time is up, as a sleep does.
fn look(
    poll: &mut Poll,
    events: &mut Events,
    began: Instant,
    time: Option<Duration>,
) -> io::Result<()> {
    while began.elapsed() < LOOK {
        poll.poll(events, Some(Duration::ZERO))?;
        if !events.is_empty() {
            return Ok(());
        }
        thread::yield_now();
    }
    poll.poll(events, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_quick_back_and_forth_of_one_message_is_waited_for_awake() {
        let mut waiter = Waiter::default();
        assert_eq!(waiter.way(None), Way::Sleep);
        waiter.short = true;
        for (work, way) in [
            (0, Way::Sleep),
            (1, Way::Sleep),
            (2, Way::Look),
            (3, Way::Sleep),
        ] {
            waiter.work = work;
            assert_eq!(waiter.way(None), way, "{work}");
        }
        waiter.work = 2;
        assert_eq!(waiter.way(Some(Duration::ZERO)), Way::Sleep);
        waiter.short = false;
        assert_eq!(waiter.way(None), Way::Measure);
    }

    #[test]
    fn a_wait_in_vain_ends_when_its_time_is_up_and_is_the_last_one_awake() {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(1);
        let mut waiter = Waiter {
            work: 2,
            short: true,
        };
        let time = Some(Duration::from_millis(1));
        waiter.wait(&mut poll, &mut events, time).unwrap();
        assert!(events.is_empty());
        assert_eq!((waiter.work, waiter.short), (0, false));
    }
}
