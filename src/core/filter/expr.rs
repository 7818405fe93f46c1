//! Expressions over tags: `web and not (db or slow)`.
//!
//! Loosest first (contract 4): *or* is `,` `|` `||` `or`, *and* is `+` `&&` `and`, *not* is `!` `-`
//! `not`, then a tag or parentheses. Never knows where an expression stood or what has the tags.

use std::fmt;

use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TAGS_MAX};

/// An expression. Tags are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expr {
    /// A server with this tag.
    Tag(Box<str>),
    /// A server that the other expression does not admit.
    Not(Box<Self>),
    /// A server that all of them admit; none of them admits every server.
    And(Vec<Self>),
    /// A server that one of them admits; none of them admits no server.
    Or(Vec<Self>),
}

/// Why an expression cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Where, in characters from 1; one behind the last character if something is missing there.
    pub position: usize,
    /// What was found and what is expected there.
    pub what: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: {}", self.position, self.what)
    }
}

impl Misread {
    /// Refuses a text that is longer than anybody needs.
    pub(super) fn long(text: &str, name: &str) -> Result<(), Self> {
        if text.len() <= FILTER_BYTES_MAX {
            return Ok(());
        }
        let room = text.get(..text.floor_char_boundary(FILTER_BYTES_MAX));
        Err(Self {
            position: room.unwrap_or_default().chars().count() + 1,
            what: format!("{name} has at most {FILTER_BYTES_MAX} bytes"),
        })
    }

    /// One tag more than there may be.
    pub(super) fn many(position: usize) -> Self {
        Self {
            position,
            what: format!("at most {FILTER_TAGS_MAX} tags can be asked for at once"),
        }
    }
}

impl Expr {
    /// No server at all.
    pub const NOTHING: Self = Self::Or(Vec::new());

    /// Reads an expression.
    ///
    /// # Errors
    /// Where it stops making sense, and what is expected there.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        Misread::long(text, "an expression")?;
        let mut reader = Reader {
            rest: text,
            position: 1,
            depth: 0,
            tags: 0,
        };
        let expr = reader.any()?;
        match reader.peek() {
            (Token::End, _) => Ok(expr),
            _ => Err(reader.expected(AFTER)),
        }
    }

    /// Whether a server with these tags is meant, in any case of letters.
    #[must_use]
    pub fn admits(&self, tags: &[String]) -> bool {
        match self {
            Self::Tag(tag) => tags.iter().any(|own| is_same(own, tag)),
            Self::Not(inner) => !inner.admits(tags),
            Self::And(all) => all.iter().all(|one| one.admits(tags)),
            Self::Or(any) => any.iter().any(|one| one.admits(tags)),
        }
    }

    /// How tightly it holds together, for parentheses around it.
    const fn rank(&self) -> u8 {
        match self {
            Self::Or(any) if any.len() > 1 => 0,
            Self::And(all) if all.len() > 1 => 1,
            Self::Not(_) | Self::Tag(_) | Self::And(_) | Self::Or(_) => 2,
        }
    }
}

/// In words. What was read reads back as the same; `()` stands for a list of none, which only
/// presets can have.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, rank, inner) = match self {
            Self::Tag(tag) => return f.write_str(tag),
            Self::Not(inner) if inner.rank() < 2 => return write!(f, "not ({inner})"),
            Self::Not(inner) => return write!(f, "not {inner}"),
            Self::And(all) => (" and ", 1, all),
            Self::Or(any) => (" or ", 0, any),
        };
        if inner.is_empty() {
            return f.write_str("()");
        }
        for (index, one) in inner.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            if one.rank() <= rank && inner.len() > 1 {
                write!(f, "({one})")?;
            } else {
                write!(f, "{one}")?;
            }
        }
        Ok(())
    }
}

/// Whether a tag in any case of letters is this one in lower case. Nearly all tags are ASCII, and
/// then nothing is copied.
fn is_same(own: &str, lower: &str) -> bool {
    own.eq_ignore_ascii_case(lower) || (!own.is_ascii() && own.to_lowercase() == lower)
}

/// What may begin an operand.
const OPERAND: &str = "a tag, \"not\" or \"(\"";
/// What may come behind one.
const AFTER: &str = "\"and\", \"or\" or the end";
/// What may come behind one in parentheses.
const AFTER_INSIDE: &str = "\"and\", \"or\" or \")\"";
/// Characters of what was found that are shown.
const FOUND_CHARS_MAX: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Or,
    And,
    Not,
    Open,
    Close,
    Tag(&'a str),
    /// Nothing that stands in an expression.
    Odd,
    End,
}

