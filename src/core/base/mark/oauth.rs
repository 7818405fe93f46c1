//! The marks of OAuth, which stand behind those of `list`.

/// Calls a macro with what is given and the marks of this file.
macro_rules! with_oauth {
    ($then:ident; $($before:tt)*) => {
        $then! {
            $($before)*

            // --- the front door ---

            /// A token that was checked before was seen again.
            TokenKnown = "tokens are looked for by ordinary tests",

            // --- whom others may make us ask ---

            /// Somebody else chose a host that is plainly none of the public internet.
            FetchPrivate = "an ordinary test names such a host",
            /// An errand's answer was longer than it may be.
            ErrandTooLong = "an ordinary test answers at such length",
        }
    };
}
