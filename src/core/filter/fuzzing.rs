//! What the fuzzer promises of expressions and queries.

use crate::filter::Expr;
use crate::limits::FILTER_BYTES_MAX;

/// An expression that is read reads back as the same once it is written; one that is not is shown
/// by a position inside.
///
/// # Panics
/// If a promise is broken.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Expr::parse(text) {
        Ok(expr) => {
            let _ = expr.admits(&["web".to_owned(), "DB".to_owned(), "\u{e9}".to_owned()]);
            let written = expr.to_string();
            // In words it can be longer than what is read.
            if written.len() <= FILTER_BYTES_MAX {
                assert_eq!(Expr::parse(&written), Ok(expr), "{text:?} is {written:?}");
            }
        }
        Err(misread) => {
            let behind = text.chars().count() + 1;
            assert!((1..=behind).contains(&misread.position), "{misread}");
        }
    }
}