/// What is unread. Descends one level per parenthesis, bounded by [`FILTER_DEPTH_MAX`].
struct Reader<'a> {
    rest: &'a str,
    /// Of the first character of `rest`, from 1.
    position: usize,
    depth: usize,
    /// Those that were read.
    tags: usize,
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Result<Expr, Misread> {
        let mut any = vec![self.all()?];
        while self.takes(Token::Or) {
            any.push(self.all()?);
        }
        Ok(alone(any, Expr::Or))
    }

    fn all(&mut self) -> Result<Expr, Misread> {
        let mut all = vec![self.one()?];
        while self.takes(Token::And) {
            all.push(self.one()?);
        }
        Ok(alone(all, Expr::And))
    }

    /// Twice *not* is nothing: so a long row of them makes nothing deep.
    fn one(&mut self) -> Result<Expr, Misread> {
        let mut denied = false;
        while self.takes(Token::Not) {
            denied = !denied;
        }
        let expr = self.operand()?;
        Ok(match expr {
            Expr::Not(inner) if denied => *inner,
            expr if denied => Expr::Not(Box::new(expr)),
            expr => expr,
        })
    }

    fn operand(&mut self) -> Result<Expr, Misread> {
        let (token, bytes) = self.peek();
        match token {
            Token::Tag(_) if self.tags == FILTER_TAGS_MAX => Err(Misread::many(self.position)),
            Token::Tag(tag) => {
                self.skip(bytes);
                self.tags += 1;
                Ok(Expr::Tag(tag.to_ascii_lowercase().into()))
            }
            Token::Open if self.depth == FILTER_DEPTH_MAX => Err(Misread {
                position: self.position,
                what: format!("parentheses stand at most {FILTER_DEPTH_MAX} deep"),
            }),
            Token::Open => {
                self.skip(bytes);
                self.depth += 1;
                let expr = self.any()?;
                self.depth -= 1;
                if self.takes(Token::Close) {
                    Ok(expr)
                } else {
                    Err(self.expected(AFTER_INSIDE))
                }
            }
            Token::Or | Token::And | Token::Not | Token::Close | Token::Odd | Token::End => {
                Err(self.expected(OPERAND))
            }
        }
    }

    fn takes(&mut self, wanted: Token<'_>) -> bool {
        let (token, bytes) = self.peek();
        let takes = token == wanted;
        if takes {
            self.skip(bytes);
        }
        takes
    }

    /// The next token and its bytes; blanks before it are skipped.
    fn peek(&mut self) -> (Token<'a>, usize) {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.skip(blank);
        let rest = self.rest;
        // A tag takes every hyphen that it meets, so one that stands at the beginning of a token
        // comes behind a blank, an operator or a parenthesis, or first of all: it means *not*.
        for (text, token) in [
            ("||", Token::Or),
            ("|", Token::Or),
            (",", Token::Or),
            ("&&", Token::And),
            ("+", Token::And),
            ("!", Token::Not),
            ("-", Token::Not),
            ("(", Token::Open),
            (")", Token::Close),
        ] {
            if rest.starts_with(text) {
                return (token, text.len());
            }
        }
        let bytes = rest.find(|c| !is_tag(c)).unwrap_or(rest.len());
        let word = rest.get(..bytes).unwrap_or_default();
        let token = match word {
            "" if rest.is_empty() => Token::End,
            "" => Token::Odd,
            word if word.eq_ignore_ascii_case("or") => Token::Or,
            word if word.eq_ignore_ascii_case("and") => Token::And,
            word if word.eq_ignore_ascii_case("not") => Token::Not,
            word => Token::Tag(word),
        };
        (token, bytes)
    }

    fn skip(&mut self, bytes: usize) {
        let (read, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.position += read.chars().count();
        self.rest = rest;
    }

    /// The next token is not what is expected.
    fn expected(&mut self, expected: &str) -> Misread {
        let (token, bytes) = self.peek();
        let found = self.rest.get(..bytes).unwrap_or_default();
        let what = match token {
            Token::End => format!("{expected} is expected, but it ends here"),
            Token::Odd if self.rest.starts_with('&') => {
                "\"and\" is written \"&&\", \"+\" or \"and\"".to_owned()
            }
            Token::Odd => {
                let found: String = self.rest.chars().take(1).collect();
                format!("{found:?} is no operator; a tag is made of A-Z a-z 0-9 _ . and -")
            }
            _ => {
                let found: String = found.chars().take(FOUND_CHARS_MAX).collect();
                format!("{expected} is expected, not {found:?}")
            }
        };
        Misread {
            position: self.position,
            what,
        }
    }
}

