//! The levels of log messages (RFC 5424) as MCP names them.

/// All of them, most verbose first.
pub const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The place of a level: 0 is the most verbose one.
#[must_use]
pub fn level(name: &str) -> Option<u8> {
    LEVELS
        .iter()
        .zip(0u8..)
        .find(|(known, _)| **known == name)
        .map(|(_, level)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c14_levels_have_the_names_of_mcp_and_an_order() {
        assert_eq!(
            (level("debug"), level("emergency"), level("loud")),
            (Some(0), Some(7), None)
        );
        assert!(level("warning") < level("error"));
    }
}
