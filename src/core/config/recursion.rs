//! Recognises entries that would run 1mcp below itself, in any spelling (contract 3). They are
//! never taken into the configuration.

/// The package of the other program of this name.
const PACKAGE: &str = "@1mcp/agent";

/// Programs that only start another one, named in their arguments.
const STARTERS: [&str; 18] = [
    "bunx",
    "chronic",
    "env",
    "exec",
    "ionice",
    "nice",
    "node",
    "nohup",
    "npx",
    "pnpx",
    "setsid",
    "stdbuf",
    "sudo",
    "systemd-run",
    "time",
    "timeout",
    "uvx",
    "xargs",
];

/// Whether a command line runs 1mcp: by name, by the path of this very binary, or the package
/// through npx, a shell or the like.
#[must_use]
pub fn runs_1mcp(program: &str, args: &[String], own_path: Option<&str>) -> bool {
    let starts = STARTERS.contains(&name_of(program));
    std::iter::once(program)
        .chain(args.iter().map(String::as_str))
        .enumerate()
        .any(|(index, word)| {
            is_package(word)
                || Some(word) == own_path
                || ((index == 0 || starts) && is_binary(word))
                || words_of_shell(word).any(|inner| is_package(inner) || is_binary(inner))
        })
}

/// `1mcp`, `/x/1mcp`, `1mcp.exe`.
fn is_binary(word: &str) -> bool {
    name_of(word) == "1mcp"
}

/// The name of a program without its directory.
fn name_of(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    name.strip_suffix(".exe").unwrap_or(name)
}

/// `@1mcp/agent`, `@1mcp/agent@latest`, a path into it.
fn is_package(word: &str) -> bool {
    word.match_indices(PACKAGE).any(|(at, _)| {
        let before = word.get(..at).unwrap_or_default();
        let after = word.get(at + PACKAGE.len()..).unwrap_or_default();
        (before.is_empty() || before.ends_with(['/', '\\', ':']))
            && (after.is_empty() || after.starts_with(['@', '/', '\\']))
    })
}

/// The words of an argument that is a command line itself (`sh -c "exec 1mcp serve"`).
fn words_of_shell(argument: &str) -> impl Iterator<Item = &str> {
    let has_blank = argument.contains(char::is_whitespace);
    argument
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '"' | '\'' | '(' | ')'))
        .filter(move |_| has_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(line: &[&str]) -> bool {
        let args: Vec<String> = line[1..].iter().map(|arg| (*arg).to_owned()).collect();
        runs_1mcp(line[0], &args, Some("/opt/gateway"))
    }

    #[test]
    fn contract_3_every_spelling_of_ourselves() {
        for line in [
            &["1mcp"][..],
            &["/usr/bin/1mcp", "serve"],
            &["C:\\x\\1mcp.exe"],
            &["/opt/gateway", "serve"],
            &["env", "/opt/gateway"],
            &["npx", "-y", "@1mcp/agent"],
            &["npx", "-y", "@1mcp/agent@0.2.1"],
            &["node", "/x/node_modules/@1mcp/agent/build/index.js"],
            &["sh", "-c", "exec 1mcp serve"],
            &["env", "A=1", "1mcp", "serve"],
            &["/usr/bin/nice", "-n", "5", "/opt/bin/1mcp"],
            &["npx", "-y", "1mcp"],
            &["sh", "-c", "cd /x && npx @1mcp/agent"],
        ] {
            assert!(runs(line), "{line:?}");
        }
        for line in [
            &["npx", "-y", "@1mcp/agent-tools"][..],
            &["files", "/home/u/1mcp"],
            &["my1mcp"],
            &["echo", "1mcp"],
        ] {
            assert!(!runs(line), "{line:?}");
        }
    }
}
