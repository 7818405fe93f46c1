//! Reading Rust as far as the house rules need it: what is code and what is text, where an item
//! ends, which paths are named. No grammar; what it does not know it takes for code.

/// Comments and the insides of string and character literals become blanks; line ends stay.
pub(super) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_before = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !word_before) {
            length
        } else if first == '"' {
            1 + until_quote(&rest[1..], '"')
        } else if let Some(length) = character(rest) {
            length
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (literal, after) = rest.split_at(length);
        out.extend(literal.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    out
}

fn until_quote(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a raw string, if one begins here.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = if text.starts_with("br") { 2 } else { 1 };
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let body = prefix + hashes + 1;
    Some(
        text[body..]
            .find(&end)
            .map_or(text.len(), |at| body + at + end.len()),
    )
}

/// Length of a character literal, if one begins here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    let first = rest.chars().next()?;
    if first == '\\' {
        return Some(1 + until_quote(rest, '\''));
    }
    rest[first.len_utf8()..]
        .starts_with('\'')
        .then(|| first.len_utf8() + 2)
}

/// Where the brace that opens at `open` is closed, one past.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Where the body of a function ends that begins here; `None` if it has none.
pub(super) fn function_end(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return closing(code, at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Blanks every item that `#[cfg(test)]` stands before.
pub(super) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let end = match (rest.find(';'), rest.find('{')) {
            (Some(semicolon), brace) if brace.is_none_or(|brace| semicolon < brace) => {
                semicolon + 1
            }
            (_, Some(brace)) => closing(rest, brace).unwrap_or(rest.len()),
            _ => rest.len(),
        };
        let blanks: String = rest[..end]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        out.replace_range(start..start + end, &blanks);
    }
    out
}

pub(super) fn words(code: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(move |c| !is_part(c))
        .filter(|word| !word.is_empty())
}

/// All paths and single names, those of `use` trees written out: `a::{b, c::d}` gives `a::b` and
/// `a::c::d`.
pub(super) fn paths(code: &str) -> Vec<String> {
    let (mut found, mut prefixes) = (Vec::new(), vec![String::new()]);
    let mut current = String::new();
    for token in tokens(code) {
        match token {
            "{" => {
                let inside_tree = current.ends_with("::");
                prefixes.push(if inside_tree {
                    current.clone()
                } else {
                    String::new()
                });
                current = prefixes.last().cloned().unwrap_or_default();
            }
            "::" => current.push_str("::"),
            "}" | "," | ";" | "(" | ")" => {
                found.push(std::mem::take(&mut current));
                if token == "}" && prefixes.len() > 1 {
                    prefixes.pop();
                }
                current = prefixes.last().cloned().unwrap_or_default();
            }
            word if current.is_empty() || current.ends_with("::") => current.push_str(word),
            word => {
                let prefix = prefixes.last().cloned().unwrap_or_default();
                found.push(std::mem::replace(&mut current, prefix + word));
            }
        }
    }
    found.push(current);
    found.retain(|path| !path.is_empty());
    found
}

/// Words, `::`, and marks that end a path.
fn tokens(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = match first {
                _ if word > 0 => word,
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            if word > 0 || matches!(token, "::" | "{" | "}" | "," | ";" | "(" | ")") {
                return Some(token);
            }
        }
    })
}
