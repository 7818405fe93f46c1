//! The marks of OAuth, which stand behind those of `list`.

/// Calls a macro with what is given and the marks of this file.
macro_rules! with_oauth {
    ($then:ident; $($before:tt)*) => {
        $then! {
            $($before)*

            // --- the front door ---

            /// A token that was checked before was seen again.
            TokenKnown = "tokens are looked for by ordinary tests",

            // --- protected servers ---

            /// A call that was refused was sent once more with another token.
            CallAuthorized = "no simulated server wants a token",
            /// A client that can open pages was handed ours.
            PageHanded = "no simulated server wants a token",
            /// A session waits for its owner to authorize us.
            AwaitsOwner = "no simulated server wants a token",
            /// No other token came for a call in time.
            TokenLate = "no simulated server wants a token",
        }
    };
}
