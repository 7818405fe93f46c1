//! Every page with everything that may be on it.
