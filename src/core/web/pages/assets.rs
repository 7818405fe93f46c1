//! The stylesheet and the script. Their URLs carry a hash of what is in them, so that browsers may
//! keep them for good.

use crate::base::html::{Html, Template};
use crate::http1::server::Request;
use crate::web::answer::Answer;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");
const ICON: &str = include_str!("icon.svg");
const STYLE_VERSION: u32 = version(STYLE);
const SCRIPT_VERSION: u32 = version(SCRIPT);
const ICON_VERSION: u32 = version(ICON);

/// FNV-1a: it tells versions apart, not friend from foe.
const fn version(text: &str) -> u32 {
    let mut rest = text.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    while let [byte, behind @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = behind;
    }
    hash
}

/// The URL of the stylesheet.
pub(super) fn style() -> Html {
    Html::value(&format!("/style.css?v={STYLE_VERSION:08x}"))
}

/// The element that fetches the script.
pub(super) fn script() -> Html {
    const ELEMENT: Template = Template::new("<script src=\"{url}\" defer></script>\n");
    let url = format!("/live.js?v={SCRIPT_VERSION:08x}");
    ELEMENT.fill(&[("url", (&url).into())])
}

/// Answers `/style.css`, `/live.js`, and the picture that every browser asks for by itself; `None`:
/// another path.
#[must_use]
pub fn asset(request: &Request) -> Option<Answer> {
    let (kind, text, version) = match request.path() {
        "/style.css" => ("text/css; charset=utf-8", STYLE, STYLE_VERSION),
        "/live.js" => ("text/javascript; charset=utf-8", SCRIPT, SCRIPT_VERSION),
        "/favicon.ico" => ("image/svg+xml", ICON, ICON_VERSION),
        _ => return None,
    };
    // Who asks for another version than this one gets what there is, but must not keep it.
    let named = request.query() == Some(format!("v={version:08x}").as_str());
    let keep = if named {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let answer = Answer {
        status: 200,
        headers: Vec::new(),
        body: text.as_bytes().to_vec(),
    };
    let answer = answer
        .with("Content-Type", kind)
        .with("Cache-Control", keep)
        .with("X-Content-Type-Options", "nosniff")
        .with("Cross-Origin-Resource-Policy", "same-origin");
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_the_contents() {
        assert_eq!(version(""), 0x811c_9dc5);
        assert_eq!(version("a"), 0xe40c_292c);
    }

    #[test]
    fn the_stylesheet_is_small_and_has_both_schemes() {
        assert!(STYLE.len() < 8 * 1024, "{} bytes", STYLE.len());
        assert!(STYLE.contains("@media (prefers-color-scheme: dark)"));
        assert!(STYLE.contains("color-scheme: light dark"));
        assert!(STYLE.contains(":focus-visible") && STYLE.contains("prefers-reduced-motion"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(SCRIPT.len() < 4 * 1024);
    }
}
