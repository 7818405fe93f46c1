//! From the strings of an application to ours: what it substitutes becomes a reference of ours,
//! every other `$` is doubled, so that it comes out as it stands.

use super::places::{Platform, Surroundings};
use crate::config::substitute::is_name;

/// A string of ours, or why there is none; the end of a sentence that begins with the server.
pub(super) type Text = Result<String, String>;

/// For an application that substitutes nothing.
pub(super) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// For applications that replace `${..}` and nothing else. `replace` says what stands for the
/// inside in our format, or `None` if it stays as it is.
pub(super) fn braced(text: &str, replace: &dyn Fn(&str) -> Result<Option<String>, String>) -> Text {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let inside = after
            .strip_prefix('{')
            .and_then(|open| open.split_once('}'));
        match inside {
            Some((inside, after_brace)) => match replace(inside)? {
                Some(ours) => {
                    out.push_str(&ours);
                    rest = after_brace;
                }
                None => {
                    out.push_str("$$");
                    rest = after;
                }
            },
            None => {
                out.push_str("$$");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Our reference to a variable.
pub(super) fn variable(name: &str) -> Text {
    if is_name(name) {
        Ok(format!("${{{name}}}"))
    } else {
        Err(format!(
            "refers to the variable {name:?}, whose name 1mcp cannot refer to"
        ))
    }
}

/// For applications that know `${env:NAME}` and nothing else.
pub(super) fn env_only(text: &str) -> Text {
    braced(text, &|inside| match inside.strip_prefix("env:") {
        Some(name) => variable(name).map(Some),
        None => Ok(None),
    })
}

/// The variables of VS Code and its relatives: those of the environment and of the system are
/// ours too, those of a window are not.
pub(super) fn editor(text: &str, around: &Surroundings) -> Text {
    braced(text, &|inside| editor_variable(inside, around))
}

fn editor_variable(inside: &str, around: &Surroundings) -> Result<Option<String>, String> {
    if let Some(name) = inside.strip_prefix("env:") {
        return variable(name).map(Some);
    }
    match inside {
        "userHome" => return Ok(Some(home(around).to_owned())),
        "pathSeparator" | "/" => return Ok(Some(separator(around).to_owned())),
        _ => {}
    }
    let kind = inside.split(':').next().unwrap_or_default();
    let why = match kind {
        "input" => "asks for a value",
        "command" | "config" | "extensionInstallFolder" => "takes a value from the editor",
        "cwd" | "execPath" | "defaultBuildTask" | "lineNumber" | "columnNumber"
        | "selectedText" => "depends on the open window",
        _ if ["workspaceFolder", "file", "relativeFile"]
            .iter()
            .any(|begin| kind.starts_with(begin)) =>
        {
            "depends on the open folder"
        }
        // Any other name stays as it stands, in those editors too.
        _ => return Ok(None),
    };
    Err(format!(
        "{why} (${{{inside}}}), which only the application knows"
    ))
}

/// Our reference to the home directory.
pub(super) const fn home(around: &Surroundings) -> &'static str {
    match around.platform {
        Platform::Linux | Platform::MacOs => "${HOME}",
        Platform::Windows => "${USERPROFILE}",
    }
}

const fn separator(around: &Surroundings) -> &'static str {
    match around.platform {
        Platform::Linux | Platform::MacOs => "/",
        Platform::Windows => "\\",
    }
}

/// One spelling for each meaning of a string of ours, to compare: `$NAME` as `${NAME}`, a `$` that
/// stands for itself as `$$`.
pub(super) fn canonical(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let name = after
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let (name, after_name) = after.split_at(name);
        if let Some(after) = after.strip_prefix('$') {
            out.push_str("$$");
            rest = after;
        } else if is_name(name) {
            out.push_str(&format!("${{{name}}}"));
            rest = after_name;
        } else {
            out.push_str(if after.starts_with('{') { "$" } else { "$$" });
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::around;
    use super::*;

    #[test]
    fn every_other_dollar_is_doubled() {
        assert_eq!(literal("a$b ${c} $$ $"), "a$$b $${c} $$$$ $$");
        for (text, ours) in [
            ("${env:A}/x", "${A}/x"),
            ("$A ${A} $$ ${", "$$A $${A} $$$$ $${"),
            ("${env:A}${env:B}", "${A}${B}"),
            ("$${env:A}", "$$${A}"),
            ("${x${env:A}}", "$${x${A}}"),
        ] {
            assert_eq!(env_only(text).as_deref(), Ok(ours), "{text}");
        }
        assert!(env_only("${env:A-B}").is_err());
    }

    #[test]
    fn variables_of_a_window_cannot_be_carried_over() {
        let around = around();
        for (text, ours) in [
            ("${userHome}${/}x${pathSeparator}", "${HOME}/x/"),
            ("${TOKEN} ${other:x}", "$${TOKEN} $${other:x}"),
        ] {
            assert_eq!(editor(text, &around).as_deref(), Ok(ours), "{text}");
        }
        for text in [
            "${input:key}",
            "${workspaceFolder}",
            "${workspaceFolder:a}/x",
            "${workspaceFolderBasename}",
            "${fileDirname}",
            "${config:a.b}",
            "${command:x}",
            "${cwd}",
        ] {
            let why = editor(text, &around).unwrap_err();
            assert!(why.contains("${"), "{why}");
        }
    }

    #[test]
    fn one_spelling_for_each_meaning() {
        for (one, other) in [("$A/x", "${A}/x"), ("5$", "5$$"), ("$1", "$$1")] {
            assert_eq!(canonical(one), canonical(other));
        }
        assert_ne!(canonical("$$A"), canonical("$A"));
        assert_eq!(canonical("$"), "$$");
    }
}
