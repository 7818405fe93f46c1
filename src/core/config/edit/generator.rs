//! Documents as people leave them behind, for tests.

use crate::limits::JSON_DEPTH_MAX;

/// A small generator of documents as people leave them behind: xorshift, so that a failure names
/// a seed that shows it again.
pub(super) struct Generator(u64);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    pub(super) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn trivia(&mut self, out: &mut String) {
        for _ in 0..self.below(3) {
            out.push_str(self.pick(&[
                " ",
                "  ",
                "\t",
                "\n",
                "\r\n",
                "\n  ",
                "\r\n\t",
                "\r",
                "/**/",
                "/* c\n */",
                "// l\n",
                "// l , } {\r\n",
                "//\r",
            ]));
        }
    }

    fn value(&mut self, out: &mut String, depth: usize) {
        let kinds = if depth > 3 { 4 } else { 7 };
        match self.below(kinds) {
            0 => out.push_str("null"),
            1 => out.push_str("true"),
            2 => out.push_str(self.pick(&[
                "0",
                "-1.5e3",
                "10",
                "123456789012345678901234567890.5E+400",
            ])),
            3 => out.push_str(self.pick(&[
                "\"\"",
                "\"s\"",
                "\"// no\"",
                "\"\\u00e4}\\\"\"",
                "\"\\ud83d\\ude00 \\ud83d\"",
                "\"\u{2028}\u{1f600}\"",
            ])),
            4 => self.container(out, depth, '[', ']'),
            _ => self.container(out, depth, '{', '}'),
        }
    }

    fn container(&mut self, out: &mut String, depth: usize, open: char, close: char) {
        out.push(open);
        self.trivia(out);
        let count = self.below(4);
        for index in 0..count {
            if open == '{' {
                match self.below(24) {
                    0 => out.push_str("\"k0\""),
                    1 => out.push_str("\"\\u006b0\""),
                    2 => out.push_str("\"\""),
                    _ => out.push_str(["\"k0\"", "\"k1\"", "\"k2\""][index]),
                }
                self.trivia(out);
                out.push(':');
                self.trivia(out);
            }
            self.value(out, depth + 1);
            self.trivia(out);
            if index + 1 < count || self.below(3) == 0 {
                out.push(',');
                self.trivia(out);
            }
        }
        out.push(close);
    }

    pub(super) fn document(&mut self) -> String {
        let mut out = self.pick(&["", "", "\u{feff}"]).to_owned();
        self.trivia(&mut out);
        self.container(&mut out, 0, '{', '}');
        self.trivia(&mut out);
        out
    }

    /// A document of any kind: also an array, a scalar, nothing at all, blanks and comments alone,
    /// or one nested almost as deeply as it may be.
    pub(super) fn any_document(&mut self) -> String {
        let mut out = self.pick(&["", "", "", "\u{feff}"]).to_owned();
        self.trivia(&mut out);
        match self.below(16) {
            0 => {}
            1 => self.value(&mut out, 9),
            2 => self.container(&mut out, 0, '[', ']'),
            3 => {
                let levels = JSON_DEPTH_MAX - 1 - self.below(8);
                out.push_str(&"{\"k0\": [".repeat(levels / 2));
                self.value(&mut out, 9);
                out.push_str(&"]}".repeat(levels / 2));
            }
            _ => self.container(&mut out, 0, '{', '}'),
        }
        self.trivia(&mut out);
        out
    }
}
