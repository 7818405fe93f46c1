//! The revisions of the protocol (protocol.md 1), oldest first so that they compare.

/// A revision: four with `initialize` and sessions, and one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: no batches, elicitation, structured output.
    V2025_06_18,
    /// 2025-11-25: priming events, url elicitation, tasks.
    V2025_11_25,
    /// 2026-07-28: each request describes itself, no `initialize`, no sessions.
    V2026_07_28,
}

impl Version {
    /// The newest revision with sessions.
    pub const LATEST: Self = Self::V2025_11_25;
    /// The revision without sessions.
    pub const MODERN: Self = Self::V2026_07_28;
    /// All with sessions, oldest first.
    pub const ALL: [Self; 4] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
    ];

    /// The revision with sessions of this name.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.name().as_bytes() == text)
    }

    /// The revision of this name, with sessions or without.
    #[must_use]
    pub fn named(text: &[u8]) -> Option<Self> {
        if text == Self::MODERN.name().as_bytes() {
            return Some(Self::MODERN);
        }
        Self::parse(text)
    }

    /// What a server answers to a client that asks for `requested` (B4, F4): the same if it is
    /// known, else the newest.
    #[must_use]
    pub fn negotiate(requested: &[u8]) -> Self {
        Self::parse(requested).unwrap_or(Self::LATEST)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether each request stands for itself.
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// All revisions that a client can speak to us, newest first, as a JSON array (D2).
    #[must_use]
    pub fn supported() -> String {
        let sessions = Self::ALL.into_iter().rev();
        let all = std::iter::once(Self::MODERN).chain(sessions);
        let names: Vec<String> = all
            .map(|version| format!("\"{}\"", version.name()))
            .collect();
        format!("[{}]", names.join(","))
    }
}

/// Which dialect is spoken with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Era {
    /// Found out at the handshake.
    #[default]
    Auto,
    /// `initialize` and sessions.
    Legacy,
    /// 2026-07-28 and later.
    Modern,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b4_a_known_version_is_echoed_an_unknown_one_gets_the_newest() {
        for version in Version::ALL {
            assert_eq!(Version::negotiate(version.name().as_bytes()), version);
        }
        assert_eq!(Version::negotiate(b"2019-01-01"), Version::V2025_11_25);
        assert_eq!(Version::parse(b"2026-07-28"), None);
        assert_eq!(Version::named(b"2026-07-28"), Some(Version::MODERN));
        assert_eq!(Version::named(b"2025-11-25"), Some(Version::LATEST));
        assert_eq!(Version::named(b"2027-01-01"), None);
    }
}
