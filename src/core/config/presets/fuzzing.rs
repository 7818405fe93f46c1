//! What must hold for any bytes as `presets.json`: reading never panics, the same bytes mean the
//! same, and a preset that is written anew means what it meant.

use super::read;
use crate::filter::presets::{strategy, tag_query};
use crate::limits::PRESETS_MAX;

/// Reads any bytes as presets, and writes each of them anew.
pub fn presets(text: &[u8]) {
    let found = read(text);
    assert_eq!(read(text), found);
    let Ok((presets, _)) = found else {
        return;
    };
    assert!(presets.iter().len() <= PRESETS_MAX);
    for (name, preset) in presets.iter() {
        let (query, strategy) = (tag_query(&preset.expr), strategy(&preset.expr));
        let entry = format!(r#"{{"strategy":"{strategy}","tagQuery":{query}}}"#);
        let document = format!(r#"{{"presets":{{"{name}":{entry}}}}}"#);
        // What came out of lists and expressions may have become too deep or too long.
        if let Ok((again, problems)) = read(document.as_bytes())
            && problems.is_empty()
        {
            assert_eq!(again.get(name).map(|it| &it.expr), Some(&preset.expr));
        }
        let none: [String; 0] = [];
        let _admits = preset.expr.admits(&none);
    }
}
