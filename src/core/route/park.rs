//! Calls that wait for their client between two rounds (protocol 3.5).

crate::slab_keys! {
    /// One call that waits for its client between two rounds.
    ParkKey;
}
