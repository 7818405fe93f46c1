//! Presets: filters with a name, as they stand in `presets.json`.

use std::collections::BTreeMap;

use super::Expr;

/// What `presets.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presets(BTreeMap<Box<str>, Preset>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What it is for.
    pub description: Option<String>,
    /// What its strategy and its query mean.
    pub expr: Expr,
}

impl Presets {
    /// The preset of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Preset> {
        self.0.get(name)
    }
}
