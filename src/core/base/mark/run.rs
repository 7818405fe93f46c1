//! The marks of filters, restarts and the way out, which stand behind those of `oauth`.

/// Calls a macro with what is given and the marks of this file.
macro_rules! with_run {
    ($then:ident; $($before:tt)*) => {
        $then! {
            $($before)*

            // --- filters and presets ---

            // --- sessions that outlive a restart ---

            // --- the way out ---

            // --- what is counted ---
        }
    };
}
