//! States, numbers and times in words.

use crate::instance::survey::State;
use crate::web::pages::dashboard::ServerCard;

/// How a server is doing, as its owner is told.
impl State {
    /// In words for people.
    pub(super) fn words(self) -> String {
        match self {
            Self::Ready => "Ready".to_owned(),
            Self::Starting => "Starting".to_owned(),
            Self::Waiting => "Waits for a client".to_owned(),
            Self::Restarting { in_ms } if in_ms < 1_000 => "Trying again now".to_owned(),
            Self::Restarting { in_ms } => format!("Next try in {}", duration(in_ms)),
            Self::Awaiting => "Needs authorization".to_owned(),
            Self::Failed => "Given up".to_owned(),
            Self::Fault => "Wrong configuration".to_owned(),
            Self::Stopping => "Stopping".to_owned(),
            Self::Disabled => "Switched off".to_owned(),
            Self::Unselected => "Not selected".to_owned(),
        }
    }

    /// The class that gives it its colour; the words say the same.
    pub(super) const fn tone(self) -> &'static str {
        match self {
            Self::Ready => "good",
            Self::Restarting { .. } | Self::Awaiting => "warn",
            Self::Failed | Self::Fault => "bad",
            Self::Starting | Self::Waiting | Self::Stopping | Self::Disabled | Self::Unselected => {
                "calm"
            }
        }
    }

    /// Whether it is meant to serve at all.
    const fn counts(self) -> bool {
        !matches!(self, Self::Disabled | Self::Unselected)
    }
}

/// A number of things.
pub(super) fn count(number: usize, thing: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// A time as people say it: at most two units, and no seconds once there are hours.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) if minutes % 60 == 0 => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (_, _, _) if hours % 24 == 0 => format!("{days} d"),
        (_, _, _) => format!("{days} d {} h", hours % 24),
    }
}

/// How all of them are doing: what a screen reader says when it changes.
pub(super) fn summary(servers: &[ServerCard]) -> String {
    let counted: Vec<State> = servers
        .iter()
        .map(|server| server.state)
        .filter(|state| state.counts())
        .collect();
    let number = |is: fn(&State) -> bool| counted.iter().filter(|state| is(state)).count();
    if counted.is_empty() {
        return "No servers yet. Add one with: 1mcp mcp add".to_owned();
    }
    let ready = number(|state| *state == State::Ready);
    let awaiting = number(|state| *state == State::Awaiting);
    let failed = number(|state| state.tone() == "bad");
    let mut text = if ready == counted.len() {
        match ready {
            1 => "The server is ready.".to_owned(),
            _ => format!("All {ready} servers are ready."),
        }
    } else {
        format!("{ready} of {} ready.", count(counted.len(), "server"))
    };
    match awaiting {
        0 => {}
        1 => text.push_str(" 1 needs authorization."),
        _ => text.push_str(&format!(" {awaiting} need authorization.")),
    }
    match failed {
        0 => {}
        1 => text.push_str(" 1 has failed."),
        _ => text.push_str(&format!(" {failed} have failed.")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        for (ms, text) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_000, "59 min"),
            (3_600_000, "1 h"),
            (3_660_000, "1 h 1 min"),
            (86_400_000, "1 d"),
            (90_000_000, "1 d 1 h"),
            (u64::MAX, "213503982334 d 14 h"),
        ] {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn the_summary_tells_what_there_is_to_do() {
        use State::{Awaiting, Disabled, Failed, Fault, Ready, Restarting, Starting};
        let told = |states: &[State]| {
            let cards = states.iter().map(|state| ServerCard::new("s", *state));
            summary(&cards.collect::<Vec<_>>())
        };
        for (states, text) in [
            (&[][..], "No servers yet. Add one with: 1mcp mcp add"),
            (&[Disabled], "No servers yet. Add one with: 1mcp mcp add"),
            (&[Ready], "The server is ready."),
            (&[Ready, Ready, Disabled], "All 2 servers are ready."),
            (&[Starting], "0 of 1 server ready."),
            (
                &[Ready, Awaiting, Restarting { in_ms: 1 }],
                "1 of 3 servers ready. 1 needs authorization.",
            ),
            (
                &[Awaiting, Awaiting, Fault, Failed],
                "0 of 4 servers ready. 2 need authorization. 2 have failed.",
            ),
            (&[Failed], "0 of 1 server ready. 1 has failed."),
        ] {
            assert_eq!(told(states), text);
        }
    }
}
