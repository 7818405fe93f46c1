//! What the fuzzer promises of expressions and queries.

use crate::filter::query::Fault;
use crate::filter::{Expr, Wish};
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

/// A query asks for something or is refused by a parameter that stands in it; what else stands
/// there changes nothing.
///
/// # Panics
/// If a promise is broken.
pub fn filter_query(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let read = Wish::read(Some(query));
    assert_eq!(
        Wish::read(Some(&format!("x=%zz&{query}&y+"))),
        read,
        "{query:?}"
    );
    match &read {
        Ok(Wish::All) => {
            let more = format!("{query}&filter=a%2B-b");
            let both = Expr::parse("a and not b")
                .map(|expr| Wish::By(expr.into()))
                .ok();
            assert_eq!(Wish::read(Some(&more)).ok(), both, "{query:?}");
        }
        Ok(Wish::By(expr)) => {
            let _ = expr.admits(&["web".to_owned()]);
        }
        Ok(Wish::Preset(name)) => assert_eq!(name.trim(), &**name),
        Err(Fault::Bad(_, misread)) => {
            assert!(
                (1..=query.chars().count() + 1).contains(&misread.position),
                "{misread}"
            );
        }
        Err(fault @ (Fault::Two(..) | Fault::NoPreset(_))) => {
            assert!(!fault.to_string().is_empty());
        }
    }
    if read != Ok(Wish::All) {
        let two = Wish::read(Some(&format!("{query}&tags=a")));
        assert!(matches!(two, Err(Fault::Two(..))), "{query:?}");
    }
}
