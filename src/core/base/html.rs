//! HTML that is put together from templates with named holes. What goes into a hole is escaped,
//! unless it is HTML already, which only this module makes: from text, or from a template.
//!
//! Never parses anything, knows no page.

use crate::base::unseen::{is_joiner, is_unseen};

/// Text that is HTML: it can be put into a page as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Text for people to read. Control characters, and those that turn the direction of the text
    /// around or take no room at all, become visible: a name that a stranger chose must not look
    /// like another one.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            push(&mut out, if deceives(c) { '\u{fffd}' } else { c });
        }
        Self(out)
    }

    /// The value of an attribute that a browser gives back unchanged: of a hidden field, a link.
    #[must_use]
    pub fn value(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\r' => out.push_str("&#13;"),
                '\n' => out.push_str("&#10;"),
                '\0' => out.push('\u{fffd}'),
                c => push(&mut out, c),
            }
        }
        Self(out)
    }

    /// One behind the other.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }

    /// As it is sent.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

fn push(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// Characters that make a text look like another one.
fn deceives(c: char) -> bool {
    is_unseen(c) && !is_joiner(c) && !matches!(c, '\n' | '\t')
}

/// HTML with holes: `{name}`, lower-case letters. There are no other braces in it.
#[derive(Clone, Copy, Debug)]
pub struct Template(&'static str);

/// What goes into a hole.
#[derive(Clone, Debug)]
pub enum Hole<'a> {
    /// Text to be read; see [`Html::text`].
    Text(&'a str),
    /// The value of an attribute; see [`Html::value`].
    Value(&'a str),
    /// It is HTML.
    Html(Html),
}

impl<'a> From<&'a str> for Hole<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Hole<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<Html> for Hole<'_> {
    fn from(html: Html) -> Self {
        Self::Html(html)
    }
}

impl From<Option<Html>> for Hole<'_> {
    fn from(html: Option<Html>) -> Self {
        Self::Html(html.unwrap_or_default())
    }
}

impl Template {
    /// A template; its text is part of the program.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// Fills the holes. One that is missing here or there is a mistake of ours, which every test
    /// of the page shows; in a release it stays empty.
    #[must_use]
    pub fn fill(&self, holes: &[(&str, Hole<'_>)]) -> Html {
        let mut out = String::with_capacity(self.0.len() * 2);
        let mut filled = vec![false; holes.len()];
        let mut rest = self.0;
        while let Some((before, behind)) = rest.split_once('{') {
            out.push_str(before);
            let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
            let found = holes.iter().zip(&mut filled).find(|(own, _)| own.0 == name);
            debug_assert!(found.is_some(), "nothing fills the hole {name}");
            if let Some(((_, hole), filled)) = found {
                *filled = true;
                out.push_str(&match hole {
                    Hole::Text(text) => Html::text(text).0,
                    Hole::Value(text) => Html::value(text).0,
                    Hole::Html(html) => html.0.clone(),
                });
            }
            rest = after;
        }
        out.push_str(rest);
        let unknown = holes.iter().zip(filled).find(|(_, filled)| !filled);
        debug_assert!(unknown.is_none(), "there is no hole {unknown:?}");
        Html(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Template = Template::new("<a href=\"{link}\">{name}</a>{name}{more}");

    #[test]
    fn holes_are_escaped_unless_they_are_html() {
        let more = Template::new("<br>").fill(&[]);
        let filled = PAIR.fill(&[
            ("link", Hole::Value("/?a=1&b=\"'\r\n\0")),
            ("name", "<script>\u{202e}\u{1b}[0m".into()),
            ("more", more.into()),
        ]);
        assert_eq!(
            filled.into_string(),
            "<a href=\"/?a=1&amp;b=&quot;&#39;&#13;&#10;\u{fffd}\">&lt;script&gt;\u{fffd}\u{fffd}[0m</a>\
             &lt;script&gt;\u{fffd}\u{fffd}[0m<br>"
        );
    }

    #[test]
    fn what_fills_a_hole_is_not_looked_at_again() {
        let filled = PAIR.fill(&[
            ("link", "{name}".into()),
            ("name", "{link}{".into()),
            ("more", None.into()),
        ]);
        assert_eq!(
            filled.into_string(),
            "<a href=\"{name}\">{link}{</a>{link}{"
        );
    }

    #[test]
    #[should_panic(expected = "nothing fills the hole more")]
    fn a_hole_that_nothing_fills_fails_a_test() {
        let _page = PAIR.fill(&[("link", "a".into()), ("name", "b".into())]);
    }

    #[test]
    #[should_panic(expected = "there is no hole")]
    fn a_filling_without_a_hole_fails_a_test() {
        let _page = Template::new("a").fill(&[("link", "a".into())]);
    }

    #[test]
    fn no_text_looks_like_another_one() {
        for c in [
            '\u{0}',
            '\u{7f}',
            '\u{9b}',
            '\u{200f}',
            '\u{2066}',
            '\u{200b}',
            '\u{e0041}',
        ] {
            assert_eq!(
                Html::text(&format!("a{c}b")).into_string(),
                "a\u{fffd}b",
                "{c:?}"
            );
        }
        let harmless = "a b\n\u{e4}\u{4e2d}\u{200d}\u{1f600}";
        assert_eq!(Html::text(harmless).into_string(), harmless);
    }
    #[test]
    fn what_deceives_is_shown_as_such() {
        let ranges = [
            '\0'..='\u{8}',
            '\u{b}'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{ad}'..='\u{ad}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{180e}'..='\u{180e}',
            '\u{200b}'..='\u{200b}',
            '\u{200e}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{3164}'..='\u{3164}',
            '\u{feff}'..='\u{feff}',
            '\u{fff9}'..='\u{fffb}',
            '\u{e0000}'..='\u{e007f}',
        ];
        for c in ranges.into_iter().flatten() {
            let shown = Html::text(&c.to_string()).into_string();
            assert_eq!(shown, "\u{fffd}", "{c:?}");
        }
        let kept = "\n\ta\u{200c}b\u{200d}";
        assert_eq!(Html::text(kept).into_string(), kept);
    }
}