const fn is_tag(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// A list of one is that one.
fn alone(mut list: Vec<Expr>, of: fn(Vec<Expr>) -> Expr) -> Expr {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            // A session keeps it for as long as it lasts.
            list.shrink_to_fit();
            of(list)
        }
        None => of(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::fuzzing::filter as fuzz;

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_spelling_means_what_the_words_mean() {
        for (text, words) in [
            ("a", "a"),
            ("  A.b_C-9  ", "a.b_c-9"),
            ("a,b", "a or b"),
            ("a|b||c OR d", "a or b or c or d"),
            ("a+b&&c AnD d", "a and b and c and d"),
            ("!a", "not a"),
            ("-a", "not a"),
            ("- a", "not a"),
            ("NOT a", "not a"),
            ("not(a)", "not a"),
            ("(-a)", "not a"),
            ("a+-b", "a and not b"),
            ("a,-b", "a or not b"),
            ("a and -b", "a and not b"),
            ("a-b", "a-b"),
            ("a-,-b-", "a- or not b-"),
            ("not-a", "not-a"),
            ("or-b,android", "or-b or android"),
            ("--a", "a"),
            ("!-not a", "not a"),
            ("!(!a)", "a"),
            ("a,b+c", "a or b and c"),
            ("a+b,c", "a and b or c"),
            ("!a+b", "not a and b"),
            ("!(a,b)", "not (a or b)"),
            ("!(a+b)", "not (a and b)"),
            ("(a,b)+c", "(a or b) and c"),
            ("(a,b),c", "(a or b) or c"),
            ("(a+b)+c", "(a and b) and c"),
            ("((a))", "a"),
            ("\ta\n+\u{a0}b", "a and b"),
        ] {
            let expr = Expr::parse(text).unwrap_or_else(|misread| panic!("{text:?}: {misread}"));
            assert_eq!(expr.to_string(), words, "{text:?}");
            assert_eq!(Expr::parse(words), Ok(expr), "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_shown_by_position() {
        let ends = " is expected, but it ends here";
        for (text, position, what) in [
            ("", 1, &*format!("{OPERAND}{ends}")),
            ("   ", 4, &*format!("{OPERAND}{ends}")),
            ("a,", 3, &*format!("{OPERAND}{ends}")),
            ("a+ ", 4, &*format!("{OPERAND}{ends}")),
            ("not", 4, &*format!("{OPERAND}{ends}")),
            ("-", 2, &*format!("{OPERAND}{ends}")),
            ("(a", 3, &*format!("{AFTER_INSIDE}{ends}")),
            (",a", 1, &*format!("{OPERAND} is expected, not \",\"")),
            ("a|||b", 4, &*format!("{OPERAND} is expected, not \"|\"")),
            ("a ++ b", 4, &*format!("{OPERAND} is expected, not \"+\"")),
            (
                "a and or b",
                7,
                &*format!("{OPERAND} is expected, not \"or\""),
            ),
            ("()", 2, &*format!("{OPERAND} is expected, not \")\"")),
            ("a b", 3, &*format!("{AFTER} is expected, not \"b\"")),
            ("a -b", 3, &*format!("{AFTER} is expected, not \"-\"")),
            ("(a)-b", 4, &*format!("{AFTER} is expected, not \"-\"")),
            ("a)", 2, &*format!("{AFTER} is expected, not \")\"")),
            (
                "(a b)",
                4,
                &*format!("{AFTER_INSIDE} is expected, not \"b\""),
            ),
            ("a&b", 2, "\"and\" is written \"&&\", \"+\" or \"and\""),
            (
                "né",
                2,
                "\"é\" is no operator; a tag is made of A-Z a-z 0-9 _ . and -",
            ),
            (
                "é\u{7}",
                1,
                "\"é\" is no operator; a tag is made of A-Z a-z 0-9 _ . and -",
            ),
        ] {
            let misread = Expr::parse(text).expect_err(text);
            assert_eq!(
                (misread.position, &*misread.what),
                (position, what),
                "{text:?}"
            );
        }
        let misread = Expr::parse("a,,").unwrap_err();
        assert!(
            misread.to_string().starts_with("position 3: a tag,"),
            "{misread}"
        );
        let long = "b".repeat(100);
        let misread = Expr::parse(&format!("a {long}")).unwrap_err();
        assert!(misread.what.len() < 100, "{misread}");
    }

    #[test]
    fn an_expression_is_neither_too_long_nor_too_deep() {
        let long = "a".repeat(FILTER_BYTES_MAX);
        assert!(Expr::parse(&long).is_ok());
        let misread = Expr::parse(&format!("{long}a")).unwrap_err();
        assert!(misread.what.contains("at most 2000 bytes"), "{misread}");
        assert_eq!(misread.position, FILTER_BYTES_MAX + 1);

        let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(Expr::parse(&deep(FILTER_DEPTH_MAX)).is_ok());
        let misread = Expr::parse(&deep(FILTER_DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(misread.position, FILTER_DEPTH_MAX + 1);
        assert!(misread.what.contains("at most 32 deep"), "{misread}");
        // Beside each other there may be more.
        let row = |tags: usize| vec!["(a)"; tags].join("+");
        assert!(Expr::parse(&row(FILTER_TAGS_MAX)).is_ok());
        let misread = Expr::parse(&row(FILTER_TAGS_MAX + 1)).unwrap_err();
        assert_eq!(misread.position, 4 * FILTER_TAGS_MAX + 2);
        assert!(misread.what.contains("at most 100 tags"), "{misread}");
        let denied = format!("{}a", "!".repeat(FILTER_BYTES_MAX - 1));
        assert_eq!(Expr::parse(&denied).unwrap().to_string(), "not a");
    }

    #[test]
    fn tags_are_compared_in_any_case_of_letters() {
        let expr = Expr::parse("WEB+!db").unwrap();
        assert!(expr.admits(&tags(&["x", "Web"])));
        assert!(!expr.admits(&tags(&["web", "Db"])));
        assert!(!expr.admits(&[]));
        assert!(Expr::parse("!db").unwrap().admits(&[]));
        // A preset can name a tag that no expression can.
        assert!(Expr::Tag("données".into()).admits(&tags(&["DONNÉES"])));
        assert!(!Expr::Tag("donnees".into()).admits(&tags(&["DONNÉES"])));
        assert!(Expr::And(Vec::new()).admits(&[]) && !Expr::NOTHING.admits(&tags(&["a"])));
        assert_eq!(Expr::NOTHING.to_string(), "()");
    }

    /// An expression written in some spelling, and what it means, worked out while it is written:
    /// bit n tells whether it admits the n-th set of the tags a, b, c.
    struct Author(u64);

    impl Author {
        fn below(&mut self, end: u64) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from((self.0 >> 11) % end).unwrap()
        }

        fn pick(&mut self, of: &[&'static str]) -> &'static str {
            of[self.below(of.len() as u64)]
        }

        fn or(&mut self, depth: u32) -> (String, u8) {
            self.row(
                depth,
                &[",", "|", "||", " or ", " OR "],
                Self::and,
                |a, b| a | b,
            )
        }

        fn and(&mut self, depth: u32) -> (String, u8) {
            self.row(depth, &["+", "&&", " and ", " aNd "], Self::not, |a, b| {
                a & b
            })
        }

        fn row(
            &mut self,
            depth: u32,
            operators: &[&'static str],
            inner: fn(&mut Self, u32) -> (String, u8),
            join: fn(u8, u8) -> u8,
        ) -> (String, u8) {
            let (mut text, mut sets) = inner(self, depth);
            for _ in 0..self.below(3) {
                text.push_str(self.pick(&["", " "]));
                text.push_str(self.pick(operators));
                text.push_str(self.pick(&["", "  "]));
                let (more, its) = inner(self, depth);
                text.push_str(&more);
                sets = join(sets, its);
            }
            (text, sets)
        }

        fn not(&mut self, depth: u32) -> (String, u8) {
            if self.below(3) == 0 {
                let (text, sets) = self.not(depth);
                return (
                    format!("{}{text}", self.pick(&["!", "-", "not ", "Not "])),
                    !sets,
                );
            }
            if depth > 0 && self.below(3) == 0 {
                let (text, sets) = self.or(depth - 1);
                return (format!("({text})"), sets);
            }
            // Set n has tag number k if bit k of n is set.
            let sets = [0b1010_1010, 0b1100_1100, 0b1111_0000];
            let tag = self.below(3);
            let text = [["a", "A"], ["b-x", "B-X"], ["c.9", "C.9"]][tag][self.below(2)];
            (text.to_owned(), sets[tag])
        }
    }

    #[test]
    fn what_is_read_is_what_was_meant() {
        let own = ["A", "b-x", "c.9"];
        let mut read = 0;
        for seed in 1..2_000_u64 {
            let (text, sets) = Author(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)).or(3);
            if text.len() > FILTER_BYTES_MAX {
                continue;
            }
            let expr = match Expr::parse(&text) {
                Ok(expr) => expr,
                // As many tags were written as that.
                Err(why) if why.what == Misread::many(1).what => continue,
                Err(why) => panic!("{text:?}: {why}"),
            };
            read += 1;
            for set in 0..8_u8 {
                let has = (0..3).filter(|tag| set >> tag & 1 == 1);
                let has: Vec<String> = has.map(|tag| own[tag].to_owned()).collect();
                assert_eq!(expr.admits(&has), sets >> set & 1 == 1, "{text:?} {has:?}");
            }
            fuzz(text.as_bytes());
            // Cut anywhere it is read or refused, with a position inside.
            for at in 0..text.len().min(20) {
                fuzz(&text.as_bytes()[..at]);
                fuzz(&text.as_bytes()[at..]);
            }
        }
        assert!(read > 1_900, "{read}");
    }
}
