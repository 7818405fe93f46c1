//! Hides what may be a secret before it is shown (contract 1): header and variable values, user
//! and password and query of URLs, arguments that look like keys.
//!
//! When in doubt it hides: a masked path is a nuisance, a key on a shared screen is a loss.

/// What stands in the place of a secret.
pub const MASKED: &str = "***";

/// A command line with everything masked that looks like a secret.
#[must_use]
pub fn arguments(args: &[String]) -> Vec<String> {
    let mut after_secret_flag = false;
    args.iter()
        .map(|arg| {
            let hide = std::mem::replace(
                &mut after_secret_flag,
                arg.starts_with('-') && !arg.contains('=') && names_secret(arg),
            );
            if hide && !arg.starts_with("--") {
                MASKED.to_owned()
            } else {
                argument(arg)
            }
        })
        .collect()
}

/// One argument. One with blanks may be a whole command line (`sh -c`).
fn argument(arg: &str) -> String {
    let shown = whole(arg);
    if shown == arg && arg.contains(' ') {
        let words: Vec<String> = arg.split(' ').map(str::to_owned).collect();
        return arguments(&words).join(" ");
    }
    shown
}

fn whole(arg: &str) -> String {
    match arg.split_once('=') {
        Some((name, _)) if names_secret(name) && !name.contains("://") => {
            format!("{name}={MASKED}")
        }
        _ if arg.contains("://") => url(arg),
        Some((name, value)) => format!("{name}={}", word(value)),
        // `Authorization: Bearer x`, as remote proxies take it.
        None => match arg.split_once(':') {
            Some((name, _)) if names_secret(name) => format!("{name}:{MASKED}"),
            _ => word(arg),
        },
    }
}

/// A URL without user, password and the values of its query and fragment.
#[must_use]
pub fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return word(text);
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (place, query) = rest.split_at(end);
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{MASKED}@{host}"),
        None => authority.to_owned(),
    };
    // Some services put the key into the path.
    let path: Vec<String> = path.split('/').map(word).collect();
    let query = match query.chars().next() {
        Some(mark) if query.len() > 1 => format!("{mark}{MASKED}"),
        Some(_) | None => query.to_owned(),
    };
    format!("{scheme}://{host}{}{query}", path.join("/"))
}

/// A text that is not what it had to be, so that nobody knows where in it a secret stands: whatever
/// precedes an `@` may be a password, whatever follows a `?` or a leading `=` a key.
#[must_use]
pub fn mistyped(text: &str) -> String {
    if text.starts_with('=') {
        return format!("={MASKED}");
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['@', '?', '#']) => (format!("{scheme}://"), rest),
        Some(_) | None => (String::new(), text),
    };
    let (before, rest) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(['?', '#']) => return format!("{scheme}{MASKED}"),
        Some((_, rest)) => (format!("{MASKED}@"), rest),
        None => (String::new(), rest),
    };
    let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let place = argument(place);
    let query = query
        .get(..1)
        .map_or_else(String::new, |mark| format!("{mark}{MASKED}"));
    format!("{scheme}{before}{place}{query}")
}

/// A piece of text that stands for itself.
fn word(text: &str) -> String {
    if looks_like_key(text) {
        MASKED.to_owned()
    } else {
        text.to_owned()
    }
}

/// Whether a flag, variable or header of this name carries a secret.
fn names_secret(name: &str) -> bool {
    // Too short to be looked for inside of words.
    const WHOLE: [&str; 4] = ["pat", "pass", "pwd", "pw"];
    const TELLING: [&str; 10] = [
        "key",
        "token",
        "secret",
        "password",
        "passwd",
        "auth",
        "credential",
        "cookie",
        "bearer",
        "passphrase",
    ];
    let name = name.to_ascii_lowercase();
    // Whole words, so that `--path` and `keyboard` stay readable; `apikey` ends in one.
    name.split(|character: char| !character.is_ascii_alphanumeric())
        .any(|part| {
            WHOLE.contains(&part)
                || TELLING.iter().any(|telling| match *telling {
                    "key" => part.ends_with(telling),
                    _ => part.contains(telling),
                })
        })
}

