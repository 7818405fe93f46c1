//! The marks of filters, restarts and the way out, which stand behind those of `oauth`.

/// Calls a macro with what is given and the marks of this file.
macro_rules! with_run {
    ($then:ident; $($before:tt)*) => {
        $then! {
            $($before)*

            // --- filters and presets ---
            /// The query of a URL was refused.
            FilterRefused = "the simulator's clients ask for what can be read",
            /// More queries came than are kept.
            FiltersKnownFull = "the simulator has few queries",
            /// A client asks for a preset that was deleted while its session was open.
            PresetGone = "the simulated presets stay",

            /// Something was used that the client itself leaves out.
            LeftOutIsUsed,

            // --- sessions that outlive a restart ---
            /// A session that another run opened goes on here.
            SessionRestored = "restarts are looked for by stories of their own",
            /// A session of another run was ended without being used here.
            SessionEndedUnopened = "restarts are looked for by stories of their own",
            /// Somebody else has ended a session that is open here.
            SessionEndedElsewhere = "restarts are looked for by stories of their own",
            /// The disk is too slow for who ends a session.
            SessionEndImpatient = "no disk of the simulator is so slow",
            /// The record of sessions says that we are alive.
            SessionsAlive = "an hour for one seed",
            /// The record of sessions cannot be written.
            SessionsUnsaved,

            // --- the way out ---

            /// Told to stop, and all who waited got their answers.
            DrainsWithAnswers,
            /// Told to stop, and some waited for too long.
            DrainsWithoutAnswers = "an ordinary test waits that long",
            /// Told to stop twice.
            StopHurried = "ordinary tests stop twice",
            /// A request was open on which the hall had not said the last word.
            StopAnswersRequest = "an ordinary test has clients without a hall",
            /// A part of a request was here when we left, or a page was being made.
            StopRefusesPart = "an ordinary test sends a part of a request",
            /// A connection on which nothing was going on was told that it ends.
            StopEndsIdle,

            // --- what is counted ---
        }
    };
}
