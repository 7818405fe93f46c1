//! The marks of OAuth, which stand behind those of `list`.

/// Calls a macro with what is given and the marks of this file.
macro_rules! with_oauth {
    ($then:ident; $($before:tt)*) => {
        $then! {
            $($before)*

            // --- the front door ---

            /// A token that was checked before was seen again.
            TokenKnown = "tokens are looked for by ordinary tests",
            /// The newest token of a grant ended, and its streams with it.
            GrantTokensOver = "tokens are looked for by ordinary tests",
            /// Something was open for a grant when it was revoked.
            GrantRevoked = "tokens are looked for by ordinary tests",
            /// A grant had all its sessions, and the one unused for longest ended.
            GrantMakesRoom = "tokens are looked for by ordinary tests",
            /// A grant had all its sessions, and uses them.
            GrantSessionsFull = "tokens are looked for by ordinary tests",
            /// A grant had all its subscriptions.
            GrantListensFull = "tokens are looked for by ordinary tests",
            /// A body that is not small comes, from somebody who may send it.
            BodyLarge = "ordinary tests send more than 64 KiB",
            /// All large bodies together are as long as they may be.
            LargeBodiesFull = "256 MiB for one seed",

            // --- whom others may make us ask ---

            /// Somebody else chose a host that is plainly none of the public internet.
            FetchPrivate = "an ordinary test names such a host",
            /// An errand's answer was longer than it may be.
            ErrandTooLong = "an ordinary test answers at such length",
            // --- what a token shows ---

            /// Something was used that the token does not show.
            ScopeTooLittle = "tokens are looked for by ordinary tests",
            /// A client came with a token that shows more or less than the one before.
            SightChanges = "tokens are looked for by ordinary tests",
            /// A client lost sight of a server that it had a session of its own with.
            HiddenSessionEnds = "tokens are looked for by ordinary tests",
            /// A client lost sight of a server whose resources it listened to.
            HiddenSubscriptionEnds = "tokens are looked for by ordinary tests",

            // --- the port for browsers ---

            /// Somebody wanted more of it than there is.
            StrangeAtBrowsersPort = "an ordinary test knocks at every path",

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