/// Whether a text looks like a key by itself: a known beginning, or long and of mixed characters.
fn looks_like_key(text: &str) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "sk-",
        "sk_",
        "pk_",
        "rk_",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xox",
        "AKIA",
        "eyJ",
    ];
    const LENGTH_MIN: usize = 24;
    if text.len() > 12 && BEGINNINGS.iter().any(|begin| text.starts_with(begin)) {
        return true;
    }
    let of_a_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    text.len() >= LENGTH_MIN
        && text.trim_end_matches('=').bytes().all(of_a_key)
        && digits >= 3
        && letters >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(args: &[&str]) -> String {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        arguments(&args).join(" ")
    }

    #[test]
    fn contract_1_arguments_that_look_like_keys() {
        for (args, expected) in [
            (&["--api-key", "abc", "x"][..], "--api-key *** x"),
            (&["--token=abc"], "--token=***"),
            (&["GITHUB_TOKEN=abc"], "GITHUB_TOKEN=***"),
            (&["--apikey", "abc"], "--apikey ***"),
            (&["-H", "Authorization: Bearer abc"], "-H Authorization:***"),
            (&["sk-abcdefghijklmn"], "***"),
            (&["0123456789abcdef0123456789abcdef"], "***"),
            (&["--x=0123456789abcdef0123456789abcdef"], "--x=***"),
            (&["--pass=abc"], "--pass=***"),
            (&["--db-pwd", "abc"], "--db-pwd ***"),
            (&["-c", "x --n=1 --token abc"], "-c x --n=1 --token ***"),
            (&["-c", "curl -H 'X-Key: abc'"], "-c curl -H 'X-Key:***"),
            (&["--use-token", "--verbose"], "--use-token --verbose"),
            (&["https://u:p@h/x?key=1"], "https://***@h/x?***"),
            (&["--url=https://h/mcp?k=v"], "--url=https://h/mcp?***"),
        ] {
            assert_eq!(shown(args), expected);
        }
    }

    #[test]
    fn ordinary_arguments_stay_readable() {
        for arg in [
            "-y",
            "@modelcontextprotocol/server-sequential-thinking",
            "server-sequential-thinking",
            "/home/user/projects/2026",
            "--path=/data",
            "--keyboard=us",
            "--bypass=us",
            "echo two words",
            "--port=8080",
            "C:\\x",
            "2026-07-28",
            "postgresql",
        ] {
            assert_eq!(shown(&[arg]), arg);
        }
    }

    #[test]
    fn what_was_mistyped_shows_nothing_that_may_be_a_password_or_a_key() {
        for (text, expected) in [
            ("bob:hunter2@host/?key=S", "***@host/?***"),
            ("http://bob:hunt/er2@host", "http://***@host"),
            ("http://bob:hunt?er2@host", "http://***"),
            ("https://h:99999/?key=S", "https://h:99999/?***"),
            ("h/?q=S", "h/?***"),
            ("=S", "=***"),
            ("TOKEN=S", "TOKEN=***"),
            ("localhost:3000/mcp", "localhost:3000/mcp"),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(mistyped(text), expected);
        }
    }

    #[test]
    fn contract_1_urls() {
        for (text, expected) in [
            ("https://h:1/mcp", "https://h:1/mcp"),
            ("https://u@h", "https://***@h"),
            ("https://h/?", "https://h/?"),
            ("https://h#frag", "https://h#***"),
            (
                "https://h/0123456789abcdef0123456789abcdef/mcp",
                "https://h/***/mcp",
            ),
            ("postgres://u:p@ss@h/db", "postgres://***@h/db"),
            ("no url", "no url"),
        ] {
            assert_eq!(url(text), expected);
        }
    }
}
