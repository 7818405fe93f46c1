//! What must hold for any bytes of other people's: [`challenge`] and [`document`] are fuzz targets
//! of fuzz/ and panic when that is broken.

use std::rc::Rc;

use crate::base::url::Url;
use crate::limits::{CREDENTIAL_BYTES_MAX, REMARK_CHARS_MAX};
use crate::oauth::client::challenge::bearer;
use crate::oauth::client::discovery::{Came, Discovery, Next};
use crate::oauth::client::documents::{self, Refused};
use crate::oauth::client::ground::is_local;

/// Values of `WWW-Authenticate`, one on each line: what stands behind a comma or in a field of its
/// own is the same.
pub fn challenge(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let fields: Vec<String> = text.lines().map(str::to_owned).collect();
    let apart = bearer(&fields);
    let length: usize = fields.iter().map(String::len).sum();
    if let Some(bearer) = &apart {
        let parts = [&bearer.resource_metadata, &bearer.scope, &bearer.error];
        let found: usize = parts.into_iter().flatten().map(String::len).sum();
        assert!(found <= length, "more was read than there is");
        let named = text.to_ascii_lowercase();
        assert!(named.contains("bearer"), "nobody spoke of it");
    }
    if let [one] = &*fields {
        assert_eq!(
            bearer(&[format!("Basic, {one}")]).is_some(),
            apart.is_some()
        );
    }
}

/// A document as each of its kinds, and all documents of a search.
pub fn document(data: &[u8]) {
    if let Ok(granted) = documents::granted(200, data) {
        let access = granted.access.reveal();
        assert!(!access.is_empty() && access.len() <= CREDENTIAL_BYTES_MAX);
        assert!(access.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Err(Refused::Said { code, text }) = documents::granted(400, data) {
        assert!(
            code.chars().count() <= REMARK_CHARS_MAX && text.chars().count() <= REMARK_CHARS_MAX
        );
        assert!(!code.chars().chain(text.chars()).any(char::is_control));
    }
    if let Ok(registered) = documents::registered(201, data) {
        assert!(!registered.id.is_empty());
    }
    let Ok(server) = Url::parse("https://m.example/mcp") else {
        return;
    };
    let (mut discovery, mut next) = Discovery::begin(&Rc::new(server), None, None);
    for _ in 0..16 {
        match next {
            Next::Get(url) => {
                assert!(!is_local(&url.origin().host), "{url}");
                next = discovery.came(&Came::Answer(200, data));
            }
            Next::Found(found) => {
                for url in [&found.authorize, &found.token] {
                    assert!(!is_local(&url.origin().host), "{url}");
                }
                return;
            }
            Next::Abort(why) => {
                assert!(!why.is_empty());
                return;
            }
        }
    }
    unreachable!("a search has an end");
}
