//! How the list of marks becomes their type; the list itself is in `list`.

/// Declares the marks; a text behind a name excuses the simulator from it.
macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident $(= $excuse:literal)?,)*) => {
        /// A rare branch of the core.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mark { $($(#[$doc])* $name,)* }

        impl Mark {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Why the simulator need not reach it.
            #[must_use]
            pub fn excuse(self) -> Option<&'static str> {
                let excuses: &[&'static str] = match self {
                    $(Self::$name => &[$($excuse)?],)*
                };
                excuses.first().copied()
            }
        }
    };
}
